"""The crew: starts the workers of the roles that this process plays, and stops them without dropping work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Literal, get_args

from core.vocabulary import CHANNELS
from events.bus import Retry
from events.topics import TICKETS_INCOMING, inbound_topic, outbound_topic
from workers.agent import AgentWorker
from workers.context import WorkerContext, bury_poison, outlast_outages
from workers.delivery import DeliveryWorker
from workers.intake import Intake
from workers.mailbox import MailboxKeeper
from workers.relay import Relay
from workers.sweeper import Sweeper

Role = Literal["intake", "agent", "delivery", "relay", "sweeper", "mailbox"]
ROLES: tuple[Role, ...] = get_args(Role)


@contextlib.asynccontextmanager
async def crew(context: WorkerContext, roles: Sequence[Role] = ROLES) -> AsyncIterator[None]:
    """The workers of these roles, at work while the block runs."""
    settings = context.settings
    members = {
        "intake": (Intake(context), [inbound_topic(c) for c in CHANNELS], settings.turn_concurrency),
        "agent": (AgentWorker(context), [TICKETS_INCOMING], settings.turn_concurrency),
        "delivery": (DeliveryWorker(context), [outbound_topic(c) for c in CHANNELS], settings.delivery_concurrency),
    }
    loops = {"relay": Relay(context).run, "sweeper": Sweeper(context).run, "mailbox": MailboxKeeper(context).run}
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
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(subscription.stop() for subscription in subscriptions))
