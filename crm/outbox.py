"""The outbox: every event is a row written in the transaction that made it true, published later by the relay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.ids import new_id
from crm.pool import Connection

_INSERT = """
insert into outbox (event_id, topic, key, type, payload, trace, available_at)
values (%(event_id)s, %(topic)s, %(key)s, %(type)s, %(payload)s, %(trace)s, now() + make_interval(secs => %(delay_s)s))
"""
# skip locked: several relays share the work; order per key holds because a key's rows are claimed oldest first.
_CLAIM = """
select id, event_id, topic, key, type, payload, trace, occurred_at from outbox
where published_at is null and available_at <= now()
order by id limit %(limit)s for update skip locked
"""
_MARK = "update outbox set published_at = now() where id = any(%(ids)s)"
_LOCK_RELAY = "select pg_try_advisory_xact_lock(hashtext('fte.relay'))"
_NEXT_DUE = "select extract(epoch from min(available_at) - now())::float8 as due from outbox where published_at is null"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    id: int
    event_id: UUID
    topic: str
    key: str
    type: str
    payload: dict[str, Any]
    trace: dict[str, str]
    occurred_at: datetime


async def add_event(
    conn: AsyncConnection,
    topic: str,
    key: str,
    type: str,
    payload: Mapping[str, Any],
    *,
    trace: Mapping[str, str] | None = None,
    delay_s: float = 0,
) -> UUID:
    """Write one event; the relay is woken when the transaction commits."""
    event_id = new_id()
    row = {
        "event_id": event_id,
        "topic": topic,
        "key": key,
        "type": type,
        "payload": Jsonb(dict(payload)),
        "trace": Jsonb(dict(trace or {})),
        "delay_s": delay_s,
    }
    await conn.execute(_INSERT, row)
    note_event(conn)
    return event_id


def note_event(conn: AsyncConnection) -> None:
    """An event was written: the relay is woken once this transaction has committed."""
    if isinstance(conn, Connection):
        conn.wrote_event = True


async def try_relay_lock(conn: AsyncConnection) -> bool:
    """One relay publishes at a time, or the order of a key could turn round between two of them."""
    cursor = await conn.execute(_LOCK_RELAY)
    row = await cursor.fetchone()
    return bool(row and row[0])


async def claim_events(conn: AsyncConnection, limit: int) -> list[OutboxRow]:
    async with conn.cursor(row_factory=class_row(OutboxRow)) as cursor:
        await cursor.execute(_CLAIM, {"limit": limit})
        return await cursor.fetchall()


async def mark_published(conn: AsyncConnection, ids: Sequence[int]) -> None:
    await conn.execute(_MARK, {"ids": list(ids)})


async def next_due_s(conn: AsyncConnection) -> float | None:
    """Seconds until the next event is due, None when there is none."""
    row = await (await conn.execute(_NEXT_DUE)).fetchone()
    return None if row is None else row[0]
