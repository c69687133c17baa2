"""What no webhook told: missed messages, early, orphan and missed reports. Nothing is doubled, nothing stays open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from channels.whatsapp.status import StatusReport
from crm.pool import transaction
from crm.reconcile import reconciling
from tests.fixtures_whatsapp import CREATE, CUSTOMER, STATUS, WhatsApp
from workers.crew import crew
from workers.statuses import apply_report

QUESTION = "How do I change the card that my workspace is billed to?"
INBOUND = "/webhooks/whatsapp"
LATER = timedelta(days=1)


async def test_a_message_whose_webhook_never_came_is_answered_once(whatsapp: WhatsApp) -> None:
    reconciler = whatsapp.reconciler()
    assert await reconciler.find_missed(whatsapp.adapter) == 0
    await whatsapp.execute("update provider_cursors set read_until = now() - interval '1 hour'")
    whatsapp.fake.faults.add(INBOUND, "drop")
    await whatsapp.writes(QUESTION)
    await whatsapp.writes("thanks")
    assert await reconciler.find_missed(whatsapp.adapter) == 1
    assert await reconciler.find_missed(whatsapp.adapter) == 0
    async with crew(whatsapp.spine.context):
        await whatsapp.until("select count(*) = 2 from messages where direction = 'inbound' and outcome is not null")
        await whatsapp.until_got(1)
    sids = [message["sid"] for message in whatsapp.fake.messages if message["direction"] == "inbound"]
    assert {
        key for (key,) in await whatsapp.spine.rows("select source_key from inbound_events where kind = 'message'")
    } == set(sids)


async def test_the_webhook_that_comes_after_all_is_the_same_message(whatsapp: WhatsApp) -> None:
    reconciler = whatsapp.reconciler()
    await reconciler.find_missed(whatsapp.adapter)
    await whatsapp.execute("update provider_cursors set read_until = now() - interval '1 hour'")
    whatsapp.fake.faults.add(INBOUND, "reorder")
    await whatsapp.writes(QUESTION)
    await reconciler.find_missed(whatsapp.adapter)
    await whatsapp.writes("One more thing")  # lets the held webhook go out after it
    assert [status for url, status in whatsapp.fake.notifier.log if url.endswith(INBOUND)] == [200, 200]
    assert await whatsapp.spine.value("select count(*) from inbound_events where kind = 'message'") == 2


async def test_what_is_younger_than_the_grace_is_left_to_its_webhook_and_the_past_to_nobody(whatsapp: WhatsApp) -> None:
    whatsapp.fake.faults.add(INBOUND, "drop", times=2)
    await whatsapp.writes("before we were there")
    young = type(whatsapp.reconciler())(whatsapp.spine.context)
    assert await young.find_missed(whatsapp.adapter) == 0
    await whatsapp.execute("update provider_cursors set read_until = now() - interval '1 hour'")
    await whatsapp.writes("a moment ago")
    assert await young.find_missed(whatsapp.adapter) == 0
    assert await whatsapp.reconciler().find_missed(whatsapp.adapter) == 2


async def test_a_missed_message_brings_its_media(whatsapp: WhatsApp) -> None:
    whatsapp.fake.faults.add(INBOUND, "drop")
    await whatsapp.fake.customer_writes(CUSTOMER, "See", media=[("image/png", b"png")])
    [body] = await whatsapp.adapter.list_received(datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + LATER)
    body = await whatsapp.adapter.with_media(body)
    assert (body["NumMedia"], body["MediaContentType0"]) == ("1", "image/png")
    assert body["MediaUrl0"].startswith("https://api.twilio.com/2010-04-01/Accounts/")


async def test_a_send_that_nobody_reported_on_is_asked_about_until_its_fate_is_known(whatsapp: WhatsApp) -> None:
    whatsapp.fake.faults.add(STATUS, "drop", times=2)
    async with crew(whatsapp.spine.context):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from deliveries where status = 'sent'")
        await whatsapp.fake.notifier.settle()
        assert await whatsapp.reconciler().ask_for_statuses(whatsapp.adapter) == 0, "not old enough"
        await whatsapp.execute("update deliveries set sent_at = now() - interval '10 minutes'")
        assert await whatsapp.reconciler().ask_for_statuses(whatsapp.adapter) == 1
    assert await whatsapp.statuses() == [("assistant", "delivered")]
    assert await whatsapp.reconciler().ask_for_statuses(whatsapp.adapter) == 0


async def test_a_send_that_stays_sent_is_asked_about_less_and_less(whatsapp: WhatsApp) -> None:
    whatsapp.fake.faults.add(STATUS, "drop", times=2)
    async with crew(whatsapp.spine.context):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from deliveries where status = 'sent'")
    whatsapp.fake.sent[0]["status"] = "sent"
    asked = []
    for minutes in (4, 6, 8, 11, 15, 25, 60, 24 * 60 + 1):
        await age(whatsapp, minutes)
        asked.append(await whatsapp.reconciler().ask_for_statuses(whatsapp.adapter))
    assert asked == [0, 1, 0, 0, 1, 0, 1, 0]


async def age(whatsapp: WhatsApp, minutes: int) -> None:
    """Move the send so many minutes into the past, and the last question about it along."""
    await whatsapp.execute(
        "update deliveries set sent_at = now() - make_interval(mins => %s),"
        " asked_at = now() - make_interval(mins => %s) + (asked_at - sent_at)",
        minutes,
        minutes,
    )


async def test_a_report_that_comes_before_twilios_own_answer_settles_the_send(whatsapp: WhatsApp) -> None:
    whatsapp.fake.faults.add(CREATE, "timeout_after_accept", method="POST", seconds=3)
    async with crew(whatsapp.spine.context):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from deliveries where status = 'delivered'")
        await whatsapp.execute("update deliveries set next_attempt_at = now()")
    assert len(whatsapp.got) == 1


async def test_an_early_report_tells_a_retry_what_was_sent(whatsapp: WhatsApp) -> None:
    """Of two parts the first is on its way when we die: the report of it came, our note of it did not."""
    async with crew(whatsapp.spine.context, ["relay", "intake", "agent"]):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from deliveries")
    await whatsapp.execute(
        """update messages set parts = '["(1/2) One.", "(2/2) Two."]' where direction = 'outbound'"""
    )
    delivery = await whatsapp.spine.value("select id from deliveries")
    early = StatusReport("SMearly", "delivered", "delivered", delivery, 0, None, None)
    async with transaction(whatsapp.spine.context.pool) as conn:
        await apply_report(whatsapp.spine.context, conn, early)
    assert await whatsapp.statuses() == [("assistant", "queued")]
    async with crew(whatsapp.spine.context):
        await whatsapp.until("select count(*) from deliveries where status = 'delivered'")
    assert whatsapp.got == ["(2/2) Two."]


async def test_an_orphan_report_waits_and_is_joined_when_its_message_becomes_known(whatsapp: WhatsApp) -> None:
    async with crew(whatsapp.spine.context, ["relay", "intake", "agent"]):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from deliveries")
    async with transaction(whatsapp.spine.context.pool) as conn:
        for delivery in (None, uuid4()):
            orphan = StatusReport("SMorphan", "delivered", "delivered", delivery, None, None, None)
            await apply_report(whatsapp.spine.context, conn, orphan)
    assert await whatsapp.spine.value("select count(*) from provider_reports where delivery_id is null") == 1
    await whatsapp.execute(
        """update deliveries set progress = '{"pending": {"part": 0, "since": "2020-01-01T00:00:00Z"}}'"""
    )
    body = await whatsapp.spine.value("select parts ->> 0 from messages where direction = 'outbound'")
    recipient = await whatsapp.spine.value("select recipient from deliveries")
    message = whatsapp.fake._store(whatsapp.fake.number, f"whatsapp:{recipient}", body, "outbound-api", "sent")
    message["sid"] = "SMorphan"
    async with crew(whatsapp.spine.context):
        await whatsapp.until("select count(*) from deliveries where status = 'delivered'")
    assert len(whatsapp.got) == 1
    assert await whatsapp.spine.value("select count(*) from provider_reports where delivery_id is null") == 0


async def test_a_failure_that_is_reported_later_goes_to_a_person(whatsapp: WhatsApp) -> None:
    whatsapp.fake.faults.add(STATUS, "drop", times=2)
    async with crew(whatsapp.spine.context):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from deliveries where status = 'sent'")
        whatsapp.fake.sent[0] |= {"status": "undelivered", "error_code": 30003, "error_message": "Unreachable handset"}
        await whatsapp.execute("update deliveries set sent_at = now() - interval '10 minutes'")
        await whatsapp.reconciler().ask_for_statuses(whatsapp.adapter)
        await whatsapp.until("select count(*) from reviews where rule = 'delivery.failed'")
    assert "30003" in await whatsapp.spine.value("select evidence from reviews")


async def test_reports_twice_and_in_the_wrong_order_change_nothing(whatsapp: WhatsApp) -> None:
    whatsapp.fake.faults.add(STATUS, "reorder")
    whatsapp.fake.faults.add(STATUS, "duplicate")
    async with crew(whatsapp.spine.context):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from deliveries where status = 'delivered'")
        await whatsapp.fake.notifier.settle()
        await whatsapp.until("select count(*) = 0 from inbound_events where status = 'accepted'")
    assert await whatsapp.statuses() == [("assistant", "delivered")]


async def test_one_process_asks_at_a_time(whatsapp: WhatsApp) -> None:
    async with reconciling(whatsapp.spine.context.pool) as first, reconciling(whatsapp.spine.context.pool) as second:
        assert (first, second) == (True, False)
