"""Is it alive, can it take work, and what is switched on."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.context import ANSWER_TIMEOUT_S, ApiContext, context_of
from api.problems import ApiProblem, problem_responses
from core.errors import BusUnavailable, DatabaseUnavailable
from core.vocabulary import CHANNELS, Channel
from crm.mailboxes import find_mailbox
from crm.metrics import list_enabled_channels, read_schema_version
from crm.migrate import MIGRATIONS_DIR, read_migrations
from crm.pool import transaction

router = APIRouter(prefix="/health", tags=["health"])
CHECK_TIMEOUT_S = 2.0

Reachable = Literal["ok", "unavailable"]


class ChannelHealth(BaseModel):
    enabled: bool
    configured: bool
    needs_reauth: bool = Field(default=False, description="The provider refuses our permission until it is given anew")


class Health(BaseModel):
    """`degraded`: the conveyor is away, accepted work waits in the outbox. `unavailable`: nothing can be accepted."""

    status: Literal["ok", "degraded", "unavailable"]
    version: str
    database: Reachable
    bus: Reachable
    channels: dict[Channel, ChannelHealth]


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


@router.get(
    "",
    summary="How everything is",
    response_model=Health,
    responses={503: {"model": Health, "description": "The database is away"}},
)
async def health(request: Request, response: Response) -> Health:
    context = context_of(request)
    (enabled, refused), bus = await asyncio.gather(_channel_states(context), _bus(context))
    response.headers["Cache-Control"] = "no-store"
    response.status_code = 503 if enabled is None else 200
    return Health(
        status="unavailable" if enabled is None else "ok" if bus == "ok" else "degraded",
        version=context.version,
        database="unavailable" if enabled is None else "ok",
        bus=bus,
        channels={channel: _channel(context, channel, enabled, refused) for channel in CHANNELS},
    )


@router.get("/live", summary="Is the process alive", response_model=Alive)
async def live() -> Alive:
    """Asks nobody else: a restart would not bring a database back."""
    return Alive()


@router.get("/ready", summary="Can it take work", response_model=Alive, responses=problem_responses(503))
async def ready(request: Request) -> Any:
    """The database answers and its schema is at least the one this release knows."""
    try:
        async with (
            asyncio.timeout(CHECK_TIMEOUT_S),
            transaction(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn,
        ):
            version = await read_schema_version(conn)
    except TimeoutError:
        raise DatabaseUnavailable from None
    if version < _wanted_schema():
        detail = f"The schema is at {version}, this release needs {_wanted_schema()}: run `fte migrate`."
        raise ApiProblem(503, "schema-too-old", detail)
    return Alive()


@cache
def _wanted_schema() -> int:
    return len(read_migrations(MIGRATIONS_DIR))


async def _channel_states(context: ApiContext) -> tuple[set[Channel] | None, set[Channel]]:
    """Which channels are switched on, None where nobody can say; and which wait for a new permission."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S), transaction(context.pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
            mailbox = await find_mailbox(conn, context.mailbox.lower()) if context.mailbox else None
            return await list_enabled_channels(conn), {"email"} if mailbox and mailbox.reauth_since else set()
    except (DatabaseUnavailable, TimeoutError):
        return None, set()


async def _bus(context: ApiContext) -> Reachable:
    if context.bus_health is None:
        return "ok"
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return "ok" if await context.bus_health() else "unavailable"
    except (TimeoutError, BusUnavailable):
        return "unavailable"


def _channel(
    context: ApiContext, channel: Channel, enabled: set[Channel] | None, refused: set[Channel]
) -> ChannelHealth:
    configured = {
        "email": context.push_verifier is not None,
        "whatsapp": context.whatsapp_secrets is not None,
        "web_form": True,
    }
    return ChannelHealth(
        enabled=enabled is None or channel in enabled,
        configured=configured[channel],
        needs_reauth=channel in refused,
    )
