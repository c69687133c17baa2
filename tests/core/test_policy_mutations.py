"""The policy weakened on purpose, a piece at a time: its own examples must notice.

Every pattern is compiled once and an example is looked at again only where the dropped piece had a say, so hundreds of
mutants take a second. A pattern that nobody misses is redundant: remove it, or write the example that needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from core.plain_text import plain, sentences
from core.policy import Policy, Rule, _CompiledRule
from core.vocabulary import CHANNELS

DOSSIER = Path(__file__).parents[2] / "dossier"
POLICY = Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml")
FIELDS = ("any", "always", "unless", "unless_near")


@cache
def cut(text: str) -> tuple[str, ...]:
    seen = plain(text).text
    return tuple(seen[start:end] for start, end in sentences(seen))


def fires(rule: _CompiledRule, text: str) -> bool:
    return any(rule.match(sentence) for sentence in cut(text))


@dataclass(frozen=True)
class Mutant:
    """A rule without one of its patterns."""

    name: str
    rule: _CompiledRule
    original: _CompiledRule
    dropped: re.Pattern[str]

    def is_noticed(self) -> bool:
        examples = self.rule.rule.examples
        return any(
            fires(self.rule, text) != fires(self.original, text)
            for text in (*examples.must_match, *examples.must_not_match)
            if any(self.dropped.search(sentence) for sentence in cut(text))
        )


def mutants(policy: Policy) -> Iterator[Mutant]:
    for rule in policy._compiled:
        for field in FIELDS:
            patterns: tuple[re.Pattern[str], ...] = getattr(rule, field)
            for number, pattern in enumerate(patterns):
                rest = {field: patterns[:number] + patterns[number + 1 :]}
                yield Mutant(f"{rule.rule.id}.{field}[{number}]", replace(rule, **rest), rule, pattern)


def test_at_least_nine_of_ten_dropped_patterns_are_noticed() -> None:
    noticed = {mutant.name: mutant.is_noticed() for mutant in mutants(POLICY)}
    unnoticed = [name for name, was in noticed.items() if not was]
    print(f"{len(noticed) - len(unnoticed)} of {len(noticed)} dropped patterns are noticed; not: {unnoticed}")
    assert len(noticed) > 200
    assert len(unnoticed) <= 0.1 * len(noticed), unnoticed


def test_a_redundant_pattern_goes_unnoticed() -> None:
    """The measure itself can fail: the same pattern twice is missed by nobody."""
    rule = next(rule for rule in POLICY._compiled if rule.rule.id == "internals")
    doubled = replace(POLICY, _compiled=(replace(rule, any=rule.any * 2),))
    assert not any(mutant.is_noticed() for mutant in mutants(doubled))


@pytest.mark.parametrize("rule", [pytest.param(r, id=r.id) for r in POLICY.rules])
def test_a_rule_that_loses_a_stage_is_noticed(rule: Rule) -> None:
    """At every stage of a rule some example of it fires; at any other none does."""
    compiled = next(c for c in POLICY._compiled if c.rule is rule)
    channel = rule.channels[0] if rule.channels else "email"
    for stage in ("inbound", "draft", "send"):
        assert compiled.applies(stage, channel) == (stage in rule.stages)
        found = [
            text
            for text in rule.examples.must_match[:5]
            if any(f.rule_id == rule.id for f in POLICY.check(text, stage=stage, channel=channel))
        ]
        assert bool(found) == (stage in rule.stages)


@pytest.mark.parametrize("rule", [pytest.param(r, id=r.id) for r in POLICY.rules])
def test_a_rule_that_loses_or_gains_a_channel_is_noticed(rule: Rule) -> None:
    for channel in CHANNELS:
        found = [
            text
            for text in rule.examples.must_match[:5]
            if any(f.rule_id == rule.id for f in POLICY.check(text, stage=rule.stages[0], channel=channel))
        ]
        assert bool(found) == (rule.channels is None or channel in rule.channels)


def test_a_rule_that_is_lost_altogether_is_noticed() -> None:
    assert {rule.id for rule in POLICY.rules} >= {
        "legal",
        "angry_customer",
        "refund_request",
        "human_requested",
        "human_requested_bare",
        "competitor",
        "pricing_inquiry",
        "internals_requested",
        "others_data_requested",
        "refund_promise",
        "price_statement",
        "unsupported_promise",
        "competitor_mention",
        "internals",
        "template_leftover",
    }
