"""Text as rules read it: disguises taken off, cut into sentences, every character knowing where it came from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

PIECE_CHARS: Final = 600
OVERLAP_CHARS: Final = 120

# Letters of other scripts and signs that pass for Latin ones. NFKD already undoes full-width, circled and accented forms.
_LOOKALIKES: Final = str.maketrans(
    "АВЕКМНОРСТУХаеорсухіјѕԁһӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανıł’‘‛′`´“”„‟–—−‐‑",
    "ABEKMHOPCTYXaeopcyxijsdhlABEZHIKMNOPTYXoavil''''''\"\"\"\"-----",
)
_BREAK: Final = re.compile(r"\n|[.!?]+(?=[\s\"')\]]|$)")
_LIST_ITEM: Final = re.compile(r"\s*\n\s*(?:[-*•>#]|\d{1,2}[.)])")


@dataclass(frozen=True, slots=True)
class PlainText:
    """`text` to match against; `origin[i]` is where its i-th character stands in the text that was given."""

    text: str
    origin: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span in the given text of `text[start:end]`, which must not be empty."""
        return self.origin[start], self.origin[end - 1] + 1


def verbatim(given: str) -> PlainText:
    """The text as it is."""
    return PlainText(given, tuple(range(len(given))))


def plain(given: str) -> PlainText:
    """Compatibility forms, accents, look-alikes and invisible characters undone; white space runs to one blank or break."""
    if given.isascii() and given.isprintable() and "  " not in given:  # as most sentences are
        return verbatim(given)
    letters: list[str] = []
    origin: list[int] = []
    for index, char in enumerate(given):
        for letter in _letters(given, index, char):
            if letter.isspace() and letters and letters[-1].isspace():
                letters[-1] = "\n" if "\n" in (letter, letters[-1]) else " "
                continue
            letters.append(letter)
            origin.append(index)
    return PlainText("".join(letters), tuple(origin))


def _letters(given: str, index: int, char: str) -> str:
    if char == "\n":
        return "\n" if _ends_sentence(given, index) else " "
    if char.isascii():
        return char if char.isprintable() else " " if char.isspace() else ""
    if unicodedata.category(char) in ("Cf", "Mn", "Me", "Cc"):
        return " " if char.isspace() else ""
    folded = unicodedata.normalize("NFKD", char)
    return "".join(c for c in folded if not unicodedata.combining(c)).translate(_LOOKALIKES)


def _ends_sentence(given: str, index: int) -> bool:
    """An empty line or a list item ends a sentence; a single line break is how mail wraps its lines."""
    following = given[index + 1 : index + 20]
    return following.lstrip(" \t\r").startswith("\n") or _LIST_ITEM.match("\n" + following) is not None


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the sentences of a plain text; a very long one comes in overlapping pieces of at most PIECE_CHARS."""
    start = 0
    for boundary in _BREAK.finditer(text):
        yield from _pieces(text, start, boundary.end())
        start = boundary.end()
    yield from _pieces(text, start, len(text))


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end - start > PIECE_CHARS:
        yield start, start + PIECE_CHARS
        start += PIECE_CHARS - OVERLAP_CHARS
    if start < end:
        yield start, end
