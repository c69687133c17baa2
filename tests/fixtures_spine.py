"""The whole spine on a test's own database: real nodes, tools, agent loop, retrieval and workers; only judgement is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from channels.formatting import ChannelFormatter
from channels.web_form.adapter import WebForm
from core.clock import SystemClock
from core.ids import new_id, new_ticket_id
from core.models import Classification, Label, Rating
from core.policy import Policy
from core.profile import load_profile
from core.settings import PROJECT_ROOT, Settings
from core.turn import Deps
from crm.checkpoints import TurnSaver
from crm.desk import CrmDesk
from crm.inbound import accept_event
from crm.knowledge.search import KnowledgeBase
from crm.knowledge.sync import sync_folder
from crm.pool import Pool, transaction
from evals.content_mind import ContentMind
from events.memory import MemoryBus
from events.topics import ALL_TOPICS
from graph.build import build_graph, graph_version
from llm.embedding import MINI_LM, SentenceEmbedder
from llm.offline_agent import OfflineAgentModel
from llm.rewriting import rewrite
from workers.context import WorkerContext

DOCS = Path(__file__).parent / "data" / "docs"
EMBEDDER = SentenceEmbedder(MINI_LM)


@dataclass
class ScriptedMind(ContentMind):
    """Judges as it is told; drives the agent with the real offline model."""

    intent: str = "how_to"
    score: float = 0.5
    name: str = "scripted"
    fail: list[Exception] = field(default_factory=list)

    async def classify(self, text: str, labels: Sequence[Label], *, instructions: str) -> Classification:
        if self.fail:
            raise self.fail.pop()
        return Classification(self.intent, 0.8)

    async def rate_sentiment(self, text: str, *, instructions: str) -> Rating:
        return Rating(self.score)

    async def rewrite_query(self, question: str, *, tried: Sequence[str], instructions: str) -> str:
        return rewrite(question, tried)

    def agent_model(self) -> Any:
        return OfflineAgentModel(EMBEDDER, rewrite=rewrite)


@dataclass
class Spine:
    context: WorkerContext
    mind: ScriptedMind

    async def submit(
        self, message: str, *, subject: str = "Question", email: str = "ada@example.org", key: str | None = None
    ) -> str:
        """A form submission as the edge accepts it; the ticket id."""
        body = {
            "name": "Ada",
            "email": email,
            "subject": subject,
            "category": "general",
            "priority": "medium",
            "message": message,
        }
        async with transaction(self.context.pool) as conn:
            accepted = await accept_event(
                conn,
                channel="web_form",
                kind="message",
                source_key=key or str(new_id()),
                body=body,
                key=email,
                ticket_id=new_ticket_id(),
            )
        assert accepted.ticket_id
        return accepted.ticket_id

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        async with transaction(self.context.pool) as conn:
            return await (await conn.execute(query, values)).fetchall()  # pyright: ignore[reportArgumentType]

    async def value(self, query: str, *values: Any) -> Any:
        return (await self.rows(query, *values))[0][0]

    async def review_of(self, ticket_id: str) -> UUID:
        return await self.value("select id from reviews where ticket_id = %s", ticket_id)

    async def until(self, question: Callable[[], Awaitable[Any]], *, tries: int = 2000) -> Any:
        """Ask until the answer is true: workers act in their own time."""
        for _ in range(tries):
            if answer := await question():
                return answer
            await asyncio.sleep(0.02)
        raise AssertionError("the workers did not get there")

    async def until_status(self, ticket_id: str, *statuses: str) -> str:
        async def reached() -> str | None:
            rows = await self.rows("select status from tickets where id = %s", ticket_id)
            return rows[0][0] if rows and rows[0][0] in statuses else None

        return await self.until(reached)

    def fresh_process(self) -> Spine:
        """The same database, a new process: an empty bus, no memory of what was going on."""
        context = replace(self.context, bus=MemoryBus(ALL_TOPICS), **_graph(self.context.pool, self.context.deps))
        return Spine(context, self.mind)


def _graph(pool: Pool, deps: Deps) -> dict[str, Any]:
    saver = TurnSaver(pool)
    return {"graph": build_graph(saver), "deps": replace(deps, desk=CrmDesk(pool, saver))}


@pytest.fixture
async def spine(pool: Pool, tmp_path: Path) -> AsyncIterator[Spine]:
    await sync_folder(pool, EMBEDDER, DOCS, url_base="https://help.example")
    mind = ScriptedMind()
    saver = TurnSaver(pool)
    profile = load_profile(PROJECT_ROOT / "dossier")
    deps = Deps(
        mind=mind,
        knowledge=KnowledgeBase(pool, EMBEDDER),
        desk=CrmDesk(pool, saver),
        formatter=ChannelFormatter(profile),
        policy=Policy.load(PROJECT_ROOT / "dossier" / "policy.yaml", PROJECT_ROOT / "dossier" / "profile.yaml"),
        profile=profile,
        intents=(),
        clock=SystemClock(),
    )
    settings = Settings(
        _env_file=None, data_dir=tmp_path, sweep_interval_s=0.2, sweep_after_s=1, turn_lease_s=1, handler_tries=2
    )  # pyright: ignore[reportCallIssue]
    bus = MemoryBus(ALL_TOPICS)
    await bus.start()
    context = WorkerContext(settings, pool, bus, deps, build_graph(saver), graph_version(), {"web_form": WebForm()})
    try:
        yield Spine(context, mind)
    finally:
        await bus.stop()
