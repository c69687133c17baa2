"""No pattern can run away: the bound that is computed holds against a matcher that counts its steps."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from core.plain_text import PIECE_CHARS, plain, sentences
from core.policy import Policy
from core.safe_patterns import MAX_STEPS, UnsafePattern, compile_safely, steps

DOSSIER = Path(__file__).parents[2] / "dossier"
POLICY = Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml")
PATTERNS = sorted({pattern.pattern for pattern in POLICY.patterns})
HOSTILE_CHARS = 100_000
HOSTILE = ["you are you are ", "f*", "how much is a ", "refund the payment you ", "! "]

_parser: Any = importlib.import_module("re._parser")
Then = Callable[[int], bool]


@cache
def parsed(pattern: str) -> list[Any]:
    return list(_parser.parse(pattern, re.IGNORECASE))


class CountingMatcher:
    """A plain backtracking matcher over the same parse tree as `re`, slower, and counting every step."""

    def __init__(self, pattern: str, text: str) -> None:
        self.items = parsed(pattern)
        self.text = text
        self.steps = 0

    def match(self, start: int) -> int | None:
        ends: list[int] = []
        self._sequence(self.items, start, lambda end: ends.append(end) is None)
        return ends[0] if ends else None

    def _sequence(self, items: list[Any], at: int, then: Then) -> bool:
        if not items:
            return then(at)
        (op, argument), rest = items[0], items[1:]
        return self._item(str(op), argument, at, lambda end: self._sequence(rest, end, then))

    def _item(self, op: str, argument: Any, at: int, then: Then) -> bool:
        if op == "BRANCH":
            self.steps += len(argument[1])
            return any(self._sequence(list(branch), at, then) for branch in argument[1])
        if op == "SUBPATTERN":
            return self._sequence(list(argument[-1]), at, then)
        if op == "ATOMIC_GROUP":
            return self._once(list(argument), at, then)
        if op in ("ASSERT", "ASSERT_NOT"):
            return self._look(op, argument, at, then)
        if op in ("MAX_REPEAT", "MIN_REPEAT"):
            return self._repeat(op, argument, at, then, 0)
        if op == "POSSESSIVE_REPEAT":
            return self._possessive(argument, at, then)
        return self._one(op, argument, at, then)

    def _once(self, items: list[Any], at: int, then: Then) -> bool:
        ends: list[int] = []
        return self._sequence(items, at, lambda end: ends.append(end) is None) and then(ends[0])

    def _look(self, op: str, argument: Any, at: int, then: Then) -> bool:
        direction, items = argument
        start = at if direction > 0 else at - items.getwidth()[0]
        found = start >= 0 and self._sequence(list(items), start, lambda _end: True)
        return found == (op == "ASSERT") and then(at)

    def _repeat(self, op: str, argument: Any, at: int, then: Then, done: int) -> bool:
        least, most, items = argument

        def again(end: int) -> bool:
            return end > at and self._repeat(op, argument, end, then, done + 1)

        self.steps += 1
        if op == "MIN_REPEAT" and done >= least and then(at):
            return True
        if done < most and self._sequence(list(items), at, again):
            return True
        return op == "MAX_REPEAT" and done >= least and then(at)

    def _possessive(self, argument: Any, at: int, then: Then) -> bool:
        least, most, items = argument
        done = 0
        while done < most and (end := self._end(list(items), at)) is not None and end > at:
            at, done = end, done + 1
        self.steps += 1
        return done >= least and then(at)

    def _end(self, items: list[Any], at: int) -> int | None:
        ends: list[int] = []
        self._sequence(items, at, lambda end: ends.append(end) is None)
        return ends[0] if ends else None

    def _one(self, op: str, argument: Any, at: int, then: Then) -> bool:
        """One character or an anchor, left to `re` itself."""
        self.steps += 1
        if op == "AT":
            return self._anchor(str(argument), at) and then(at)
        if at >= len(self.text):
            return False
        return self._char(op, argument, self.text[at]) and then(at + 1)

    def _anchor(self, where: str, at: int) -> bool:
        if where == "AT_BEGINNING":
            return at == 0
        if where == "AT_END":
            return at == len(self.text)
        around = [0 <= i < len(self.text) and bool(re.match(r"\w", self.text[i])) for i in (at - 1, at)]
        return (around[0] != around[1]) == (where == "AT_BOUNDARY")

    def _char(self, op: str, argument: Any, char: str) -> bool:
        variants = {char, char.lower(), char.upper()}
        if op == "LITERAL":
            return chr(argument) in variants
        if op == "NOT_LITERAL":
            return chr(argument) not in variants
        if op == "ANY":
            return char != "\n"
        negated = str(argument[0][0]) == "NEGATE"
        hit = any(self._member(str(kind), value, variants) for kind, value in argument)
        return hit != negated

    def _member(self, kind: str, value: Any, variants: set[str]) -> bool:
        if kind == "LITERAL":
            return chr(value) in variants
        if kind == "RANGE":
            return any(value[0] <= ord(char) <= value[1] for char in variants)
        if kind == "CATEGORY":
            sign = {"WORD": r"\w", "NOT_WORD": r"\W", "SPACE": r"\s", "NOT_SPACE": r"\S", "DIGIT": r"\d"}
            return any(re.match(sign[str(value).removeprefix("CATEGORY_")], char) for char in variants)
        return False


def counted(pattern: str, piece: str) -> tuple[int, int]:
    """All steps of a search from every start of a piece, and the most from one start."""
    total = most = 0
    for start in range(len(piece)):
        matcher = CountingMatcher(pattern, piece)
        matcher.match(start)
        total, most = total + matcher.steps, max(most, matcher.steps)
    return total, most


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_text_of_100_kb_stays_within_the_step_bound(hostile: str) -> None:
    text = (hostile * (HOSTILE_CHARS // len(hostile) + 1))[:HOSTILE_CHARS]
    seen = plain(text)
    spans = list(sentences(seen.text))
    assert all(end - start <= PIECE_CHARS for start, end in spans)
    assert sum(end - start for start, end in spans) <= 1.3 * HOSTILE_CHARS
    start, _end = spans[0]
    piece = seen.text[start : start + 60]
    total = 0
    for pattern in PATTERNS:
        taken, most = counted(pattern, piece)
        assert most <= steps(pattern), pattern
        total += taken
    assert total / len(piece) < 40 * len(PATTERNS)
    POLICY.check(text, stage="inbound", channel="whatsapp")


@pytest.mark.parametrize(
    "text", ["I want my money back", "talk to a real person please", "how much is the studio plan"]
)
def test_the_counting_matcher_agrees_with_re(text: str) -> None:
    for pattern in PATTERNS:
        compiled = re.compile(pattern, re.IGNORECASE)
        for start in range(len(text)):
            found = compiled.match(text, start)
            if pattern.startswith("^") and start:
                continue
            assert CountingMatcher(pattern, text).match(start) == (found.end() if found else None), (pattern, start)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+b", r"(\w+ ?)*x", ".*.*.*=", "(x+x+)+y", r"(a)\1"])
def test_a_pattern_that_could_run_away_is_refused(pattern: str) -> None:
    with pytest.raises(UnsafePattern):
        compile_safely(pattern)


@pytest.mark.parametrize("pattern", [r"\b(?:\S{1,24}+ ){0,4}refund\b", "a{1,20}b", "(?:ab|cd|ef){0,6}"])
def test_a_bounded_pattern_is_accepted(pattern: str) -> None:
    assert compile_safely(pattern)
    assert steps(pattern) < MAX_STEPS


def test_every_pattern_of_the_policy_is_bounded() -> None:
    assert PATTERNS
    assert max(map(steps, PATTERNS)) <= MAX_STEPS
