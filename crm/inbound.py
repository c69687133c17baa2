"""What the edge accepted: stored with its event in one transaction, so that a 2xx is a promise that holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.errors import Conflict, NotFound
from core.ids import new_id
from core.models import InboundEvent
from core.vocabulary import Channel, InboundKind
from crm.outbox import note_event

# The topics are named here as text because crm knows nothing of the events room; tests/crm compare them.
INBOUND_TOPIC: dict[Channel, str] = {
    "email": "fte.channels.email.inbound",
    "whatsapp": "fte.channels.whatsapp.inbound",
    "web_form": "fte.channels.webform.inbound",
}

# One statement, one round trip: the event and its outbox row, or nothing of it.
_INSERT = """
with event as (
    insert into inbound_events (id, channel, kind, source_key, body, body_hash, raw, ticket_id)
    values (%(id)s, %(channel)s, %(kind)s, %(source_key)s, %(body)s, %(body_hash)s, %(raw)s, %(ticket_id)s)
    on conflict (channel, kind, source_key) do nothing returning id
)
insert into outbox (event_id, topic, key, type, payload, trace)
select gen_random_uuid(), %(topic)s, %(key)s, %(kind)s || '.accepted', jsonb_build_object('inbound_event_id', id), %(trace)s from event
"""
_FIND = """
select id, ticket_id, body_hash from inbound_events
where channel = %(channel)s and kind = %(kind)s and source_key = %(source_key)s
"""
_LOCK = """
select id, channel, kind, source_key, body, received_at, ticket_id, raw from inbound_events
where id = %(id)s and status = 'accepted' for update skip locked
"""
_LOAD = """
select id, channel, kind, source_key, body, received_at, ticket_id, raw from inbound_events where id = %(id)s and status = 'accepted'
"""
_EXISTS = "select status from inbound_events where id = %(id)s"
_DONE = "update inbound_events set status = %(status)s, processed_at = now() where id = %(id)s and status = 'accepted'"
_REOPEN = "update inbound_events set status = 'accepted', processed_at = null where id = %(id)s and status = 'dead'"


@dataclass(frozen=True, slots=True)
class Accepted:
    event_id: UUID
    ticket_id: str | None
    duplicate: bool


async def accept_event(
    conn: AsyncConnection,
    *,
    channel: Channel,
    kind: InboundKind,
    source_key: str,
    body: Mapping[str, Any],
    key: str,
    raw: bytes | None = None,
    ticket_id: str | None = None,
    trace: Mapping[str, str] | None = None,
) -> Accepted:
    """Store an event and its outbox row. The same source_key again is the first event; with another body it is a Conflict."""
    event_id = new_id()
    body_hash = hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    values: dict[str, Any] = {
        "id": event_id,
        "channel": channel,
        "kind": kind,
        "source_key": source_key,
        "body": Jsonb(dict(body)),
        "body_hash": body_hash,
        "raw": raw,
        "ticket_id": ticket_id,
        "topic": INBOUND_TOPIC[channel],
        "key": key,
        "trace": Jsonb(dict(trace or {})),
    }
    if (await conn.execute(_INSERT, values)).rowcount:
        note_event(conn)
        return Accepted(event_id, ticket_id, duplicate=False)
    row = await (await conn.execute(_FIND, values)).fetchone()
    assert row is not None
    if row[2] != body_hash:
        raise Conflict("The same key was used before with different content", event_id=row[0])
    return Accepted(row[0], row[1], duplicate=True)


async def load_event(conn: AsyncConnection, event_id: UUID) -> InboundEvent | None:
    """The event if its work is still to be done."""
    return await _fetch_event(conn, _LOAD, event_id)


async def lock_event(conn: AsyncConnection, event_id: UUID) -> InboundEvent | None:
    """The same, locked for the rest of the transaction; None also when another worker has it."""
    return await _fetch_event(conn, _LOCK, event_id)


async def _fetch_event(conn: AsyncConnection, query: LiteralString, event_id: UUID) -> InboundEvent | None:
    async with conn.cursor(row_factory=class_row(InboundEvent)) as cursor:
        await cursor.execute(query, {"id": event_id})
        event = await cursor.fetchone()
    if event is None and await (await conn.execute(_EXISTS, {"id": event_id})).fetchone() is None:
        raise NotFound("No such inbound event", event_id=event_id)
    return event


async def finish_event(conn: AsyncConnection, event_id: UUID, *, dead: bool = False) -> None:
    await conn.execute(_DONE, {"id": event_id, "status": "dead" if dead else "done"})


async def reopen_event(conn: AsyncConnection, event_id: UUID) -> None:
    """For the replay of a dead letter: the event's work is to be done again."""
    await conn.execute(_REOPEN, {"id": event_id})
