"""The store of the cursor keeps what the synchronisation relies on: together or not at all, once, forward only."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from crm.mailboxes import MailboxStore
from crm.pool import Pool, transaction

BOX = "support@company.example"


async def events(pool: Pool) -> list[str]:
    async with transaction(pool) as conn:
        rows = await (
            await conn.execute("select source_key from inbound_events order by received_at, source_key")
        ).fetchall()
    return [row[0] for row in rows]


async def test_new_mail_and_the_cursor_that_knows_it_come_together(pool: Pool) -> None:
    store = MailboxStore(pool)
    assert await store.cursor(BOX) is None
    assert await store.record(BOX, ["a", "b"], 10) == 2
    assert await store.record(BOX, ["b", "c", "c"], 12) == 1
    assert (await store.cursor(BOX), await events(pool)) == (12, ["a", "b", "c"])


async def test_the_cursor_never_goes_back(pool: Pool) -> None:
    store = MailboxStore(pool)
    await store.record(BOX, [], 12)
    await store.record(BOX, [], 7)
    assert await store.cursor(BOX) == 12


async def test_what_fails_half_way_leaves_neither_mail_nor_cursor(pool: Pool) -> None:
    store = MailboxStore(pool)
    with pytest.raises(psycopg.DataError, match="NUL"):
        await store.record(BOX, ["a", "b\x00"], 10)
    assert (await store.cursor(BOX), await events(pool)) == (None, [])


async def test_synchronisations_of_one_mailbox_wait_for_each_other_and_others_do_not(pool: Pool) -> None:
    store, inside, most = MailboxStore(pool), 0, 0

    async def synchronise() -> None:
        nonlocal inside, most
        async with store.lock(BOX):
            inside += 1
            most = max(most, inside)
            async with store.lock("other@company.example"):
                await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(synchronise() for _ in range(4)))
    assert most == 1
