"""Sentences, list lines and lengths: what the manners of the channels are built from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.grounding.text import split_line
from core.models import ReplySentence

Join = Literal[" ", "\n", "\n\n"]

_ITEM = re.compile(r"\s*(?:\d{1,3}[.)]|[-*•–])\s+\S")
_LINK = re.compile(r"\[([^\]\n]{1,200})\]\((https?://[^\s)]{1,500})\)")
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_CLAUSE = re.compile(r"[,;:]\s+")


@dataclass(frozen=True, slots=True)
class Unit:
    """The smallest piece that is never cut: a sentence or a list line, and how it joins the one before it."""

    text: str
    join: Join
    item: bool
    grounded: bool


def units_of(sentences: Iterable[ReplySentence]) -> list[Unit]:
    """Sentences as units: steps stay lines, blank lines stay paragraphs, courtesy and substance are apart."""
    units: list[Unit] = []
    for sentence in sentences:
        grounded = bool(sentence.passages)
        after: Join = "\n\n" if units and units[-1].grounded != grounded else " "
        for line in _plain(sentence.text).splitlines():
            if not line.strip():
                after = "\n\n"
                continue
            item = _ITEM.match(line) is not None
            for text in [line.rstrip()] if item else split_line(line):
                units.append(Unit(text, _join(units, item, after), item, grounded))
                after = " "
            if after == " ":
                after = "\n"
    return units


def render(units: Sequence[Unit]) -> str:
    return "".join((unit.join if index else "") + unit.text for index, unit in enumerate(units))


def leading(units: Sequence[Unit], fits: Callable[[str], bool]) -> list[Unit]:
    """The longest beginning that fits whole; a line that only announces what was cut off goes too."""
    end = 0
    while end < len(units) and fits(render(units[: end + 1])):
        end += 1
    chosen = list(units[:end])
    if end < len(units):
        while len(chosen) > 1 and chosen[-1].text.endswith(":"):
            chosen.pop()
    return chosen


def break_long(units: Sequence[Unit], fits: Callable[[str], bool]) -> list[Unit]:
    """The same units, with any that could never fit broken at clauses, then at words, then anywhere."""
    pieces: list[Unit] = []
    for unit in units:
        for index, text in enumerate([unit.text] if fits(unit.text) else _pieces(unit.text, fits)):
            pieces.append(Unit(text, unit.join if index == 0 else " ", unit.item and index == 0, unit.grounded))
    return pieces


def utf16_units(text: str) -> int:
    """Length as WhatsApp counts it: a character outside the basic plane is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def words(text: str) -> int:
    return len(text.split())


def _join(units: Sequence[Unit], item: bool, after: Join) -> Join:
    if not units or after == "\n\n":
        return after
    if item:
        return "\n"
    return "\n\n" if units[-1].item else after


def _plain(text: str) -> str:
    """Markdown that a plain-text reader would stumble over, as words."""
    text = text.replace("\r\n", "\n").replace("\x00", "")
    return _BOLD.sub(r"\2", _LINK.sub(r"\1 (\2)", text))


def _pieces(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Greedy: as many clauses as fit, else as many words, else as many characters."""
    for tokens in (_split_after(_CLAUSE, text), _split_after(re.compile(r"\s+"), text)):
        if all(fits(token.strip()) for token in tokens):
            return _pack(tokens, fits)
    tokens = [
        piece for word in _split_after(re.compile(r"\s+"), text) for piece in ([word] if fits(word) else list(word))
    ]
    return _pack(tokens, fits)


def _split_after(pattern: re.Pattern[str], text: str) -> list[str]:
    ends = [match.end() for match in pattern.finditer(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True) if text[a:b]]


def _pack(tokens: Iterable[str], fits: Callable[[str], bool]) -> list[str]:
    packed: list[str] = []
    for token in tokens:
        if packed and fits((packed[-1] + token).strip()):
            packed[-1] += token
        else:
            packed.append(token)
    return [piece.strip() for piece in packed if piece.strip()]
