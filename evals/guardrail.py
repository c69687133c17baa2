"""How well the rules hold: recall and false alarms of each, on sentences that must and must not break it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.models import Label
from core.policy import Examples, Policy
from core.ports import Judge
from core.turn import Deps
from core.vocabulary import ANGER_BELOW, Channel, Stage
from nodes.guardrail import ordinary_examples

By = Literal["pattern", "meaning", "tone"]


@dataclass(frozen=True, slots=True)
class RuleScore:
    """`caught` maps what was caught to what caught it."""

    rule_id: str
    must: int
    must_not: int
    caught: Mapping[str, By]
    missed: tuple[str, ...]
    alarms: Mapping[str, By]

    @property
    def recall(self) -> float:
        return len(self.caught) / self.must if self.must else 1.0

    @property
    def false_alarms(self) -> float:
        return len(self.alarms) / self.must_not if self.must_not else 0.0

    @property
    def precision(self) -> float:
        fired = len(self.caught) + len(self.alarms)
        return len(self.caught) / fired if fired else 1.0

    def __str__(self) -> str:
        by = [sum(1 for how in self.caught.values() if how == kind) for kind in ("pattern", "meaning", "tone")]
        return (
            f"{self.rule_id:22} recall {self.recall:.3f} ({len(self.caught)} of {self.must}; by pattern {by[0]}, meaning {by[1]}, "
            f"tone {by[2]})  precision {self.precision:.3f}  false {self.false_alarms:.3f} ({len(self.alarms)} of {self.must_not})"
        )


async def score_rules(deps: Deps, examples: Mapping[str, Examples]) -> list[RuleScore]:
    """A score for each rule of the examples, at the first stage that the rule speaks at."""
    return [await _score(deps, rule_id, rows) for rule_id, rows in examples.items()]


async def _score(deps: Deps, rule_id: str, examples: Examples) -> RuleScore:
    rule = deps.policy.by_id[rule_id]
    channel = rule.channels[0] if rule.channels else "email"

    async def fired(texts: tuple[str, ...]) -> dict[str, By]:
        judges = (deps.mind, deps.policy, deps.intents)
        found = {text: await broken_rules(*judges, text, stage=rule.stages[0], channel=channel) for text in texts}
        return {text: rules[rule_id] for text, rules in found.items() if rule_id in rules}

    caught, alarms = await fired(examples.must_match), await fired(examples.must_not_match)
    missed = tuple(text for text in examples.must_match if text not in caught)
    return RuleScore(rule_id, len(examples.must_match), len(examples.must_not_match), caught, missed, alarms)


async def broken_rules(
    judge: Judge,
    policy: Policy,
    intents: Sequence[Label],
    text: str,
    *,
    stage: Stage = "inbound",
    channel: Channel | None = "email",
) -> dict[str, By]:
    """Every rule that a text breaks and what says so first: a pattern, its meaning, and on what came in the tone."""
    findings = policy.check(text, stage=stage, channel=channel)
    broken: dict[str, By] = {finding.rule_id: "pattern" for finding in findings}
    ordinary = ordinary_examples(stage, policy, intents)
    for suspicion in await judge.judge_policy(
        text, policy.by_meaning(stage), stage=stage, ordinary=ordinary, instructions="Judge by the policy."
    ):
        broken.setdefault(suspicion.rule_id, "meaning")
    if stage == "inbound" and "angry_customer" not in broken:
        rating = await judge.rate_sentiment(text, instructions="Rate the feeling.")
        if rating.score < ANGER_BELOW:
            broken["angry_customer"] = "tone"
    return broken
