"""Whatever a model does wrong, on both APIs: one outcome, one message to the customer, and a review that says why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from simulation.openai_brain import Answer, Ask, Call, think
from tests.fixtures_online import Online

pytestmark = [pytest.mark.real, pytest.mark.slow]  # 38 journeys of a second or two
QUESTION = "How do I change the card that my workspace is billed to?"
WRONG = Call("create_ticket", {"category": "nonsense", "priority": 7})
LASTING = 1  # every node that asks is refused once
PASSING = 2  # and asks once more where that may help


def restless(ask: Ask) -> Answer:
    searches = [step for step in ask.steps if step.tool == "search_knowledge_base"]
    return Call("search_knowledge_base", {"query": f"card {len(searches)}"}) if searches else think(ask)


@dataclass(frozen=True)
class Case:
    """What goes wrong, always; the rule that the review names; how often the responder asks its model."""

    rule: str
    asked: int
    fault: dict[str, Any] | None = None
    brain: Any = think
    settings: dict[str, Any] | None = None
    reason: str = "system_error"


CASES = {
    "time-out": Case("model.timeout", PASSING, {"mode": "delay", "seconds": 5}, settings={"model_timeout_s": 0.15}),
    "rate limit": Case("model.rate_limited", PASSING, {"mode": "429"}),
    "long rate limit": Case("model.rate_limited", LASTING, {"mode": "429", "seconds": 60}),
    "server error": Case("model.provider_error", PASSING, {"mode": "5xx"}),
    "broken connection": Case("model.unreachable", PASSING, {"mode": "drop"}),
    "refusal": Case("model.refusal", PASSING, {"mode": "refusal"}),
    "garbage": Case("model.garbage", PASSING, {"mode": "garbage"}),
    "no API at all": Case("model.garbage", PASSING, {"mode": "not_json"}),
    "cut off": Case("model.garbage", PASSING, {"mode": "truncated"}),
    "empty": Case("model.empty", PASSING, {"mode": "empty"}),
    "wrong key": Case("model.key_refused", LASTING, {"mode": "error", "status": 401}),
    "no such model": Case("model.model_not_found", LASTING, {"mode": "no_model"}),
    "too long": Case("model.too_long", LASTING, {"mode": "too_long"}),
    "empty purse": Case("model.out_of_quota", LASTING, {"mode": "quota"}),
    "wrong arguments": Case(
        "responder.undecided", 12, brain=lambda ask: WRONG if ask.tools else think(ask), reason="no_answer"
    ),
    "endless loop": Case("responder.undecided", 12, brain=restless, reason="no_answer"),
    "talk": Case(
        "responder.undecided",
        1,
        brain=lambda ask: "It is done." if ask.tools else think(ask),
        reason="no_answer",
    ),
    "no tokens left": Case("budget.turn", 1, settings={"budget_turn_tokens": 4_000}),
    "no money left": Case("budget.turn", 1, settings={"budget_turn_usd_micros": 1_500}),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_lasting_failure_ends_with_a_person_and_one_message(online: Online, name: str) -> None:
    case = CASES[name]
    if case.settings:
        await online.set(**case.settings)
    fault = online.fake.faults.add(**case.fault, times=1_000) if case.fault else None
    online.fake.brain = case.brain
    _, status = await online.settle(QUESTION)

    assert status == "escalated"
    spine = online.spine
    assert await spine.rows("select status, outcome, reason from turns") == [("waiting", "handed_over", case.reason)]
    assert await spine.rows("select outcome from messages where direction = 'inbound'") == [("handed_over",)]
    assert await spine.value("select count(*) from dead_letters") == 0
    [(reason, rule, review)] = await spine.rows("select reason, rule, reviews::text from reviews")
    assert (reason, rule) == (case.reason, case.rule)
    assert "sorry" not in review
    [(kind, body)] = await spine.rows("select kind, body from messages where direction = 'outbound'")
    assert kind == "handover_notice"
    notice = spine.context.deps.profile.notices[case.reason]
    assert all(line.split("{")[0].strip() in body for line in notice)

    calls = await online.calls()
    asked = Counter(call.node for call in calls)
    assert asked["responder"] == case.asked
    if fault:
        # Nobody asks more often than the responder, and the offline mind made the judgements that the model owed.
        assert asked.keys() >= {"triage", "sentiment", "responder"}
        assert set(asked.values()) == {case.asked}
        assert "ok" not in {call.outcome for call in calls}
        assert await spine.rows("select intent, sentiment from turns") == [("how_to", 0.5)]
    if name != "time-out":  # then a request may be given up before it arrives
        assert len(calls) == (1_000 - fault.times if fault else len(online.fake.received))
