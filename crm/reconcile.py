"""What a provider knows and we may not: up to when it was asked for messages, and which sends have no last word yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.vocabulary import Channel
from crm.pool import Pool, transaction

_LOCK = "select pg_try_advisory_xact_lock(hashtext('fte.reconciler'))"
_CURSOR = """
insert into provider_cursors as c (channel, read_until) values (%(channel)s, %(first)s)
on conflict (channel) do update set updated_at = now() returning c.read_until
"""
_ADVANCE = """
update provider_cursors set read_until = greatest(read_until, %(read_until)s), updated_at = now() where channel = %(channel)s
"""
# Asked when it is due, then at twice its age each time, for a day: a telephone that is off is not asked about for ever.
_UNTOLD = """
update deliveries d set asked_at = now()
where d.id in (
    select id from deliveries
    where status = 'sent' and channel = %(channel)s and sent_at < now() - make_interval(secs => %(after_s)s)
      and sent_at > now() - interval '1 day' and (asked_at is null or now() - sent_at > 2 * (asked_at - sent_at))
    order by sent_at limit %(limit)s for update skip locked)
returning d.id as delivery_id, array(select jsonb_array_elements_text(d.progress -> 'sids')) as message_ids
"""


@dataclass(frozen=True, slots=True)
class UntoldDelivery:
    """A send whose last report is "sent"; the ids of its parts at the provider."""

    delivery_id: UUID
    message_ids: list[str]


@asynccontextmanager
async def reconciling(pool: Pool) -> AsyncIterator[bool]:
    """Whether this process is the one that asks now; the lock goes with its transaction, whatever happens."""
    async with transaction(pool) as conn:
        await conn.execute("set local idle_in_transaction_session_timeout = '5min'")
        row = await (await conn.execute(_LOCK)).fetchone()
        yield bool(row and row[0])


async def start_cursor(conn: AsyncConnection, channel: Channel, first: datetime) -> datetime:
    """Up to when the provider was asked; `first` at the very first time."""
    row = await (await conn.execute(_CURSOR, {"channel": channel, "first": first})).fetchone()
    assert row is not None
    return row[0]


async def advance_cursor(conn: AsyncConnection, channel: Channel, read_until: datetime) -> None:
    await conn.execute(_ADVANCE, {"channel": channel, "read_until": read_until})


async def take_untold(conn: AsyncConnection, channel: Channel, *, after_s: float, limit: int) -> list[UntoldDelivery]:
    """Sends that should have been reported on by now, each taken once and then left for as long again."""
    async with conn.cursor(row_factory=class_row(UntoldDelivery)) as cursor:
        await cursor.execute(_UNTOLD, {"channel": channel, "after_s": after_s, "limit": limit})
        return await cursor.fetchall()
