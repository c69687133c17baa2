"""Hard facts: numbers with their units, codes, links and proper names. What a sentence has of them its source must have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from core.grounding.text import Read, Token, stem_of
from core.grounding.words import UNITS

# "24 hours", "24 business hours", "1,000 API requests": the unit is one of the next words.
_UNIT_REACH = 3


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a sentence is not taken: the rule that fired and the words that fired it."""

    rule: str
    evidence: str


def doubts_about_facts(
    sentence: Read, supports: Sequence[Read], *, names: Collection[str], links: str
) -> Iterator[Doubt]:
    """`names` are lower-case words that may always be said; `links` is all text that a link may be taken from."""
    yield from _numbers(sentence, supports)
    yield from _codes(sentence, supports)
    yield from (Doubt("link", t.text) for t in sentence.of("link") if t.stem not in links)
    yield from _names(sentence, supports, names)


def _numbers(sentence: Read, supports: Sequence[Read]) -> Iterator[Doubt]:
    known = {t.stem for s in supports for t in (*s.of("number"), *s.of("code"))}
    measured = {pair for s in supports for pair in _measures(s)}
    for index, token in enumerate(sentence.tokens):
        if token.kind != "number":
            continue
        if token.stem not in known:
            yield Doubt("number", token.text)
            continue
        unit = _unit(sentence.tokens, index)
        if unit and (token.stem, unit) not in measured:
            yield Doubt("unit", f"{token.text} {unit}")


def _measures(support: Read) -> Iterator[tuple[str, str]]:
    """Each number with every word that may be its unit: a source names it before or behind ("Limit (days): 30")."""
    for index, token in enumerate(support.tokens):
        if token.kind in ("number", "code"):
            if sign := _sign(token):
                yield token.stem, sign
            near = support.tokens[max(0, index - _UNIT_REACH - 2) : index + _UNIT_REACH + 3]
            yield from ((token.stem, t.stem) for t in near if t.kind == "word")


def _unit(tokens: Sequence[Token], index: int) -> str | None:
    if sign := _sign(tokens[index]):
        return sign
    for token in tokens[index + 1 : index + 1 + _UNIT_REACH]:
        if token.kind != "word":
            return None
        if token.lower in UNITS:
            return token.stem
    return None


def _sign(token: Token) -> str | None:
    return next((sign for sign in "$€£" if sign in token.text), "percent" if "%" in token.text else None)


def _codes(sentence: Read, supports: Sequence[Read]) -> Iterator[Doubt]:
    known = {t.stem for s in supports for t in s.tokens if t.kind in ("code", "number", "link")}
    text = " ".join(s.letters for s in supports)
    yield from (Doubt("code", t.text) for t in sentence.of("code") if t.stem not in known and t.stem not in text)


def _names(sentence: Read, supports: Sequence[Read], names: Collection[str]) -> Iterator[Doubt]:
    """A capital letter inside a sentence names something; so does a word in capitals anywhere."""
    said = {t.lower for s in supports for t in s.tokens} | {t.stem for s in supports for t in s.tokens}
    for token in sentence.content:
        named = (token.text[0].isupper() and not token.initial) or (len(token.text) > 1 and token.text.isupper())
        if named and not {token.lower, token.stem, stem_of(token.lower)} & said and token.lower not in names:
            yield Doubt("name", token.text)
