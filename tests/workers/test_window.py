"""The 24 hours of WhatsApp: known in the moment of sending; after them a template, or a person who sees why."""

from __future__ import annotations

import pytest

from crm.ledger import read_ledger
from crm.metrics import list_channel_metrics
from crm.pool import transaction
from tests.fixtures_whatsapp import CUSTOMER, WhatsApp
from workers.crew import crew

QUESTION = "How do I change the card that my workspace is billed to?"
TEMPLATE = "Hello, here is our answer: {{1}} Write to us here if you need more."
ADDRESS = f"whatsapp:{CUSTOMER}"


async def answer_late(whatsapp: WhatsApp) -> None:
    """A question, and an answer that is stored when the 24 hours are over."""
    async with crew(whatsapp.spine.context, ["relay", "intake"]):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from messages")
    await whatsapp.execute("update messages set sent_at = now() - interval '24 hours 1 minute'")


def approve_template(whatsapp: WhatsApp) -> None:
    whatsapp.fake.templates["HX1"] = TEMPLATE
    whatsapp.configure(twilio_template_sid="HX1", twilio_template_text=TEMPLATE)


async def test_after_the_window_no_text_is_tried_and_a_person_sees_the_reason(whatsapp: WhatsApp) -> None:
    await answer_late(whatsapp)
    async with crew(whatsapp.spine.context):
        await whatsapp.until("select count(*) from reviews")
    assert whatsapp.got == []
    assert await whatsapp.statuses() == [("assistant", "failed")]
    assert "24 hours" in await whatsapp.spine.value("select evidence from reviews where rule = 'delivery.failed'")


async def test_after_the_window_an_approved_template_carries_the_answer_and_is_stored_as_it_was_sent(
    whatsapp: WhatsApp,
) -> None:
    approve_template(whatsapp)
    await answer_late(whatsapp)
    whatsapp.fake.outside_window.add(ADDRESS)
    async with crew(whatsapp.spine.context):
        [got] = await whatsapp.until_got(1)
        await whatsapp.until("select count(*) from deliveries where status = 'delivered'")
    assert got.startswith("Hello, here is our answer: ")
    assert "Replace card" in got
    assert (
        await whatsapp.spine.value("select body from messages where kind = 'message' and direction = 'outbound'") == got
    )
    assert await whatsapp.statuses() == [("assistant", "failed"), ("assistant", "delivered")]
    assert await whatsapp.spine.value("select count(*) from deliveries where replaced_by is not null") == 1
    assert await whatsapp.spine.value("select count(*) from reviews") == 0
    async with transaction(whatsapp.spine.context.pool) as conn:
        books = await read_ledger(conn)
        [_, figures, _] = await list_channel_metrics(conn)
    assert (books.balanced, books.failed_deliveries, figures.failures) == (True, 0, 0)


@pytest.mark.parametrize("inline", [True, False], ids=["refused at once", "reported later"])
async def test_twilios_own_word_that_the_window_is_closed_is_met_the_same_way(whatsapp: WhatsApp, inline: bool) -> None:
    approve_template(whatsapp)
    async with crew(whatsapp.spine.context, ["relay", "intake"]):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from messages")
    whatsapp.fake.inline_63016 = inline
    whatsapp.fake.outside_window.add(ADDRESS)
    async with crew(whatsapp.spine.context):
        await whatsapp.until("select count(*) from deliveries where status = 'delivered'")
    assert await whatsapp.statuses() == [("assistant", "failed"), ("assistant", "delivered")]
    assert whatsapp.got[-1].startswith("Hello, here is our answer: ")


async def test_without_a_template_a_late_report_that_the_window_is_closed_goes_to_a_person(whatsapp: WhatsApp) -> None:
    async with crew(whatsapp.spine.context, ["relay", "intake"]):
        await whatsapp.writes(QUESTION)
        await whatsapp.until("select count(*) from messages")
    whatsapp.fake.outside_window.add(ADDRESS)
    async with crew(whatsapp.spine.context):
        await whatsapp.until("select count(*) from reviews where rule = 'delivery.failed'")
    assert "63016" in await whatsapp.spine.value("select evidence from reviews")


async def test_a_template_that_is_refused_too_goes_to_a_person(whatsapp: WhatsApp) -> None:
    approve_template(whatsapp)
    whatsapp.fake.templates["HX1"] = "Another text that was approved"
    await answer_late(whatsapp)
    async with crew(whatsapp.spine.context):
        await whatsapp.until("select count(*) from reviews where rule = 'delivery.failed'")
    assert whatsapp.got == []
    assert await whatsapp.statuses() == [("assistant", "failed"), ("assistant", "failed")]
