"""A desk and documents that remember for whom and what they were asked, and a page that somebody planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from core.ids import new_id
from core.models import HistoryEntry, Passage, SearchResult, Ticket, TurnBrief, TurnResult
from core.ports import Knowledge
from graph.dry_run import DryRunDesk


@dataclass(slots=True)
class WatchfulDesk(DryRunDesk):
    """Remembers for whom anything was read or written."""

    touched: set[tuple[str, str]] = field(default_factory=set)

    async def find_ticket(self, brief: TurnBrief) -> Ticket | None:
        self._note(brief)
        return await DryRunDesk.find_ticket(self, brief)

    async def open_ticket(self, brief: TurnBrief, **facts: Any) -> Ticket:
        self._note(brief)
        return await DryRunDesk.open_ticket(self, brief, **facts)

    async def list_history(self, brief: TurnBrief, *, limit: int = 20) -> list[HistoryEntry]:
        self._note(brief)
        return await DryRunDesk.list_history(self, brief, limit=limit)

    async def finish_turn(self, brief: TurnBrief, result: TurnResult) -> None:
        self._note(brief)
        await DryRunDesk.finish_turn(self, brief, result)

    def _note(self, brief: TurnBrief) -> None:
        self.touched.add((str(brief.customer_id), brief.ticket_id))


@dataclass(slots=True)
class WatchfulKnowledge:
    """Remembers what was found."""

    knowledge: Knowledge
    found: list[SearchResult] = field(default_factory=list)

    async def search(self, query: str, *, limit: int = 5) -> SearchResult:
        self.found.append(await self.knowledge.search(query, limit=limit))
        return self.found[-1]

    async def get_passages(self, ids: Sequence[UUID]) -> list[Passage]:
        return await self.knowledge.get_passages(ids)

    async def list_neighbours(self, ids: Sequence[UUID]) -> list[Passage]:
        return await self.knowledge.list_neighbours(ids)


@dataclass(slots=True)
class PlantedKnowledge:
    """The documents with a page more, whose text every search finds behind its best passage, as well rated as that."""

    knowledge: Knowledge
    text: str
    planted: Passage | None = None

    async def search(self, query: str, *, limit: int = 5) -> SearchResult:
        found = await self.knowledge.search(query, limit=limit)
        if not found.passages:
            return found
        if self.planted is None:
            page = {"id": new_id(), "article_id": new_id(), "slug": "planted", "title": "Notes", "heading": ""}
            self.planted = replace(found.passages[0], **page, text=self.text, hash="planted", url=None, ordinal=0)
        best, *others = found.passages
        return replace(found, passages=(best, self.planted, *others)[:limit])

    async def get_passages(self, ids: Sequence[UUID]) -> list[Passage]:
        own = [self.planted] if self.planted and self.planted.id in ids else []
        return [*await self.knowledge.get_passages(ids), *own]

    async def list_neighbours(self, ids: Sequence[UUID]) -> list[Passage]:
        return await self.knowledge.list_neighbours(ids)
