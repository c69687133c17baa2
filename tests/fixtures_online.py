"""The spine with the online mind: real clients and agent loop, our server at the provider's end, on both APIs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from psycopg.rows import class_row

from core.profile import load_intents
from core.settings import PROJECT_ROOT
from core.spending import ModelCall
from crm.pool import transaction
from crm.spending import TicketCost, list_ticket_costs
from llm.breaker import Breaker
from llm.openai import OpenAiMind
from simulation.openai import OpenAiFake
from simulation.serve import serve
from tests.fixtures_spine import Spine
from workers.crew import crew

_CALLS = """
select id, node, model, outcome, latency_ms, input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd_micros
from model_calls order by at, node
"""


@dataclass
class Online:
    spine: Spine
    fake: OpenAiFake

    async def settle(self, message: str, **facts: str) -> tuple[str, str]:
        """A submission carried to its end: the ticket and its status."""
        ticket = await self.spine.submit(message, **facts)
        async with crew(self.spine.context):
            status = await self.spine.until_status(ticket, "resolved", "escalated")
            await self.spine.until(
                lambda: self.spine.value("select bool_and(status = 'delivered') from deliveries having count(*) > 0")
            )
        return ticket, status

    async def set(self, **settings: Any) -> None:
        """Other settings for the mind and the turns from now on."""
        context = self.spine.context
        values = context.settings.model_dump() | settings
        chosen = type(context.settings)(**values, _env_file=None)  # pyright: ignore[reportCallIssue]
        mind = OpenAiMind(chosen, self.spine.mind, breaker=Breaker(most=1_000), pause_s=0.01)
        deps = replace(context.deps, mind=mind, budget=chosen.budget)
        await self.aclose()
        self.spine = Spine(replace(context, deps=deps, settings=chosen), self.spine.mind)

    async def aclose(self) -> None:
        if isinstance(self.spine.context.deps.mind, OpenAiMind):
            await self.spine.context.deps.mind.aclose()

    async def calls(self) -> list[ModelCall]:
        async with (
            transaction(self.spine.context.pool) as conn,
            conn.cursor(row_factory=class_row(ModelCall)) as cursor,
        ):
            await cursor.execute(_CALLS)
            return await cursor.fetchall()

    async def costs(self) -> list[TicketCost]:
        """Of the newest conversation."""
        async with transaction(self.spine.context.pool) as conn:
            return await list_ticket_costs(
                conn, await self.spine.value("select id from conversations order by created_at desc limit 1")
            )

    @property
    def steps(self) -> list[str]:
        """The tools that the model called, in order, as the last request of its agent shows them."""
        return [step.tool for step in [r for r in self.fake.received if r.ask.tools][-1].ask.steps]


@pytest.fixture(params=["responses", "chat_completions"])
async def online(spine: Spine, request: pytest.FixtureRequest) -> AsyncIterator[Online]:
    fake = OpenAiFake()
    intents = load_intents(PROJECT_ROOT / "dossier" / "intents.yaml")
    deps = replace(spine.context.deps, intents=intents)
    async with serve(fake.app()) as base_url:
        online = Online(Spine(replace(spine.context, deps=deps), spine.mind), fake)
        await online.set(
            openai_api_key=fake.api_key,
            openai_base_url=f"{base_url}/v1",
            openai_api=request.param,
            model_retries=1,
            model_timeout_s=5,
        )
        yield online
        await online.aclose()
