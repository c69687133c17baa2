"""Guardrail: the policy, applied to what came in and, once there is a draft, to what is about to go out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from core.models import Label, Suspicion
from core.policy import Policy
from core.turn import TurnContext
from core.vocabulary import ANGER_BELOW, Stage
from nodes.prompts import render_prompt
from nodes.state import Draft, Found, HandOver, Intent, Sentiment

# Three messages, each clearly sadder than the one before, and the last below calm: our answers do not help this customer.
_STEP_DOWN = 0.04
_NOT_CALM = 0.42
_SETTLED = ("opt_out", "empty")
_TELLING_WORDS = 3
# The stages that are judged by meaning too; the boundary is for rules that need no model.
JUDGED: Final[tuple[Stage, ...]] = ("inbound", "draft")
_OWN_WORDS = ("worded", "foreign")
# Triage alone may hand over only where it is this sure and the documents have no good answer: "what does a call cost in
# request units?" sounds like a question about prices and is answered by a page. The rules of the policy need no model.
INTENT_CONFIDENCE = 0.9
GOOD_MATCH = 0.6
# What is none of our business and not in the documents goes to a person, at a lower bar: nothing could be answered anyway.
_FOREIGN_TO_US = ("out_of_scope", "spam")
_FOREIGN_CONFIDENCE = 0.6
_INTENT_REASONS = {
    "pricing_inquiry": "pricing_inquiry",
    "refund_request": "refund_request",
    "legal": "legal",
    "human_requested": "human_requested",
}


class GuardrailInput(TypedDict, total=False):
    intent: Intent
    silent: str | None
    foreign: bool
    sentiment: Sentiment
    found: Found
    hand_over: HandOver | None
    draft: Draft | None


class GuardrailUpdate(TypedDict, total=False):
    hand_over: HandOver | None
    silent: str | None


async def guardrail(state: GuardrailInput, runtime: Runtime[TurnContext]) -> GuardrailUpdate:
    """Decide who may go on: the responder, a person, or nobody."""
    turn = runtime.context
    with turn.timed("guardrail"):
        draft = state.get("draft")
        if draft is not None:
            return {"hand_over": await _check_draft(turn, draft)}
        hand_over = _check_inbound(turn, state) or await _judge_inbound(turn, state)
        # What the policy gives to a person is never met with silence.
        return {"hand_over": hand_over, "silent": None if hand_over else state.get("silent")}


async def _check_draft(turn: TurnContext, draft: Draft) -> HandOver | None:
    otherwise = "The draft would have been sent."
    for finding in turn.deps.policy.check(draft["text"], stage="draft", channel=turn.brief.channel):
        return _hand_over("policy_violation", finding.rule_id, finding.evidence, otherwise)
    # What the documents say word for word is the company's own word; the patterns above have read that too.
    proof = turn.work.proof
    worded = " ".join(one.sentence for one in proof if one.kind in _OWN_WORDS) if proof else draft["text"]
    suspicions = await _judge(turn, worded, "draft") if worded else ()
    return _by_meaning("policy_violation", suspicions, otherwise) if suspicions else None


async def _judge_inbound(turn: TurnContext, state: GuardrailInput) -> HandOver | None:
    """What no pattern caught, judged by its meaning. It can only add to what the rules stop, never take from it.

    A subject and a word or two say too little to be judged so; an opt-out or an empty message is settled.
    """
    if state.get("silent") in _SETTLED or len(turn.brief.text.split()) < _TELLING_WORDS:
        return None
    suspicions = await _judge(turn, turn.brief.text, "inbound")
    if not suspicions:
        return None
    intent = state.get("intent", {"label": "none"})["label"]
    reason = turn.deps.policy.by_id[suspicions[0].rule_id].reason
    return _by_meaning(reason, suspicions, f"No pattern matched; triage read it as {intent}.")


async def _judge(turn: TurnContext, text: str, stage: Stage) -> tuple[Suspicion, ...]:
    return await turn.deps.mind.judge_policy(
        text,
        turn.deps.policy.by_meaning(stage),
        stage=stage,
        ordinary=ordinary_examples(stage, turn.deps.policy, turn.deps.intents),
        instructions=render_prompt("guardrail", turn.deps.profile),
    )


def ordinary_examples(stage: Stage, policy: Policy, intents: Sequence[Label]) -> tuple[str, ...]:
    """What customers ask when they ask nothing that a rule is about; of drafts the rules' own lessons tell enough."""
    if stage != "inbound":
        return ()
    special = {*_INTENT_REASONS, *_FOREIGN_TO_US}
    asked = (text for label in intents if label.id not in special for text in label.examples)
    return (*policy.ordinary, *asked)


def _by_meaning(reason: str, suspicions: Sequence[Suspicion], counterfactual: str) -> HandOver:
    """The first one decides; the others are named for the person who reads it."""
    first, *others = suspicions
    also = f"; also {', '.join(other.rule_id for other in others)}" if others else ""
    evidence = f"{first.evidence} ({first.because}, {first.confidence}{also})"
    return _hand_over(reason, f"{first.rule_id}.by_meaning", evidence, counterfactual)


def _check_inbound(turn: TurnContext, state: GuardrailInput) -> HandOver | None:
    intent = state.get("intent", {"label": "none", "confidence": 0.0})
    otherwise = f"Triage read it as {intent['label']}; the assistant would have answered from the documents."
    for finding in turn.deps.policy.check(_inbound_text(turn), stage="inbound", channel=turn.brief.channel):
        if finding.action == "hand_over":
            return _hand_over(finding.reason or "policy_violation", finding.rule_id, finding.evidence, otherwise)
    if state.get("foreign"):
        words = " ".join(turn.brief.text.split()[:12])
        return _hand_over("unsupported_language", "language", words, "The assistant would have answered in English.")
    feeling = state.get("sentiment")
    if feeling and feeling["score"] < ANGER_BELOW:
        return _hand_over(
            "angry_customer",
            "sentiment_below_0.3",
            f"score {feeling['score']}: {', '.join(feeling['cues'])}",
            otherwise,
        )
    if feeling and _is_falling([*turn.brief.moods, feeling["score"]]):
        moods = ", ".join(f"{mood:.2f}" for mood in (*turn.brief.moods, feeling["score"]))
        return _hand_over("angry_customer", "sentiment_falling", f"scores {moods}", otherwise)
    reason = _INTENT_REASONS.get(intent["label"])
    answerable = state.get("found", {}).get("best_score", 0.0) >= GOOD_MATCH
    if reason and intent["confidence"] >= INTENT_CONFIDENCE and not answerable:
        evidence = f"triage: {intent['label']} with confidence {intent['confidence']}"
        return _hand_over(
            reason,
            f"intent.{intent['label']}",
            evidence,
            "No rule fired; the assistant would have answered from the documents.",
        )
    if intent["label"] in _FOREIGN_TO_US and intent["confidence"] >= _FOREIGN_CONFIDENCE and not answerable:
        evidence = f"triage: {intent['label']} with confidence {intent['confidence']}"
        return _hand_over("no_answer", f"intent.{intent['label']}", evidence, otherwise)
    return None


def _is_falling(moods: Sequence[float]) -> bool:
    """Mild frustration alone is met with empathy; one that grows from answer to answer is not."""
    steps = pairwise(moods)
    return len(moods) >= 3 and moods[-1] < _NOT_CALM and all(later <= earlier - _STEP_DOWN for earlier, later in steps)


def _inbound_text(turn: TurnContext) -> str:
    subject = turn.brief.subject
    return f"{subject}\n{turn.brief.text}" if subject and turn.brief.first_reply else turn.brief.text


def _hand_over(reason: str, rule: str, evidence: str, counterfactual: str) -> HandOver:
    return {"reason": reason, "rule": rule, "evidence": evidence[:500], "counterfactual": counterfactual, "summary": ""}
