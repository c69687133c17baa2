"""Escalation: a person gets everything needed to act, and the graph waits for the decision.

On resume the node runs again from its top, so nothing with an effect stands above the interrupt: the review, the
notice to the customer and the change of ownership are written when the interrupted turn is stored.
"""

from __future__ import annotations

from langgraph.runtime import Runtime
from langgraph.types import interrupt
from typing_extensions import TypedDict

from core.turn import TurnContext
from nodes.state import Found, HandOver, Intent, Sentiment, Verdict


class EscalationInput(TypedDict, total=False):
    intent: Intent
    sentiment: Sentiment
    found: Found
    hand_over: HandOver | None


class EscalationUpdate(TypedDict):
    hand_over: HandOver
    verdict: Verdict


async def escalation(state: EscalationInput, runtime: Runtime[TurnContext]) -> EscalationUpdate:
    """Wait for `Command(resume=verdict)`."""
    hand_over = state.get("hand_over")
    assert hand_over is not None, "the routes lead here only with a reason"
    verdict: Verdict = interrupt({**hand_over, "summary": summarise(runtime.context, state, hand_over)})
    return {"hand_over": hand_over, "verdict": verdict}


def summarise(turn: TurnContext, state: EscalationInput, hand_over: HandOver) -> str:
    """What the colleague reads first: who, what, how they feel, what was looked up."""
    brief = turn.brief
    found = state.get("found")
    lines = [
        f"{brief.customer_name or 'A customer'} wrote by {brief.channel.replace('_', ' ')}: {_first_words(brief.text)}",
        f"Handed over: {hand_over['reason'].replace('_', ' ')} (rule {hand_over['rule']}, because of: {hand_over['evidence']}).",
        f"Intent {state.get('intent', {}).get('label', 'unknown')}, sentiment {state.get('sentiment', {}).get('score', 'unknown')}.",
        f"Best match in the documents: {_best(turn)}."
        if found and found["passages"]
        else "The documents had no good match.",
    ]
    if hand_over.get("summary"):
        lines.insert(1, hand_over["summary"])
    return "\n".join(lines)


def _first_words(text: str, limit: int = 40) -> str:
    words = text.split()
    return " ".join(words[:limit]) + (" …" if len(words) > limit else "")


def _best(turn: TurnContext) -> str:
    best = max(turn.work.passages.values(), key=lambda p: p.score, default=None)
    return f"{best.title} > {best.heading}" if best else "none"
