"""Guardrail: the policy, applied to what came in and, once there is a draft, to what is about to go out."""

from __future__ import annotations

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from core.turn import TurnContext
from nodes.state import Draft, Found, HandOver, Intent, Sentiment

ANGER_BELOW = 0.3
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
            return {"hand_over": _check_draft(turn, draft)}
        hand_over = _check_inbound(turn, state)
        # What the policy gives to a person is never met with silence.
        return {"hand_over": hand_over, "silent": None if hand_over else state.get("silent")}


def _check_draft(turn: TurnContext, draft: Draft) -> HandOver | None:
    for finding in turn.deps.policy.check(draft["text"], stage="draft", channel=turn.brief.channel):
        counterfactual = "The draft would have been sent."
        return _hand_over("policy_violation", finding.rule_id, finding.evidence, counterfactual)
    return None


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


def _inbound_text(turn: TurnContext) -> str:
    subject = turn.brief.subject
    return f"{subject}\n{turn.brief.text}" if subject and turn.brief.first_reply else turn.brief.text


def _hand_over(reason: str, rule: str, evidence: str, counterfactual: str) -> HandOver:
    return {"reason": reason, "rule": rule, "evidence": evidence[:500], "counterfactual": counterfactual, "summary": ""}
