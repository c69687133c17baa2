"""The cursor of a mailbox: new mail and the cursor that knows it are recorded in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from crm.inbound import accept_event
from crm.pool import Pool, transaction

_LOCK = "select pg_advisory_xact_lock(hashtextextended('fte.mailbox:' || %(address)s, 0))"
_CURSOR = "select history_id from mailboxes where address = %(address)s"
_ADVANCE = """
insert into mailboxes (address, history_id) values (%(address)s, %(history_id)s)
on conflict (address) do update
set history_id = greatest(mailboxes.history_id, excluded.history_id), updated_at = now()
"""


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
