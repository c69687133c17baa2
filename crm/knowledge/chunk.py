"""Pages cut along their headings into pieces that one vector can hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crm.knowledge.pages import Page
from crm.knowledge.structure import Block

# The model reads 256 tokens; title and headings stand in front of the text.
MAX_TOKENS = 200
_WORD = re.compile(r"\w+|[^\w\s]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])|\n")
HEADING_SEPARATOR = " > "


@dataclass(frozen=True, slots=True)
class Chunk:
    """`heading` is the path of headings below the title; `named` is that with the title in front, empty without one.

    `hash` covers all that is embedded.
    """

    ordinal: int
    heading: str
    text: str
    named: str
    hash: str

    @property
    def embedded_text(self) -> str:
        return "\n".join(filter(None, (self.named or self.heading, self.text)))


def cut_page(page: Page, *, max_tokens: int = MAX_TOKENS) -> list[Chunk]:
    """Chunks in reading order; the same text under the same heading comes once."""
    chunks: dict[str, Chunk] = {}
    for heading, blocks in _sections(page):
        for text in _pack(blocks, max_tokens):
            named = "\n".join(filter(None, (page.title, heading))) if page.title else ""
            digest = hashlib.sha256(f"{named}\0{heading}\0{text}".encode()).hexdigest()
            chunks.setdefault(digest, Chunk(len(chunks), heading, text, named, digest))
    return list(chunks.values())


def estimate_tokens(text: str) -> int:
    """WordPiece tokens, rather too many than too few: a long or odd word falls into several pieces."""
    return sum(1 + (len(word) - 1) // (6 if word.isalpha() else 2) for word in _WORD.findall(text))


def _sections(page: Page) -> Iterator[tuple[str, list[Block]]]:
    """Heading paths with the blocks below them. The summary stands first: one sentence that says what the page is for."""
    path: dict[int, str] = {}
    section: list[Block] = [Block(page.summary)] if page.summary else []
    heading = ""
    for block in page.blocks:
        if not block.level:
            section.append(block)
            continue
        if section:
            yield heading, section
        section = []
        path = {level: name for level, name in path.items() if level < block.level} | {block.level: block.text}
        heading = HEADING_SEPARATOR.join(path[level] for level in sorted(path))
    if section:
        yield heading, section


def _pack(blocks: Sequence[Block], max_tokens: int) -> Iterator[str]:
    """Whole blocks while they fit; a longer block is cut between lines, then sentences, then words."""
    held: list[str] = []
    size = 0
    for piece in (piece for block in blocks for piece in _fit(block.text, max_tokens)):
        tokens = estimate_tokens(piece)
        if held and size + tokens > max_tokens:
            yield "\n".join(held)
            held, size = [], 0
        held.append(piece)
        size += tokens
    if held:
        yield "\n".join(held)


def _fit(text: str, max_tokens: int) -> Iterator[str]:
    if estimate_tokens(text) <= max_tokens:
        yield text
        return
    pieces = [piece for piece in _SENTENCE_END.split(text) if piece.strip()]
    if len(pieces) > 1:
        for piece in pieces:
            yield from _fit(piece, max_tokens)
        return
    words: list[str] = []
    size = 0
    for word in text.split():
        tokens = estimate_tokens(word)
        if words and size + tokens > max_tokens:
            yield " ".join(words)
            words, size = [], 0
        # A single "word" of thousands of signs (a base64 blob) says nothing to anybody.
        words.append(word[: max_tokens * 4])
        size += tokens
    yield " ".join(words)
