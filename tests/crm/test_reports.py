"""Reports in any order, doubled, before or after the receipt: the delivery ends where the best of them says."""

from __future__ import annotations

import asyncio
import itertools
import random
from functools import reduce

import pytest
from psycopg.types.json import Jsonb

from core.delivery_status import ORDER, higher, overall
from core.models import Receipt
from crm.deliveries import record_receipt
from crm.pool import Pool, transaction
from crm.reports import keep_report, settle_delivery
from tests.crm.story import Story


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_the_order_the_delivery_ends_at_the_lattices_word(pool: Pool, seed: int) -> None:
    chance = random.Random(seed)
    parts = chance.randint(1, 3)
    sids = [f"SM{part}" for part in range(parts)]
    reports = [(part, chance.choice(ORDER)) for part in range(parts) for _ in range(chance.randint(0, 4))]
    steps: list = [*reports, *reports, "receipt"]
    chance.shuffle(steps)
    failures, statuses = 0, []
    async with transaction(pool) as conn:
        story = await Story(conn, "whatsapp").begin()
        message = await story.replied("one two", await story.turn(), delivery="sending")
        await conn.execute("update messages set parts = %s where id = %s", (Jsonb(sids), message))
        [(delivery,)] = await (await conn.execute("select id from deliveries")).fetchall()
        for step in steps:
            if step == "receipt":
                await conn.execute("update deliveries set progress = %s", (Jsonb({"sids": sids}),))
                await record_receipt(conn, delivery, Receipt(sids[-1], "sent", {"sids": sids}))
            else:
                known = delivery if chance.random() < 0.7 else None
                part = step[0] if known else None
                found = await keep_report(conn, "whatsapp", sids[step[0]], step[1], delivery_id=known, part=part)
                if found is None:
                    continue
            failures += await settle_delivery(conn, delivery) is not None
            statuses.append((await (await conn.execute("select status from deliveries")).fetchall())[0][0])
        await settle_delivery(conn, delivery)
        [(final,)] = await (await conn.execute("select status from deliveries")).fetchall()
        kept = dict(await (await conn.execute("select provider_message_id, status from provider_reports")).fetchall())
    assert kept == {
        sids[part]: reduce(higher, [status for reported, status in reports if reported == part])
        for part in {part for part, _ in reports}
    }
    best: dict = {}
    for part, status in reports:
        best[part] = higher(best.get(part, "sent"), status)
    expected = overall([best.get(part, "sent") for part in range(parts)])
    assert final == expected or (final == "failed" and "failed" in {status for _, status in reports})
    assert failures <= 1
    assert all(higher(a, b) == b for a, b in itertools.pairwise(statuses))


async def test_an_early_report_and_the_receipt_at_the_same_moment_lose_nothing(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn, "whatsapp").begin()
        await story.replied("one", await story.turn(), delivery="sending")
        [(delivery,)] = await (await conn.execute("select id from deliveries")).fetchall()

    async def receipt() -> None:
        async with transaction(pool) as conn:
            await conn.execute("update deliveries set progress = %s", (Jsonb({"sids": ["SM0"]}),))
        async with transaction(pool) as conn:
            await record_receipt(conn, delivery, Receipt("SM0", "sent", {"sids": ["SM0"]}))
            await settle_delivery(conn, delivery)

    async def report() -> None:
        async with transaction(pool) as conn:
            if await keep_report(conn, "whatsapp", "SM0", "delivered", delivery_id=delivery, part=0):
                await settle_delivery(conn, delivery)

    await asyncio.gather(receipt(), report(), report())
    async with transaction(pool) as conn:
        assert (await (await conn.execute("select status from deliveries")).fetchall()) == [("delivered",)]
