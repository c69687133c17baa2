"""WRITE. A person takes over; the hand-over becomes true when the turn ends."""

from __future__ import annotations

import json
from typing import Literal

from agents import RunContextWrapper, function_tool

from core.models import Escalation
from core.turn import TurnContext
from tools.failures import tell_model

Reason = Literal[
    "no_answer", "human_requested", "pricing_inquiry", "refund_request", "legal", "angry_customer", "competitor"
]


@function_tool(failure_error_function=tell_model)
async def escalate_to_human(run: RunContextWrapper[TurnContext], reason: Reason, evidence: str, summary: str) -> str:
    """Hand this request to a person. Use it when the documents don't answer, or when the policy asks for a person.

    Args:
        reason: Why a person is needed.
        evidence: The customer's words, or the searches, that led to this; at most 300 characters.
        summary: Two or three sentences for the colleague: what the customer wants, what was tried.
    """
    turn = run.context
    turn.require("search")
    turn.work.escalation = Escalation(
        reason=reason,
        rule=f"responder.{reason}",
        evidence=evidence[:300],
        counterfactual="The assistant would have had to answer without support in the documents.",
        summary=summary[:1000],
    )
    return json.dumps({"handed_over": True, "reason": reason})
