"""How well the policy holds, on sentences that no rule was tuned on. The table is printed: run with -s."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.policy import Policy, load_examples
from core.profile import load_intents
from core.settings import PROJECT_ROOT
from core.turn import Deps
from evals.guardrail import broken_rules, score_rules
from llm.embedding import E5, SentenceEmbedder
from llm.fitted import FittedPolicies
from llm.likeness import RuleLikeness
from llm.offline import OfflineMind
from nodes.guardrail import ordinary_examples
from tests.nodes.fakes import make_turn

# Thousands of sentences are embedded.
pytestmark = pytest.mark.slow
DOSSIER = PROJECT_ROOT / "dossier"
FITTED = DOSSIER / "fitted"


@pytest.fixture(scope="module")
def deps() -> Deps:
    return replace(
        make_turn().deps,
        mind=OfflineMind(SentenceEmbedder(E5, cached_texts=4096), None, policies=FittedPolicies(FITTED, FITTED)),
        policy=Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml"),
        intents=load_intents(DOSSIER / "intents.yaml"),
    )


async def test_held_back_sentences_are_caught_and_spared(deps: Deps) -> None:
    """What was reached on sentences of four authors who knew no rule, less what two hundred sentences a rule move by chance.

    The bars, 98 % and 3 % of each rule: docs/adr/0017. No sentence is printed: who has read one cannot measure with it.
    """
    scores = await score_rules(deps, load_examples(DOSSIER / "policy.held-back.yaml"))
    print("", *scores, sep="\n")
    assert sum(len(s.caught) for s in scores) >= 0.985 * sum(s.must for s in scores)
    assert sum(len(s.alarms) for s in scores) <= 0.025 * sum(s.must_not for s in scores)
    assert all(s.recall >= 0.96 and s.false_alarms <= 0.06 for s in scores)


async def test_a_rule_is_broken_by_its_meaning_where_no_pattern_matches(deps: Deps) -> None:
    text = "We are only two people, is there a hobby price?"
    assert not deps.policy.check(text, stage="inbound")
    assert await broken_rules(deps.mind, deps.policy, deps.intents, text) == {"pricing_inquiry": "meaning"}


async def test_a_draft_is_judged_by_its_meaning_too(deps: Deps) -> None:
    text = "The sum is on its way back to your card."
    assert not deps.policy.check(text, stage="send")
    judges = (deps.mind, deps.policy, deps.intents)
    assert await broken_rules(*judges, text, stage="draft") == {"refund_promise": "meaning"}
    assert await broken_rules(*judges, "Open Settings > Members and choose a role.", stage="draft") == {}


async def test_an_ordinary_question_breaks_nothing(deps: Deps) -> None:
    assert await broken_rules(deps.mind, deps.policy, deps.intents, "How do I print labels for a delivery?") == {}


@pytest.mark.parametrize(("shift", "side"), [(0.15, "must_match"), (-0.15, "must_not_match")])
async def test_a_threshold_that_is_moved_is_noticed(deps: Deps, shift: float, side: str) -> None:
    """Each rule by itself: raised it catches fewer of its own that are held back, lowered it takes more of its look-alikes."""
    mind, rules = deps.mind, deps.policy.by_meaning("inbound")
    assert isinstance(mind, OfflineMind)
    likeness = await mind.likeness(rules, ordinary_examples("inbound", deps.policy, deps.intents))
    assert likeness is not None
    mutant = replace(likeness, thresholds=likeness.thresholds + shift)
    held_back = load_examples(DOSSIER / "policy.held-back.yaml")

    async def named(judge: RuleLikeness, rule: str) -> int:
        found = [await judge.judge(text, mind._embed) for text in getattr(held_back[rule], side)]
        return sum(rule == suspicion.rule_id for suspicions in found for suspicion in suspicions)

    assert not [rule for rule in likeness.rules if await named(mutant, rule) == await named(likeness, rule)]
