"""Replies without a language model: sentences taken from the passages, chosen by meaning, kept in reading order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.ports import Embedder

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(`])")
_STEP = re.compile(r"^\s*(\d+\.|-)\s+")
_ASKS_HOW = re.compile(
    r"\b(how|where|steps?|set ?up|way to|can i|can we|could i|need to|want to|trying to|help me)\b", re.IGNORECASE
)
_BUDGET_CHARS = {"whatsapp": 230, "web_form": 900, "email": 1200}
_CLOSE_TO_BEST = 0.72
_PASSAGE_WEIGHT = 0.5
_MAX_STEPS = 9
_EMPATHY_BELOW = 0.45
_EMPATHY = "I am sorry for the trouble this is causing you."


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, or a step that belongs to the list `block` of its passage."""

    passage: str
    position: int
    text: str
    block: int | None
    context: str


class Composer:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def compose(
        self, message: str, searches: Sequence[tuple[str, list[dict[str, Any]]]], channel: str, *, sentiment: float
    ) -> list[dict[str, Any]]:
        """The sentences of a reply with the passages that support them; empty when no search found anything."""
        answered = [(query, passages) for query, passages in searches if passages]
        if len(answered) > 1:
            # The first search was the whole message; the ones after it are its single questions.
            answered = answered[1:]
        budget = _BUDGET_CHARS.get(channel, 900) // max(len(answered), 1)
        chosen: list[_Unit] = []
        for query, passages in answered:
            chosen += [u for u in await self._answer(query, passages, budget) if u.text not in {c.text for c in chosen}]
        if not chosen:
            return []
        reply: list[dict[str, Any]] = [{"text": u.text, "passages": [u.passage]} for u in chosen]
        return [{"text": _EMPATHY, "passages": []}, *reply] if sentiment < _EMPATHY_BELOW else reply

    async def _answer(self, query: str, passages: list[dict[str, Any]], budget: int) -> list[_Unit]:
        """The best unit decides the passage; its neighbours fill the budget in reading order."""
        units = [unit for passage in passages[:3] for unit in _units(passage)]
        if not units:
            return []
        scores = await self._score(query, units, {p["id"]: p["score"] for p in passages})
        best = max(range(len(units)), key=scores.__getitem__)
        passage = units[best].passage
        own = [i for i in range(len(units)) if units[i].passage == passage]
        steps = self._steps(query, units, own, scores)
        if steps:
            return _fit([units[i] for i in steps], budget, keep_order=True)
        close = [i for i in own if scores[i] >= _CLOSE_TO_BEST * scores[best]]
        ranked = sorted(close, key=lambda i: -scores[i])
        kept = _fit([units[i] for i in ranked], budget, keep_order=False)
        return sorted(kept, key=lambda u: u.position)

    def _steps(self, query: str, units: list[_Unit], own: list[int], scores: list[float]) -> list[int]:
        """A list is kept whole, with the sentence that leads to it, when the question asks how or its best sentence is a step."""
        blocks = {units[i].block for i in own if units[i].block is not None}
        if not blocks:
            return []
        best = max(own, key=scores.__getitem__)
        if units[best].block is None and not _ASKS_HOW.search(query):
            return []
        block = units[best].block if units[best].block is not None else min(b for b in blocks if b is not None)
        members = [i for i in own if units[i].block == block][:_MAX_STEPS]
        before = [i for i in own if units[i].position < units[members[0]].position and units[i].block is None]
        lead = before[-1:] if best not in before else sorted({best, before[-1]})
        return [*lead, *members]

    async def _score(self, query: str, units: list[_Unit], passage_scores: dict[str, float]) -> list[float]:
        vectors = await self._embedder.embed([query, *(f"{u.context}: {u.text}" for u in units)])
        asked = vectors[0]
        return [
            sum(a * b for a, b in zip(asked, vector, strict=True)) + _PASSAGE_WEIGHT * passage_scores[unit.passage]
            for unit, vector in zip(units, vectors[1:], strict=True)
        ]


def _units(passage: dict[str, Any]) -> list[_Unit]:
    units: list[_Unit] = []
    block, in_list = -1, False
    context = " ".join(filter(None, (passage["title"], passage["heading"])))
    for line in passage["text"].splitlines():
        step = _STEP.match(line) is not None
        if step and not in_list:
            block += 1
        in_list = step
        for sentence in [line] if step else _SENTENCE.split(line):
            if sentence.strip():
                units.append(_Unit(passage["id"], len(units), sentence.strip(), block if step else None, context))
    return units


def _fit(units: list[_Unit], budget: int, *, keep_order: bool) -> list[_Unit]:
    """Whole sentences within the budget, at least one."""
    kept: list[_Unit] = []
    used = 0
    for unit in units:
        if kept and used + len(unit.text) > budget:
            if keep_order:
                break
            continue
        kept.append(unit)
        used += len(unit.text)
    return kept
