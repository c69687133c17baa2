"""A process that dies at any step around a send, a provider that fails in every way: each part goes out once, in order."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from channels.whatsapp.adapter import TwilioWhatsApp
from crm.deliveries import save_progress
from crm.pool import transaction
from tests.fixtures_whatsapp import CREATE, STATUS, WhatsApp
from tests.workers.test_delivery import event, queue
from workers import delivery as module
from workers.crew import crew
from workers.delivery import DeliveryWorker

pytestmark = [pytest.mark.slow]
RUNS = 18  # below the cap that stops loops: 20 replies in ten minutes
FAULTS = ["drop", "5xx", "429", "timeout_after_accept"]
NEXT = "update deliveries set lease_until = null, next_attempt_at = now(), attempts = 0 where status in ('queued', 'sending')"


class Killed(BaseException):
    """The process is gone; what was committed stays."""


class Chance:
    """Dies at one of the steps, sometimes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.kills = 0

    def maybe_die(self) -> None:
        if self.random.random() < 0.15:
            self.kills += 1
            raise Killed


async def test_each_part_goes_out_once_and_in_order_whatever_dies(whatsapp: WhatsApp, monkeypatch) -> None:
    chance, pool = Chance(23), whatsapp.spine.context.pool

    async def remember(delivery_id: UUID, progress: Any) -> None:
        chance.maybe_die()
        async with transaction(pool) as conn:
            await save_progress(conn, delivery_id, progress)
        chance.maybe_die()

    for name in ("claim_delivery", "record_receipt", "go_on", "try_again", "settle"):
        monkeypatch.setattr(module, name, dying(getattr(module, name), chance))
    adapter = TwilioWhatsApp(whatsapp.adapter._config, remember)
    context = replace(whatsapp.spine.context, adapters={"whatsapp": adapter})
    for run in range(RUNS):
        await one_reply(whatsapp, context, chance, run)
    await adapter.close()
    print(f"{chance.kills} kills in {RUNS} replies of two parts")
    assert chance.kills > RUNS
    assert whatsapp.got == [f"({part}/2) reply {run}" for run in range(RUNS) for part in (1, 2)]
    assert await whatsapp.spine.value("select count(*) from deliveries where status in ('sent', 'delivered')") == RUNS


def dying(function: Any, chance: Chance) -> Any:
    async def dies(*args: Any, **options: Any) -> Any:
        chance.maybe_die()
        result = await function(*args, **options)
        chance.maybe_die()
        return result

    return dies


async def one_reply(whatsapp: WhatsApp, context: Any, chance: Chance, run: int) -> None:
    await queue_again(whatsapp, run)
    delivered = await event(whatsapp.spine)
    for _ in range(60):
        whatsapp.fake.faults.pending.clear()
        if chance.random.random() < 0.5:
            whatsapp.fake.faults.add(CREATE, chance.random.choice(FAULTS), seconds=0.2)
        if chance.random.random() < 0.5:
            whatsapp.fake.faults.add(STATUS, chance.random.choice(["drop", "duplicate", "reorder"]), times=2)
        with contextlib.suppress(Killed):
            await DeliveryWorker(context).handle(delivered)
        if not await whatsapp.spine.value("select count(*) from deliveries where status in ('queued', 'sending')"):
            return
        await whatsapp.execute(NEXT)
    raise AssertionError("never sent")


async def queue_again(whatsapp: WhatsApp, run: int) -> None:
    """The first reply comes from a question; the later ones are stored as further turns of the same conversation."""
    parts = (f"(1/2) reply {run}", f"(2/2) reply {run}")
    if run == 0:
        return await queue(whatsapp, *parts)
    async with crew(whatsapp.spine.context, ["relay", "intake", "agent"]):
        await whatsapp.writes("How do I change the card that my workspace is billed to?")
        await whatsapp.until(f"select count(*) = {run + 1} from deliveries")
    newest = "(select message_id from deliveries where status = 'queued')"
    await whatsapp.execute(
        f"update messages set parts = jsonb_build_array(%s::text, %s::text) where id = {newest}", *parts
    )
    return None
