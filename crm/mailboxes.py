"""A mailbox: its cursor, which moves in the transaction that records the new mail, and how it fares."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from crm.inbound import accept_event
from crm.pool import Pool, transaction

_LOCK = "select pg_advisory_xact_lock(hashtextextended('fte.mailbox:' || %(address)s, 0))"
_CURSOR = "select history_id from mailboxes where address = %(address)s"
_ADVANCE = """
insert into mailboxes (address, history_id) values (%(address)s, %(history_id)s)
on conflict (address) do update
set history_id = greatest(mailboxes.history_id, excluded.history_id), updated_at = now()
"""
# The claim and the time of the next one are one statement: of any number of keepers one checks, and none holds a lock
# or a connection while it talks to Gmail.
_CLAIM_CHECK = """
insert into mailboxes (address, next_check_at) values (%(address)s, now() + make_interval(secs => %(every_s)s))
on conflict (address) do update set next_check_at = excluded.next_check_at where mailboxes.next_check_at <= now()
returning address
"""
_STATES = """
select address, history_id, watch_expires_at, synced_at, failures, last_error, reauth_since from mailboxes order by address
"""
_WELL = """
update mailboxes set synced_at = now(), failures = 0, last_error = null, reauth_since = null where address = %(address)s
"""
_UNWELL = """
insert into mailboxes (address, failures, last_error, reauth_since) values
    (%(address)s, 1, %(error)s, case when %(reauth)s then now() end)
on conflict (address) do update set failures = mailboxes.failures + 1, last_error = excluded.last_error,
    reauth_since = coalesce(mailboxes.reauth_since, excluded.reauth_since)
returning failures
"""
_PUT_OFF = "update mailboxes set next_check_at = now() + make_interval(secs => %(delay_s)s) where address = %(address)s"
_WATCHED = """
insert into mailboxes (address, watch_expires_at) values (%(address)s, %(until)s)
on conflict (address) do update set watch_expires_at = excluded.watch_expires_at
"""


@dataclass(frozen=True, slots=True)
class MailboxState:
    """`reauth_since`: since when Google has refused our permission; nothing but a new one helps."""

    address: str
    history_id: int | None
    watch_expires_at: datetime | None
    synced_at: datetime | None
    failures: int
    last_error: str | None
    reauth_since: datetime | None


async def claim_check(conn: AsyncConnection, address: str, *, every_s: float) -> bool:
    """Whether the mailbox is due and this caller is the one to look after it."""
    return (await conn.execute(_CLAIM_CHECK, {"address": address, "every_s": every_s})).rowcount > 0


async def list_mailboxes(conn: AsyncConnection) -> list[MailboxState]:
    async with conn.cursor(row_factory=class_row(MailboxState)) as cursor:
        await cursor.execute(_STATES)
        return await cursor.fetchall()


async def find_mailbox(conn: AsyncConnection, address: str) -> MailboxState | None:
    return next((state for state in await list_mailboxes(conn) if state.address == address), None)


async def note_synced(conn: AsyncConnection, address: str) -> None:
    await conn.execute(_WELL, {"address": address})


async def note_failure(conn: AsyncConnection, address: str, *, error: str, reauth: bool = False) -> int:
    """How many failures there were in a row."""
    row = await (await conn.execute(_UNWELL, {"address": address, "error": error, "reauth": reauth})).fetchone()
    assert row is not None
    return row[0]


async def put_off_check(conn: AsyncConnection, address: str, *, delay_s: float) -> None:
    await conn.execute(_PUT_OFF, {"address": address, "delay_s": delay_s})


async def note_watch(conn: AsyncConnection, address: str, until: datetime | None) -> None:
    """When the pushes end; None where they were stopped."""
    await conn.execute(_WATCHED, {"address": address, "until": until})


@dataclass(frozen=True, slots=True)
class MailboxStore:
    """The `CursorStore` of the email channel over PostgreSQL."""

    pool: Pool

    @asynccontextmanager
    async def lock(self, mailbox: str) -> AsyncIterator[None]:
        """One synchronisation at a time, over all processes; the lock goes with its transaction, whatever happens."""
        async with transaction(self.pool) as conn:
            await conn.execute("set local idle_in_transaction_session_timeout = '5min'")
            await conn.execute(_LOCK, {"address": mailbox})
            yield

    async def cursor(self, mailbox: str) -> int | None:
        async with transaction(self.pool) as conn:
            row = await (await conn.execute(_CURSOR, {"address": mailbox})).fetchone()
        return None if row is None else row[0]

    async def record(self, mailbox: str, ids: Sequence[str], cursor: int) -> int:
        new = 0
        async with transaction(self.pool) as conn:
            for gmail_id in ids:
                accepted = await accept_event(
                    conn, channel="email", kind="message", source_key=gmail_id, body={"mailbox": mailbox}, key=mailbox
                )
                new += not accepted.duplicate
            await conn.execute(_ADVANCE, {"address": mailbox, "history_id": cursor})
        return new
