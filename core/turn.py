"""One turn at work: what nodes and tools share while the graph runs. Nothing here is persisted; the brief is re-read on resume."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.clock import Clock
from core.contacts import known_targets
from core.errors import OrderViolation
from core.models import Escalation, FormattedReply, Label, Passage, SearchResult, Source, TurnBrief
from core.policy import Policy
from core.ports import Desk, Formatter, Knowledge, Mind
from core.profile import CompanyProfile

STEPS = ("ticket", "history", "search", "send")


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything that nodes and tools may reach. Built once, in `cli/deps.py`."""

    mind: Mind
    knowledge: Knowledge
    desk: Desk
    formatter: Formatter
    policy: Policy
    profile: CompanyProfile
    intents: tuple[Label, ...]
    clock: Clock


@dataclass(slots=True)
class TurnWork:
    """What a turn has made so far. It becomes true all at once when the turn is finished, or never."""

    done: set[str] = field(default_factory=set)
    searches: dict[str, SearchResult] = field(default_factory=dict)
    passages: dict[str, Passage] = field(default_factory=dict)
    reply: FormattedReply | None = None
    sources: tuple[Source, ...] = ()
    escalation: Escalation | None = None
    held_draft: str | None = None
    node_ms: dict[str, float] = field(default_factory=dict)

    @property
    def failed_searches(self) -> int:
        """Different questions to the knowledge base that found nothing."""
        return sum(1 for result in self.searches.values() if not result.passages)


@dataclass(frozen=True, slots=True)
class TurnContext:
    """The run context of one turn, for LangGraph's `Runtime` and for the Agents SDK's `RunContextWrapper`."""

    deps: Deps
    brief: TurnBrief
    work: TurnWork = field(default_factory=TurnWork)

    def require(self, step: str) -> None:
        """The order ticket -> history -> search -> send, enforced by the tools themselves (law 4)."""
        missing = [s for s in STEPS[: STEPS.index(step)] if s not in self.work.done]
        if missing:
            raise OrderViolation(f"Before {step}: {', '.join(missing)}", turn_id=self.brief.turn_id)

    def remember(self, result: SearchResult) -> None:
        self.work.searches[normalise_query(result.query)] = result
        self.work.passages.update({str(p.id): p for p in result.passages})

    def known_contacts(self) -> frozenset[str]:
        """Where a reply may point: to the company, and to what the documents found in this turn name."""
        profile, passages = self.deps.profile, self.work.passages.values()
        ours = (profile.domain, profile.support_email, profile.help_centre_url)
        return known_targets((*ours, *(part for p in passages for part in (p.text, p.title, p.url or ""))))

    @contextmanager
    def timed(self, node: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.work.node_ms[node] = self.work.node_ms.get(node, 0.0) + (time.perf_counter() - start) * 1000


def normalise_query(query: str) -> str:
    """Two searches with the same words count as one attempt."""
    return " ".join(query.lower().split())
