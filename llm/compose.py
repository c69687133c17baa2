"""Replies without a language model: the section that answers, in its own words, cut to what the channel can carry.

Email and the web form have room for the whole section; WhatsApp gets the sentences nearest to the question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.ports import Embedder
from llm.questions import asking_clauses

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(`])")
_STEP = re.compile(r"^\s*(\d+\.|-)\s+")
# A line of a table as the knowledge base writes it: `Header: cell; Header: cell.`
_ROW = re.compile(r"; [^.;:]{1,60}: ")
_MOST_ROWS = 2
_CODE = re.compile(r"\b[A-Z]{1,4}-?\d{2,5}\b")
# "error PA-21", "it says TR-4102": an error code, while MUG-12 may be an item of the customer's own.
_SAID_CODE = re.compile(r"\b(?:ERROR|CODE|SAYS|SHOWS|MESSAGE)\W+(?:\w+\W+){0,2}?([A-Z]{1,4}-?\d{2,5})\b")
# Characters: what fits beside greeting and signature within the channel's own limit.
_BUDGET = {"whatsapp": 215, "web_form": 1100, "email": 1500}
_WHOLE_SECTIONS = ("email", "web_form")
# A second section joins when it fits nearly as well as the first.
_NEARLY = 0.94
# The search judges a section as one text; its nearest sentence and its sentences on the whole say which section of a page.
# Of the 75 tuning tickets with a fact the right section was first for 55 with the nearest sentence alone, for 60 with both.
_NEAREST_WEIGHT = 0.25
_MEAN_WEIGHT = 0.5
# "How many ...?" is answered by a sentence with a number.
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|often|old|big|large|fast|soon|far)\b|\b(?:limit|maximum|minimum|deadline)\b",
    re.IGNORECASE,
)
_HAS_NUMBER = re.compile(r"(?<![\w.-])\d[\d,.]*(?![\w-])")
_NUMBER_BONUS = 0.1
# On WhatsApp a sentence reads better than a row of a table that says the same.
_ROW_DISCOUNT = 0.08
_CODE_BONUS = 0.4
_MAX_SECTIONS = 10
_EMPATHY_BELOW = 0.37
_EMPATHY = "I am sorry for the trouble this is causing you."

Search = tuple[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence or a step of a passage, in reading order; `block` numbers the list that a step belongs to."""

    position: int
    text: str
    block: int | None
    passage: str = ""
    fit: float = 0.0


@dataclass(frozen=True, slots=True)
class _Section:
    """What stands under one heading, in one passage or several, and how well it fits the question."""

    units: tuple[_Unit, ...]
    fit: float

    @property
    def best(self) -> _Unit:
        return max(self.units, key=lambda u: u.fit)


class Composer:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def compose(
        self, message: str, searches: Sequence[Search], channel: str, *, sentiment: float
    ) -> list[dict[str, Any]]:
        """The sentences of a reply with the passages that support them; empty when no search found anything."""
        answered = _by_question([(query, passages) for query, passages in searches if passages])
        chosen: dict[str, str] = {}
        for query, passages in answered:
            sections = await self._judge(query, passages)
            budget = _BUDGET.get(channel, 900) // len(answered)
            whole = channel in _WHOLE_SECTIONS
            for unit in _choose(sections if whole else _in_prose(sections), budget, whole=whole):
                chosen.setdefault(unit.text, unit.passage)
        reply: list[dict[str, Any]] = [{"text": text, "passages": [passage]} for text, passage in chosen.items()]
        return [{"text": _EMPATHY, "passages": []}, *reply] if reply and sentiment < _EMPATHY_BELOW else reply

    async def _judge(self, query: str, passages: list[dict[str, Any]]) -> list[_Section]:
        """Sections, the best first: the search's own score, the nearest sentence, and the codes that the question names."""
        # What stands before the first heading says what the page is for; it leads to the page and answers nothing.
        telling = [p for p in passages if p["heading"]] or passages
        found = _by_heading(telling)[:_MAX_SECTIONS]
        split = [(max(section, key=lambda p: p["score"]), _units(section)) for section in found]
        texts = [f"{p['title']} {p['heading']}: {u.text}" for p, units in split for u in units]
        asking = [query, *(c for c in asking_clauses(query) if c != query)]
        vectors = await self._embedder.embed([*asking, *texts])
        cosines = iter(_nearness(vectors[: len(asking)], vector) for vector in vectors[len(asking) :])
        codes = set(_CODE.findall(query.upper()))
        if _unknown_error(query.upper(), " ".join(texts).upper()):
            return []  # what the documents say about other codes is no answer
        sections = []
        for best, units in split:
            near = [next(cosines) for _ in units]
            if not units:
                continue
            judged = tuple(
                replace(u, fit=cosine + _code_fit(u.text, codes) + _number_fit(u.text, query))
                for u, cosine in zip(units, near, strict=True)
                if not _about_other_code(u, codes)
            )
            if not judged:
                continue
            fit = best["score"] + _NEAREST_WEIGHT * max(u.fit for u in judged) + _MEAN_WEIGHT * sum(near) / len(near)
            sections.append(_Section(judged, fit))
        return sorted(sections, key=lambda s: -s.fit)


def _by_heading(passages: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """A long section is several passages: together again, in the order of the page. Best section first."""
    sections: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for passage in passages:
        sections.setdefault((passage["title"], passage["heading"]), []).append(passage)
    return [sorted(section, key=lambda p: p.get("place", 0)) for section in sections.values()]


def _by_question(searches: list[Search]) -> list[Search]:
    """The single questions of a message, each judged together with the whole message, which knows the context."""
    if len(searches) < 2:
        return searches
    (_, whole), *single = searches
    context = {p["id"]: p["score"] for p in whole}
    least = min(context.values()) * 0.8
    return [
        (
            query,
            sorted(
                ({**p, "score": (p["score"] + context.get(p["id"], least)) / 2} for p in passages),
                key=lambda p: -p["score"],
            ),
        )
        for query, passages in single
    ]


def _nearness(asked: Sequence[Sequence[float]], vector: Sequence[float]) -> float:
    """To the whole message and, where it has one, to the clause that asks."""
    whole, *clauses = [sum(a * b for a, b in zip(question, vector, strict=True)) for question in asked]
    return (whole + max(clauses)) / 2 if clauses else whole


def _unknown_error(asked: str, found: str) -> bool:
    """Whether the question is about an error code, and none of its codes stands in what was found."""
    codes = set(_CODE.findall(asked))
    known = set(_CODE.findall(found))
    families = {code.rstrip("0123456789") for code in known}
    errors = set(_SAID_CODE.findall(asked)) | {code for code in codes if code.rstrip("0123456789") in families}
    return bool(errors) and not codes & known


def _code_fit(text: str, codes: set[str]) -> float:
    """A sentence about the error code that was asked for is the answer; one about another code is not."""
    named = set(_CODE.findall(text.upper()))
    if not codes or not named:
        return 0.0
    return _CODE_BONUS if named & codes else -_CODE_BONUS


def _about_other_code(unit: _Unit, codes: set[str]) -> bool:
    """A row or a sentence about another code than the one asked for; a step of a list stays, or the list has a hole."""
    return unit.block is None and _code_fit(unit.text, codes) < 0


def _number_fit(text: str, query: str) -> float:
    found = _ASKS_NUMBER.search(query) and _HAS_NUMBER.search(_STEP.sub("", text))
    return _NUMBER_BONUS if found else 0.0


def _in_prose(sections: Sequence[_Section]) -> list[_Section]:
    def less(unit: _Unit) -> _Unit:
        return replace(unit, fit=unit.fit - _ROW_DISCOUNT) if _ROW.search(unit.text) else unit

    return [replace(section, units=tuple(map(less, section.units))) for section in sections]


def _choose(sections: Sequence[_Section], budget: int, *, whole: bool) -> list[_Unit]:
    if not sections:
        return []
    first = sections[0]
    chosen = _nearest(first, budget)
    left = budget - sum(len(unit.text) for unit in chosen)
    for section in sections[1:3] if whole else ():
        if section.fit >= _NEARLY * first.fit and left > 150:
            more = _nearest(section, left)
            chosen += more
            left -= sum(len(unit.text) for unit in more)
    return chosen


def _nearest(section: _Section, budget: int) -> list[_Unit]:
    """All sentences where they fit, else the nearest ones, in reading order. A list is cut at its end, never inside."""
    units = _without_other_rows(section.units)
    if sum(len(u.text) for u in units) <= budget:
        return units
    best = section.best
    if best.block is not None:
        return _fitting(_with_lead(section, best.block), budget)
    kept = _fitting(sorted(units, key=lambda u: -u.fit), budget, skip=True)
    return sorted(kept, key=lambda u: u.position)


def _without_other_rows(units: Sequence[_Unit]) -> list[_Unit]:
    """A table read out whole is no answer: the rows nearest to the question stay, with all that is not a row."""
    rows = sorted((u for u in units if _ROW.search(u.text)), key=lambda u: -u.fit)
    dropped = {u.position for u in rows[_MOST_ROWS:]}
    return [u for u in units if u.position not in dropped]


def _with_lead(section: _Section, block: int) -> list[_Unit]:
    members = [u for u in section.units if u.block == block]
    before = [u for u in section.units if u.block is None and u.position < members[0].position]
    return [*before[-1:], *members]


def _fitting(units: Sequence[_Unit], budget: int, *, skip: bool = False) -> list[_Unit]:
    """Units within the budget, at least one; `skip` goes on to shorter ones after one that does not fit."""
    kept: list[_Unit] = []
    used = 0
    for unit in units:
        if kept and used + len(unit.text) > budget:
            if not skip:
                break
            continue
        kept.append(unit)
        used += len(unit.text)
    return kept


def _units(section: Sequence[dict[str, Any]]) -> list[_Unit]:
    units: list[_Unit] = []
    block, in_list = -1, False
    for passage, line in ((p, line) for p in section for line in p["text"].splitlines()):
        step = _STEP.match(line) is not None
        block += step and not in_list
        in_list = step
        for sentence in [line] if step else _SENTENCE.split(line):
            if sentence.strip():
                units.append(_Unit(len(units), sentence.strip(), block if step else None, passage["id"]))
    return units
