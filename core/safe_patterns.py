"""Regular expressions that cannot run away: compiled only when their worst case from one start is known and small.

Python's `re` backtracks, so a rule written in a hurry could hang on a hostile message. `steps` bounds, from the parse
tree, the steps a pattern can take from one starting position; the whole search is then linear in the text.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.plain_text import PIECE_CHARS

MAX_STEPS: Final = 50_000

_parser: Any = importlib.import_module("re._parser")
_ONE_CHAR: Final = {"LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "RANGE", "CATEGORY"}
_ANY_LETTER: Final = ""
# Digits for letters are undone before (`core.disguise`), where a code can be told from a word.
_SIGNS: Final = {"a": "a@", "i": "i!", "s": "s$", "u": "uv"}
_MASKS: Final = "*#@$%"
_ENDINGS: Final = "(?:s|es|ed|er|ers|ing|ings|in|y|ty|up|head|heads|face)?"


class UnsafePattern(ValueError):
    """The pattern is not a regular expression, or could run away."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """How many ways there are to match, and how many steps it takes to try them all."""

    ways: int
    steps: int


def compile_safely(pattern: str) -> re.Pattern[str]:
    """The pattern, case-insensitive; UnsafePattern when it is invalid or its worst case exceeds MAX_STEPS."""
    try:
        worst = steps(pattern)
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise UnsafePattern(f"not a regular expression: {error}") from error
    if worst > MAX_STEPS:
        raise UnsafePattern(
            f"could take {worst} steps from one position, {MAX_STEPS} are allowed: bound its repeats, "
            "or make them possessive as in (?:...){0,4}+"
        )
    return compiled


def steps(pattern: str) -> int:
    """The most steps that the pattern can take from one start in a piece of text."""
    return _sequence(_parser.parse(pattern, re.IGNORECASE)).steps


def _sequence(items: Iterable[tuple[Any, Any]]) -> _Cost:
    ways, total = 1, 0
    for op, argument in items:
        cost = _item(str(op), argument)
        total += ways * cost.steps
        ways *= cost.ways
    return _Cost(ways, total)


def _item(op: str, argument: Any) -> _Cost:
    if op in _ONE_CHAR:
        return _Cost(1, 1)
    if op == "BRANCH":
        return _branches(argument[1])
    if op == "SUBPATTERN":
        return _sequence(argument[-1])
    if op == "ATOMIC_GROUP":
        return _Cost(1, _sequence(argument).steps)
    if op in ("ASSERT", "ASSERT_NOT"):
        return _Cost(1, _sequence(argument[1]).steps)
    if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return _repeat(op, *argument)
    raise UnsafePattern(f"{op.lower()} is not allowed in a rule")


def _branches(branches: Sequence[Any]) -> _Cost:
    """Of alternatives that begin with different letters only those of one letter can get past their first step."""
    ways: Counter[Any] = Counter()
    taken: Counter[Any] = Counter()
    for branch in branches:
        cost = _sequence(branch)
        literal = len(branch) > 0 and str(branch[0][0]) == "LITERAL"
        letter = chr(branch[0][1]).lower() if literal else _ANY_LETTER
        ways[letter] += cost.ways
        taken[letter] += cost.steps
    any_ways, any_steps = ways.pop(_ANY_LETTER, 0), taken.pop(_ANY_LETTER, 0)
    most_ways, most_steps = max(ways.values(), default=0), max(taken.values(), default=0)
    return _Cost(any_ways + most_ways, any_steps + most_steps + len(branches))


def _repeat(op: str, least: int, most: int, items: Any) -> _Cost:
    body = _sequence(items)
    most = min(int(most), PIECE_CHARS)
    if op == "POSSESSIVE_REPEAT":
        return _Cost(1, most * body.steps + 1)
    if body.ways == 1:
        return _Cost(most - int(least) + 1, most * body.steps + 1)
    ways = sum(body.ways**n for n in range(int(least), min(most, 12) + 1))
    if most > 12 or ways > MAX_STEPS:
        raise UnsafePattern(f"repeats something that matches in {body.ways} ways up to {most} times")
    return _Cost(ways, ways * body.steps)


def alternation(words: Sequence[str], spelled: str) -> str:
    """A group that matches any of the words: `plain`, `loose` (blank or hyphen between the parts) or `masked` (f*ck)."""
    spell = {"plain": _plain, "loose": _loose, "masked": _masked}[spelled]
    return "(?>" + "|".join(spell(word) for word in sorted(words, key=len, reverse=True)) + ")"


def _plain(word: str) -> str:
    return rf"(?<!\w){re.escape(word)}(?!\w)"


def _loose(word: str) -> str:
    """`CountHero` also as `Count Hero`, `count-hero`."""
    parts = re.findall(r"[A-Z]?[^A-Z\s_-]+|[A-Z]+", word)
    return rf"(?<!\w){'[ _-]?'.join(re.escape(part) for part in parts)}(?!\w)"


def _masked(word: str) -> str:
    """The word stretched, with signs for letters or with its letters set apart."""
    runs = [match.group() for match in re.finditer(r"(.)\1*", word)]
    stretched = "[.*_-]?+".join(rf"{_signed(run[0])}{{{len(run)},{len(run) + 5}}}+" for run in runs)
    signs = _signed(word[0]) + "".join(f"[{re.escape(letter + _MASKS)}]" for letter in word[1:])
    apart = r"[\W_]{1,2}".join(_signed(letter) for letter in word)
    return rf"(?<![a-z0-9'])(?>(?:{stretched}|{signs}){_ENDINGS}|{apart})(?![a-z0-9])"


def _signed(letter: str) -> str:
    return f"[{re.escape(_SIGNS.get(letter, letter))}]"
