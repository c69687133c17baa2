"""A desk that stores nothing: to ask, to try an edited node, to evaluate, to open the graph in Studio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from core.clock import Clock
from core.ids import new_id, new_ticket_id
from core.models import HistoryEntry, Ticket, TurnBrief, TurnResult
from core.spending import ModelCall
from core.turn import Deps
from core.vocabulary import Category, Channel, Priority
from graph.build import TurnGraph, build_graph
from graph.run import run_turn


@dataclass(slots=True)
class DryRunDesk:
    """`core.ports.Desk` in memory: what would have been written is in `finished`."""

    clock: Clock
    history: list[HistoryEntry] = field(default_factory=list)
    finished: list[TurnResult] = field(default_factory=list)

    async def find_ticket(self, brief: TurnBrief) -> Ticket | None:
        return self._ticket(brief, brief.category, brief.priority)

    async def open_ticket(self, brief: TurnBrief, *, category: Category, priority: Priority) -> Ticket:
        return self._ticket(brief, category, priority)

    async def list_history(self, brief: TurnBrief, *, limit: int = 20) -> list[HistoryEntry]:
        return self.history[-limit:]

    async def finish_turn(self, brief: TurnBrief, result: TurnResult) -> None:
        self.finished.append(result)

    async def keep_calls(self, brief: TurnBrief, calls: Sequence[ModelCall]) -> None:
        return None

    def _ticket(self, brief: TurnBrief, category: Category, priority: Priority) -> Ticket:
        now = self.clock.now()
        return Ticket(
            brief.ticket_id,
            brief.conversation_id,
            brief.customer_id,
            brief.channel,
            brief.subject,
            category,
            priority,
            "processing",
            now,
            now,
        )


def draft_brief(
    clock: Clock,
    text: str,
    *,
    channel: Channel = "web_form",
    subject: str | None = None,
    customer_name: str | None = None,
    **facts: Any,
) -> TurnBrief:
    """A turn that nobody wrote to the CRM."""
    return TurnBrief(
        turn_id=new_id(),
        lease=new_id(),
        conversation_id=new_id(),
        customer_id=new_id(),
        ticket_id=new_ticket_id(),
        channel=channel,
        customer_name=customer_name,
        evidence="claimed",
        subject=subject,
        text=text,
        category=facts.get("category", "general"),
        priority=facts.get("priority", "medium"),
        owner_epoch=0,
        first_reply=True,
        attempt=1,
        received_at=clock.now(),
    )


def dry_run_graph() -> TurnGraph:
    """The same graph, its checkpoints in memory of its own."""
    return _compiled().copy({"checkpointer": InMemorySaver()})


@cache
def _compiled() -> TurnGraph:
    """To compile takes 3 ms and more, a tenth of a turn."""
    return build_graph()


async def try_turn(deps: Deps, brief: TurnBrief) -> TurnResult:
    """One turn through the real nodes and tools; `deps.desk` should be a DryRunDesk."""
    return await run_turn(dry_run_graph(), deps, brief)
