"""Escalation: a person gets everything needed to act, and the graph waits for the decision.

On resume the node runs again from its top, so nothing with an effect stands above the interrupt: the review, the
notice to the customer and the change of ownership are written when the interrupted turn is stored.
"""

from __future__ import annotations

from langgraph.runtime import Runtime
from langgraph.types import interrupt
from typing_extensions import TypedDict

from core.errors import BudgetSpent, ModelError
from core.marking import mark
from core.turn import TurnContext
from nodes.prompts import render_prompt
from nodes.state import Found, HandOver, Intent, Sentiment, Verdict

_LONGEST = 1_000
_PASSAGES = 3


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
    turn = runtime.context
    # The summary was made, and paid for, before the graph stopped here.
    summary = "" if turn.brief.resuming else await _summarise(turn, state, hand_over)
    verdict: Verdict = interrupt({**hand_over, "summary": summary})
    return {"hand_over": hand_over, "verdict": verdict}


async def _summarise(turn: TurnContext, state: EscalationInput, hand_over: HandOver) -> str:
    """The facts, under what a model makes of them. A hand-over never fails for want of a summary."""
    facts = list_facts(turn, state, hand_over)
    if hand_over["reason"] == "system_error":
        return facts  # what failed is not asked once more
    with turn.timed("escalation"):
        instructions = render_prompt("escalation", turn.deps.profile)
        try:
            written = await turn.deps.mind.summarise(_case(turn, facts), instructions=instructions)
        except (ModelError, BudgetSpent):
            written = ""
    written = " ".join(written.split())[:_LONGEST]
    return f"{written}\n\n{facts}" if written else facts


def _case(turn: TurnContext, facts: str) -> str:
    """What the model reads: the facts hold words of the customer, too, so they are marked as well."""
    return f"{mark('case', facts)}\n{mark('customer_message', turn.brief.text)}"


def list_facts(turn: TurnContext, state: EscalationInput, hand_over: HandOver) -> str:
    """Who wrote what, why it is here, how they feel, what was tried and what was found. Needs no model."""
    brief = turn.brief
    lines = [
        f"{brief.customer_name or 'A customer'} wrote by {brief.channel.replace('_', ' ')}: {_first_words(brief.text)}",
        hand_over.get("summary", ""),
        f"Handed over: {hand_over['reason'].replace('_', ' ')} (rule {hand_over['rule']}, because of: {hand_over['evidence']}).",
        f"Intent {state.get('intent', {}).get('label', 'unknown')}, sentiment {state.get('sentiment', {}).get('score', 'unknown')}.",
        _searched(turn),
        _found(turn),
    ]
    return "\n".join(line for line in lines if line)


def _first_words(text: str, limit: int = 40) -> str:
    words = text.split()
    return " ".join(words[:limit]) + (" …" if len(words) > limit else "")


def _searched(turn: TurnContext) -> str:
    queries = [f'"{_first_words(result.query, 15)}"' for result in turn.work.searches.values()]
    return f"Looked up: {', '.join(queries)}." if queries else "Nothing was looked up."


def _found(turn: TurnContext) -> str:
    best = sorted(turn.work.passages.values(), key=lambda p: -p.score)[:_PASSAGES]
    places = dict.fromkeys(f"{p.title} > {p.heading}" for p in best)
    return f"Best matches in the documents: {'; '.join(places)}." if best else "The documents had no good match."
