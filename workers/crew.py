"""The crew: starts the workers of the roles that this process plays, and stops them without dropping work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from typing import Literal, get_args

from core.vocabulary import CHANNELS
from events.bus import Retry
from events.topics import TICKETS_INCOMING, inbound_topic, outbound_topic
from workers.agent import AgentWorker
from workers.context import WorkerContext, bury_poison, outlast_outages
from workers.delivery import DeliveryWorker
from workers.intake import Intake
from workers.relay import Relay
from workers.sweeper import Sweeper

Role = Literal["intake", "agent", "delivery", "relay", "sweeper"]
ROLES: tuple[Role, ...] = get_args(Role)
_CANCEL_AGAIN_S = 5.0


@contextlib.asynccontextmanager
async def crew(context: WorkerContext, roles: Sequence[Role] = ROLES) -> AsyncIterator[None]:
    """The workers of these roles, at work while the block runs."""
    settings = context.settings
    members = {
        "intake": (Intake(context), [inbound_topic(c) for c in CHANNELS], settings.turn_concurrency),
        "agent": (AgentWorker(context), [TICKETS_INCOMING], settings.turn_concurrency),
        "delivery": (DeliveryWorker(context), [outbound_topic(c) for c in CHANNELS], settings.delivery_concurrency),
    }
    loops = {"relay": Relay(context).run, "sweeper": Sweeper(context).run}
    subscriptions = []
    for role, (worker, topics, concurrency) in members.items():
        if role in roles:
            subscriptions.append(
                await context.bus.subscribe(
                    role,
                    topics,
                    outlast_outages(worker.handle),
                    on_dead=worker.on_dead,
                    on_poison=partial(bury_poison, context),
                    concurrency=concurrency,
                    retry=Retry(tries=settings.handler_tries),
                )
            )
    tasks = [asyncio.create_task(loop(), name=f"fte.{role}") for role, loop in loops.items() if role in roles]
    try:
        yield
    finally:
        await _end(tasks)
        await asyncio.gather(*(subscription.stop() for subscription in subscriptions))


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: below Python 3.12 a library's `wait_for` can swallow a cancellation."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        running = (await asyncio.wait(running, timeout=_CANCEL_AGAIN_S))[1]
