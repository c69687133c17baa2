"""Dead letters: what no worker could process. Kept in PostgreSQL, published on `fte.dlq`, and given to a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.errors import NotFound
from crm.outbox import add_event

_COLUMNS = """
select id, topic, key, event_id, type, raw, error_class, error, attempts, status, created_at, resolved_at, resolved_by
from dead_letters
"""
_ADD = """
insert into dead_letters (topic, key, event_id, type, raw, error_class, error, attempts)
values (%(topic)s, %(key)s, %(event_id)s, %(type)s, %(raw)s, %(error_class)s, %(error)s, %(attempts)s)
on conflict (topic, event_id) where status = 'open' do update set attempts = dead_letters.attempts + excluded.attempts
returning id
"""
_LIST = _COLUMNS + "where status = %(status)s order by created_at limit %(limit)s"
_GET = _COLUMNS + "where id = %(id)s"
_RESOLVE = "update dead_letters set status = %(status)s, resolved_at = now(), resolved_by = %(by)s where id = %(id)s and status = 'open'"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: UUID
    topic: str
    key: str | None
    event_id: UUID | None
    type: str | None
    raw: bytes
    error_class: str
    error: str
    attempts: int
    status: str
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


async def add_dead_letter(
    conn: AsyncConnection,
    *,
    topic: str,
    key: str | None,
    event_id: UUID | None,
    type: str | None,
    raw: bytes,
    error_class: str,
    error: str,
    attempts: int,
) -> UUID:
    values = {
        "topic": topic,
        "key": key,
        "event_id": event_id,
        "type": type,
        "raw": raw,
        "error_class": error_class,
        "error": error,
        "attempts": attempts,
    }
    row = await (await conn.execute(_ADD, values)).fetchone()
    assert row is not None
    await add_event(
        conn,
        "fte.dlq",
        key or str(row[0]),
        "event.dead",
        {"dead_letter_id": str(row[0]), "topic": topic, "error_class": error_class},
    )
    return row[0]


async def list_dead_letters(conn: AsyncConnection, *, status: str = "open", limit: int = 100) -> list[DeadLetter]:
    async with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_LIST, {"status": status, "limit": limit})
        return await cursor.fetchall()


async def get_dead_letter(conn: AsyncConnection, letter_id: UUID) -> DeadLetter:
    async with conn.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(_GET, {"id": letter_id})
        letter = await cursor.fetchone()
    if letter is None:
        raise NotFound("There is no such dead letter", id=letter_id)
    return letter


async def resolve_dead_letter(conn: AsyncConnection, letter_id: UUID, *, status: str, by: str) -> bool:
    """False when somebody resolved it before."""
    return (await conn.execute(_RESOLVE, {"id": letter_id, "status": status, "by": by})).rowcount > 0
