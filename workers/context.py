"""What every worker is given, and what they share in manner."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog

from core.errors import DatabaseUnavailable
from core.ports import ChannelAdapter
from core.settings import Settings
from core.turn import Deps
from core.vocabulary import Channel
from crm.dead_letters import add_dead_letter
from crm.pool import Pool, transaction
from events.bus import Bus, Delivered, Handler, Poison
from graph.build import TurnGraph

log = structlog.get_logger()
_OUTAGE_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class WorkerContext:
    settings: Settings
    pool: Pool
    bus: Bus
    deps: Deps
    graph: TurnGraph
    graph_version: str
    adapters: Mapping[Channel, ChannelAdapter]


def outlast_outages(handler: Handler) -> Handler:
    """A database that is away is not the event's fault: wait for it instead of using up the event's attempts."""

    async def patient(delivered: Delivered) -> None:
        while True:
            try:
                return await handler(delivered)
            except DatabaseUnavailable:
                log.warning("database.away", topic=delivered.topic, event_id=delivered.envelope.id)
                await asyncio.sleep(_OUTAGE_PAUSE_S)

    return patient


def id_in(delivered: Delivered, name: str) -> UUID:
    """An id of the event's payload. Raises KeyError or ValueError, which no further attempt mends."""
    return UUID(str(delivered.envelope.payload[name]))


async def bury(context: WorkerContext, delivered: Delivered, error: Exception) -> None:
    """Keep an event that no attempt could process, and publish it on `fte.dlq`."""
    envelope = delivered.envelope
    log.error("event.dead", topic=delivered.topic, event_id=envelope.id, error_class=type(error).__name__)
    async with transaction(context.pool) as conn:
        await add_dead_letter(
            conn,
            topic=delivered.topic,
            key=envelope.key,
            event_id=UUID(envelope.id),
            type=envelope.type,
            raw=envelope.to_bytes(),
            error_class=type(error).__name__,
            error=str(error)[:2000],
            attempts=delivered.attempt,
        )


async def bury_poison(context: WorkerContext, poison: Poison) -> None:
    """Bytes that are no event: no conversation to hand over, so an operator gets them."""
    log.error("event.poison", topic=poison.topic, partition=poison.partition, offset=poison.offset)
    async with transaction(context.pool) as conn:
        await add_dead_letter(
            conn,
            topic=poison.topic,
            key=None,
            event_id=None,
            type=None,
            raw=poison.raw,
            error_class="PoisonEvent",
            error=poison.reason,
            attempts=1,
        )
