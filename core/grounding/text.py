"""A sentence as the grounding rules read it: tokens with stems, the numbers, codes and links apart from the words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import snowballstemmer

from core.grounding.words import FUNCTION, NUMBER_WORDS, SYNONYMS

Kind = Literal["word", "number", "code", "link", "mark"]

_LIST_MARK = re.compile(r"^\s*(?:\d{1,3}[.)]|[-*•–])\s+")
_MARKDOWN = re.compile(r"\*\*|__|`|~~|^#+\s+|^>\s*(?:\[!\w+\])?", re.MULTILINE)
_MARKDOWN_LINK = re.compile(r"!?\[([^\]\n]{1,200})\]\(([^\s)]{1,500})\)")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*\s+|[。！？]+")
# A letter alone is an initial; the one at the end of a code (`PO-1042-B.`) is not.
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|vs|approx|no|nr|mr|mrs|ms|dr|prof|inc|ltd|fig|cf|st)|(?<![\w-])[A-Z])\.$", re.I
)
_TOKEN = re.compile(
    r"(?P<link>https?://[^\s<>\"')\]]+|www\.[^\s<>\"')\]]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<number>[$€£]?\d+(?:[.,:]\d+)*(?![\w-]*[^\W\d_])(?!_)(?:\s?%)?)"
    r"|(?P<sized>\d+(?:[.,]\d+)?)(?=-?(?:[a-z]{1,9})\b(?![-\d]))"
    r"|(?P<code>\w*\d\w*(?:[-_./:]\w+)*|[^\W\d_]+(?:[-./:]\w*[\d_]\w*)+|\w+_\w+)"
    r"|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)?)"
    r"|(?P<mark>[,;:()–—]|-(?=\s)|[.!?])"
)
_stemmer = snowballstemmer.stemmer("english")


@dataclass(frozen=True, slots=True)
class Token:
    """`stem` is what is compared: a canonical stem, a plain number, a code or link in lower case."""

    text: str
    lower: str
    stem: str
    kind: Kind
    initial: bool

    @property
    def content(self) -> bool:
        return self.kind == "word" and self.lower not in FUNCTION and len(self.lower) > 1


@dataclass(frozen=True, slots=True)
class Read:
    """One sentence, read once. `letters` is it without anything that writers vary: case, marks, list numbers."""

    text: str
    tokens: tuple[Token, ...]
    letters: str

    @property
    def words(self) -> frozenset[str]:
        return frozenset(t.lower for t in self.tokens if t.kind == "word")

    @property
    def content(self) -> tuple[Token, ...]:
        return tuple(t for t in self.tokens if t.content)

    @property
    def stems(self) -> frozenset[str]:
        return frozenset(t.stem for t in self.tokens if t.content)

    def of(self, kind: Kind) -> tuple[Token, ...]:
        return tuple(t for t in self.tokens if t.kind == kind)


@lru_cache(maxsize=8192)
def read(sentence: str) -> Read:
    plain = plain_sentence(sentence)
    tokens: list[Token] = []
    initial = True
    for match in _TOKEN.finditer(plain):
        token = _token(match, initial)
        if token is not None:
            tokens.append(token)
            initial = token.text in ".!?:;(" and token.kind == "mark"
    return Read(sentence, tuple(tokens), letters_of(plain))


def letters_of(text: str) -> str:
    """Letters, digits and the signs that change a meaning, in lower case."""
    return " ".join(re.findall(r"[\w%$€£@+<>=-]+(?:[.,:/]\w+)*", plain_sentence(text).lower()))


def plain_sentence(text: str) -> str:
    """Without list number and markdown; typographic signs made plain."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("‘", "'")
    text = _MARKDOWN_LINK.sub(r"\1 (\2)", text)
    return _LIST_MARK.sub("", _MARKDOWN.sub("", text)).strip()


def split_sentences(text: str) -> list[str]:
    """The sentences of a text that say something; a line ends one too."""
    found = (sentence for line in text.splitlines() for sentence in split_line(line))
    return [sentence for sentence in found if any(c.isalnum() for c in sentence)]


def split_line(line: str) -> list[str]:
    """The sentences of one line; nothing is lost but the blanks between them.

    Channels cut a long reply where this does: what is left out was judged by itself, and so was what is sent.
    """
    line = line.strip()
    mark = _LIST_MARK.match(line)
    sentences, start = [], 0
    for match in _SENTENCE_END.finditer(line, mark.end() if mark else 0):
        head, tail = line[start : match.end()].rstrip(), line[match.end() :]
        if not _ABBREVIATION.search(head) and not (match.group()[-1:].isspace() and tail[:1].islower()):
            sentences.append(head)
            start = match.end()
    return [sentence for sentence in (*sentences, line[start:].rstrip()) if sentence]


@lru_cache(maxsize=20_000)
def stem_of(word: str) -> str:
    """The stem, the same for words that say the same deed (SYNONYMS)."""
    stem: str = _stemmer.stemWord(word.split("'")[0])
    return _canonical().get(stem, stem)


@lru_cache(maxsize=1)
def _canonical() -> dict[str, str]:
    return {_stemmer.stemWord(word): _stemmer.stemWord(group[0]) for group in SYNONYMS for word in group}


def _token(match: re.Match[str], initial: bool) -> Token | None:
    kind, text = match.lastgroup or "mark", match.group()
    lower = text.lower()
    match kind:
        case "number" | "sized":
            return Token(text, lower, plain_number(text), "number", initial)
        case "link":
            bare = lower.rstrip(".,;:!?")
            return Token(
                text, lower, bare.removeprefix("https://").removeprefix("http://").rstrip("/"), "link", initial
            )
        case "code":
            return Token(text, lower, lower.rstrip(".:/-"), "code", initial)
        case "word" if lower in NUMBER_WORDS:
            return Token(text, lower, NUMBER_WORDS[lower], "number", initial)
        case "word":
            return Token(text, lower, stem_of(lower), "word", initial)
        case _:
            return Token(text, lower, text, "mark", initial)


def plain_number(text: str) -> str:
    """`1,000` and `1000` are one number, `$5` keeps its sign apart: see `facts.unit_of`."""
    bare = text.strip(" $€£%")
    thousands = re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", bare)
    return bare.replace(",", "") if thousands else bare
