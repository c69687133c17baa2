"""Guardrail: who may go on, and on the strength of what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.models import SentenceProof, Suspicion
from core.policy import Rule
from nodes.guardrail import GuardrailInput, GuardrailUpdate, guardrail
from nodes.state import HandOver
from tests.nodes.fakes import FakeMind, FakePolicy, make_turn, runtime

CALM: GuardrailInput = {
    "intent": {"label": "how_to", "confidence": 0.8},
    "sentiment": {"score": 0.5, "cues": []},
    "found": {"query": "q", "passages": ["p"], "best_score": 0.8},
    "silent": None,
}
REFUND = FakePolicy({"refund": "refund_request"})


async def run(
    state: GuardrailInput, text: str = "How do I export?", policy: FakePolicy | None = None, **brief
) -> GuardrailUpdate:
    return await guardrail(state, runtime(make_turn(text, policy=policy or FakePolicy(), **brief)))


async def hand_over(
    state: GuardrailInput, text: str = "How do I export?", policy: FakePolicy | None = None, **brief
) -> HandOver:
    found = (await run(state, text, policy, **brief)).get("hand_over")
    assert found is not None
    return found


async def test_an_ordinary_question_goes_on() -> None:
    assert await run(CALM) == {"hand_over": None, "silent": None}


async def test_a_rule_hands_over_with_its_words_and_with_what_would_have_happened() -> None:
    found = await hand_over(CALM, "I want a refund", REFUND)
    assert (found["reason"], found["rule"], found["evidence"]) == ("refund_request", "rule_refund", "refund")
    assert "how_to" in found["counterfactual"]


async def test_what_the_policy_gives_to_a_person_is_never_met_with_silence() -> None:
    update = await run({**CALM, "silent": "thanks"}, "Thanks, now the refund please", REFUND)
    assert update.get("hand_over") is not None
    assert update.get("silent") is None


async def test_silence_stays_where_no_rule_fires() -> None:
    assert await run({**CALM, "silent": "thanks"}) == {"hand_over": None, "silent": "thanks"}


async def test_the_subject_is_read_too_on_the_first_message_only() -> None:
    assert (await hand_over(CALM, "See above", REFUND, subject="refund"))["reason"] == "refund_request"
    turn = make_turn("See above", policy=REFUND, subject="refund")
    later = replace(turn, brief=replace(turn.brief, first_reply=False))
    assert (await guardrail(CALM, runtime(later))).get("hand_over") is None


@pytest.mark.parametrize(("score", "reason"), [(0.29, "angry_customer"), (0.0, "angry_customer"), (0.3, None)])
async def test_below_a_sentiment_of_0_3_a_person_takes_over(score: float, reason: str | None) -> None:
    found = (await run({**CALM, "sentiment": {"score": score, "cues": ["useless"]}})).get("hand_over")
    assert (found and found["reason"]) == reason
    assert found is None or "useless" in found["evidence"]


async def test_a_rule_goes_before_the_sentiment() -> None:
    angry: GuardrailInput = {**CALM, "sentiment": {"score": 0.1, "cues": []}}
    assert (await hand_over(angry, "refund!!", REFUND))["reason"] == "refund_request"


async def test_a_foreign_language_goes_to_a_person() -> None:
    assert (await hand_over({**CALM, "foreign": True}, "Wie ändere ich das?"))["reason"] == "unsupported_language"


@pytest.mark.parametrize(
    ("confidence", "best_score", "hands_over"), [(0.95, 0.2, True), (0.89, 0.2, False), (0.95, 0.7, False)]
)
async def test_triage_alone_hands_over_only_when_sure_and_where_no_page_answers(
    confidence: float, best_score: float, hands_over: bool
) -> None:
    state: GuardrailInput = {
        **CALM,
        "intent": {"label": "pricing_inquiry", "confidence": confidence},
        "found": {"query": "q", "passages": [], "best_score": best_score},
    }
    found = (await run(state)).get("hand_over")
    assert (found is not None) == hands_over
    assert found is None or found["rule"] == "intent.pricing_inquiry"


async def test_a_draft_is_checked_as_a_draft_and_nothing_else_is_judged_again() -> None:
    policy = FakePolicy({"refund": "refund_request"})
    state: GuardrailInput = {
        **CALM,
        "sentiment": {"score": 0.0, "cues": []},
        "draft": {"text": "All fine.", "parts": [], "subject": None},
    }
    assert await run(state, "I want a refund", policy, channel="whatsapp") == {"hand_over": None}
    assert policy.checked == [("draft", "All fine.", "whatsapp")]


async def test_a_forbidden_draft_goes_to_a_person() -> None:
    state: GuardrailInput = {**CALM, "draft": {"text": "We refund you.", "parts": [], "subject": None}}
    found = await hand_over(state, policy=FakePolicy({"refund": "refund_request"}))
    assert (found["reason"], found["rule"], found["evidence"]) == ("policy_violation", "rule_refund", "refund")


async def test_long_evidence_is_cut() -> None:
    word = "x" * 900
    assert len((await hand_over(CALM, word, FakePolicy({word: "legal"})))["evidence"]) == 500


PRICES = Rule(
    id="prices", title="", why="", stages=("inbound",), action="hand_over", reason="pricing_inquiry", any=("price",)
)
SUSPICION = Suspicion("prices", "is there a hobby rate", 0.61, "like 'any discount?'")


async def test_what_no_pattern_caught_is_judged_by_its_meaning() -> None:
    mind = FakeMind(suspicions=(SUSPICION, replace(SUSPICION, rule_id="person")))
    turn = make_turn("So, is there a hobby rate?", mind=mind, policy=FakePolicy(by_id={"prices": PRICES}))
    found = (await guardrail(CALM, runtime(turn))).get("hand_over")
    assert found is not None
    assert (found["reason"], found["rule"]) == ("pricing_inquiry", "prices.by_meaning")
    assert found["evidence"] == "is there a hobby rate (like 'any discount?', 0.61; also person)"
    assert len(mind.asked) == 1


async def test_a_mind_can_release_nothing_that_a_rule_stopped() -> None:
    """It is not even asked: a call less, and no way to argue with a pattern."""
    mind = FakeMind()
    found = (await guardrail(CALM, runtime(make_turn("I want a refund", mind=mind, policy=REFUND)))).get("hand_over")
    assert found is not None
    assert mind.asked == []


async def test_a_draft_that_no_pattern_stopped_is_judged_once_too() -> None:
    promise = Rule(
        id="promise", title="", why="", stages=("draft",), action="block", reason="policy_violation", any=("sure",)
    )
    mind = FakeMind(suspicions=(Suspicion("promise", "it will be there", 0.9, "the model"),))
    state: GuardrailInput = {**CALM, "draft": {"text": "Trust me, it will be there.", "parts": [], "subject": None}}
    found = (await guardrail(state, runtime(make_turn(mind=mind, policy=FakePolicy(by_id={"promise": promise}))))).get(
        "hand_over"
    )
    assert found is not None
    assert (found["reason"], found["rule"]) == ("policy_violation", "promise.by_meaning")
    assert [text for text, _ in mind.asked] == ["Trust me, it will be there."]


async def test_of_a_draft_only_what_the_model_worded_itself_is_judged() -> None:
    mind = FakeMind()
    turn = make_turn(mind=mind)
    state: GuardrailInput = {**CALM, "draft": {"text": "As it stands. In my words.", "parts": [], "subject": None}}
    verbatim = SentenceProof(0, "As it stands.", "verbatim", 1.0, "1")
    turn.work.proof = (verbatim,)
    await guardrail(state, runtime(turn))
    assert mind.asked == []
    turn.work.proof = (verbatim, SentenceProof(1, "In my words.", "worded", 0.9, "1"))
    await guardrail(state, runtime(turn))
    assert [text for text, _ in mind.asked] == ["In my words."]


@pytest.mark.parametrize(
    ("moods", "score", "hands_over"),
    [
        ((0.55, 0.45), 0.38, True),
        ((0.55, 0.45), 0.43, False),  # still calm
        ((0.45, 0.45), 0.38, False),  # no steady fall
        ((0.40, 0.39), 0.38, False),  # hardly a fall
        ((0.35, 0.45), 0.38, False),
        ((0.45,), 0.31, False),  # mild frustration is met with empathy
        ((), 0.31, False),
    ],
)
async def test_a_mood_that_falls_from_message_to_message_goes_to_a_person(
    moods: tuple[float, ...], score: float, hands_over: bool
) -> None:
    turn = make_turn("It still does not print.")
    turn = replace(turn, brief=replace(turn.brief, moods=moods))
    state: GuardrailInput = {**CALM, "sentiment": {"score": score, "cues": []}}
    found = (await guardrail(state, runtime(turn))).get("hand_over")
    assert (found is not None) == hands_over
    assert found is None or (found["reason"], found["rule"]) == ("angry_customer", "sentiment_falling")
