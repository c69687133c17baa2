"""Where a turn goes next: pure functions of the state.

They are coroutines because LangGraph sends a plain function to a thread, four times a turn.
"""

from __future__ import annotations

from typing import Literal

from nodes.state import TurnState


async def after_start(state: TurnState) -> list[str]:
    """Judge and look up side by side; a turn that failed on our side goes straight to a person."""
    return ["escalation"] if state.get("hand_over") else ["triage", "sentiment", "retrieval"]


async def after_guardrail(state: TurnState) -> Literal["escalation", "responder", "__end__"]:
    """Inbound: to a person, to nobody, or to the responder. With a draft: to a person or out."""
    if state.get("hand_over"):
        return "escalation"
    if state.get("draft") or state.get("silent"):
        return "__end__"
    return "responder"


async def after_responder(state: TurnState) -> Literal["escalation", "guardrail"]:
    """A draft is checked before it may leave; without one a person takes over."""
    return "guardrail" if state.get("draft") else "escalation"
