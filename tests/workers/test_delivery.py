"""The pace of a recipient, parts in order, pauses between attempts, and a provider that hangs."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from channels.whatsapp.client import never_taken
from core.errors import ChannelError
from core.ids import new_id
from core.models import Outgoing, Receipt
from crm.pool import transaction
from crm.recipients import take_slot
from events.bus import Delivered
from events.envelope import Envelope
from tests.fixtures_spine import Spine
from tests.fixtures_whatsapp import CREATE, CUSTOMER, WhatsApp
from workers.crew import crew
from workers.delivery import DeliveryWorker, retry_delay_s
from workers.sweeper import Sweeper

QUESTION = "How do I change the card that my workspace is billed to?"
FREE = "update recipient_slots set free_at = now()"
DUE = "update deliveries set next_attempt_at = now() where status = 'queued'"


async def queue(whatsapp: WhatsApp, *parts: str) -> None:
    """A reply of these parts, stored and not sent."""
    async with crew(whatsapp.spine.context, ["relay", "intake", "agent"]):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from deliveries")
    quoted = ", ".join(f'"{part}"' for part in parts)
    await whatsapp.execute("update messages set parts = %s::jsonb where direction = 'outbound'", f"[{quoted}]")


async def test_parts_go_in_order_and_each_waits_for_the_recipients_slot(whatsapp: WhatsApp) -> None:
    await queue(whatsapp, "one", "two", "three")
    whatsapp.configure(pace_whatsapp_s=60)
    for number in range(1, 4):
        await send(whatsapp)
        await send(whatsapp)
        assert whatsapp.got == ["one", "two", "three"][:number]
        await whatsapp.execute(FREE)
        await whatsapp.execute(DUE)
    assert await whatsapp.spine.value("select attempts from deliveries") <= 1
    assert (
        await whatsapp.spine.value(
            "select count(*) from outbox where type = 'delivery.queued' and available_at > now()"
        )
        == 2
    )


async def test_the_pace_holds_over_all_conversations_with_a_recipient_and_for_no_other(spine: Spine) -> None:
    async with transaction(spine.context.pool) as conn:
        assert await take_slot(conn, "whatsapp", CUSTOMER, pace_s=6) == 0
        assert 5 < await take_slot(conn, "whatsapp", CUSTOMER, pace_s=6) <= 6
        assert await take_slot(conn, "whatsapp", "+4930123456", pace_s=6) == 0
        await conn.execute(FREE)
        assert await take_slot(conn, "whatsapp", CUSTOMER, pace_s=6) == 0


async def test_recipients_who_got_nothing_for_a_day_are_forgotten(spine: Spine) -> None:
    async with transaction(spine.context.pool) as conn:
        for recipient, pace_s in ((CUSTOMER, 6), ("+4930123456", 60)):
            await take_slot(conn, "whatsapp", recipient, pace_s=pace_s)
        await conn.execute(
            "update recipient_slots set free_at = now() - interval '25 hours' where recipient = %s", (CUSTOMER,)
        )
    await Sweeper(spine.context).sweep(after_s=60)
    assert await spine.rows("select recipient from recipient_slots") == [("+4930123456",)]


async def test_of_many_workers_at_once_one_gets_the_slot(spine: Spine) -> None:
    async def take() -> float:
        async with transaction(spine.context.pool) as conn:
            return await take_slot(conn, "whatsapp", CUSTOMER, pace_s=60)

    waits = await asyncio.gather(*(take() for _ in range(8)))
    assert sorted(wait == 0 for wait in waits) == [False] * 7 + [True]


async def test_a_stop_between_two_parts_stops_the_second(whatsapp: WhatsApp) -> None:
    await queue(whatsapp, "one", "two")
    whatsapp.configure(pace_whatsapp_s=60)
    await send(whatsapp)
    async with crew(whatsapp.spine.context, ["relay", "intake"]):
        await whatsapp.writes("STOP")
        await whatsapp.until("select count(*) from consents")
    await whatsapp.execute(FREE)
    await whatsapp.execute(DUE)
    await send(whatsapp)
    assert "two" not in whatsapp.got
    assert await whatsapp.spine.value("select status from deliveries order by created_at limit 1") == "failed"


async def test_the_providers_retry_after_is_waited_for(whatsapp: WhatsApp) -> None:
    await queue(whatsapp, "one")
    whatsapp.fake.faults.add(CREATE, "429", method="POST", seconds=900)
    await send(whatsapp)
    wait_s = await whatsapp.spine.value("select extract(epoch from next_attempt_at - now())::float8 from deliveries")
    assert 890 < wait_s < 900 + 2 * 2


@pytest.mark.parametrize(
    ("attempt", "retry_after_s", "floor_s", "ceiling_s"),
    [(1, None, 0, 4), (4, None, 0, 32), (20, None, 0, 300), (1, 0.0, 0, 4), (1, 60.0, 60, 64), (1, 1e9, 3600, 3604)],
)
def test_pauses_have_full_jitter_above_what_the_provider_asked_for(attempt, retry_after_s, floor_s, ceiling_s) -> None:
    random.seed(5)
    delays = [retry_delay_s(attempt, retry_after_s) for _ in range(400)]
    assert floor_s <= min(delays) < floor_s + (ceiling_s - floor_s) * 0.1
    assert ceiling_s - (ceiling_s - floor_s) * 0.1 < max(delays) <= ceiling_s


class Hanging:
    """A provider that never answers, of a client without a time-out of its own."""

    channel = "web_form"

    async def read(self, event):
        return []

    async def send(self, outgoing: Outgoing) -> Receipt:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_provider_that_hangs_is_left_before_the_lease_ends_and_tried_again(spine: Spine) -> None:
    await spine.submit(QUESTION)
    async with crew(spine.context, ["relay", "intake", "agent"]):
        await spine.until(lambda: spine.value("select count(*) from deliveries"))
    worker = DeliveryWorker(replace(spine.context, adapters={"web_form": Hanging()}), send_timeout_s=0.01)
    await worker.handle(await event(spine))
    [(status, error, lease)] = await spine.rows("select status, last_error, lease_until from deliveries")
    assert (status, lease) == ("queued", None)
    assert "took too long" in error


async def test_what_fails_for_good_goes_to_a_person_and_the_next_message_follows(whatsapp: WhatsApp) -> None:
    whatsapp.fake.faults.add(CREATE, "error", method="POST", code=21211, status=400)
    async with crew(whatsapp.spine.context):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from reviews where rule = 'delivery.failed'")
    assert whatsapp.got == [], "no notice either: the channel has just refused this customer"


def test_only_a_channel_error_that_is_open_can_be_about_a_message_that_was_taken() -> None:
    assert not any(never_taken(ChannelError(code=code)) for code in (None, "timeout", "unreadable", "503", "500"))
    assert all(never_taken(ChannelError(code=code)) for code in ("429", "20429", "63018", "20003", "21610"))


async def send(whatsapp: WhatsApp) -> None:
    await DeliveryWorker(whatsapp.spine.context).handle(await event(whatsapp.spine))


async def event(spine: Spine):
    conversation = await spine.value("select id from conversations")
    [(topic, key, at)] = await spine.rows(
        "select topic, key, occurred_at from outbox where type = 'delivery.queued' order by id limit 1"
    )
    payload = {"conversation_id": str(conversation)}
    envelope = Envelope(id=str(new_id()), type="delivery.queued", key=key, occurred_at=at, trace={}, payload=payload)
    return Delivered(topic, 0, 0, attempt=1, envelope=envelope)
