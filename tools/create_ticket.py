"""WRITE. A ticket exists before anything else is done for a customer."""

from __future__ import annotations

import json

from agents import RunContextWrapper, function_tool

from core.turn import TurnContext
from core.vocabulary import Category, Priority
from tools.failures import tell_model


@function_tool(failure_error_function=tell_model)
async def create_ticket(run: RunContextWrapper[TurnContext], category: Category, priority: Priority) -> str:
    """Make sure that this request has a ticket. Call it first; calling it again only refines the ticket.

    Args:
        category: What the request is about.
        priority: How soon the customer needs help.
    """
    turn = run.context
    ticket = await turn.deps.desk.open_ticket(turn.brief, category=category, priority=priority)
    turn.work.done.add("ticket")
    return json.dumps(
        {"ticket_id": ticket.id, "status": ticket.status, "category": ticket.category, "priority": ticket.priority}
    )
