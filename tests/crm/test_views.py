from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from core.errors import NotFound
from core.ids import new_ticket_id
from crm.inbound import accept_event
from crm.pool import Pool, transaction
from crm.views import find_customers, get_conversation_view, get_ticket_page
from tests.crm.story import START, Story

SUBMISSION = {
    "name": "Ada Osei",
    "email": "ada@example.com",
    "subject": "Exports stop",
    "category": "technical",
    "priority": "high",
    "message": "Since this morning my exports stop.",
}


async def test_a_ticket_can_be_read_before_intake_has_run(pool: Pool) -> None:
    ticket_id = new_ticket_id()
    async with transaction(pool) as conn:
        await accept_event(
            conn, channel="web_form", kind="message", source_key="k", body=SUBMISSION, key="k", ticket_id=ticket_id
        )
    async with transaction(pool) as conn:
        page = await get_ticket_page(conn, ticket_id)
    assert (page.ticket.status, page.ticket.subject, page.ticket.priority) == ("open", "Exports stop", "high")
    assert [(m.author, m.body) for m in page.messages] == [("customer", "Since this morning my exports stop.")]


@pytest.mark.parametrize("delivery", ["queued", "sending", "failed"])
async def test_a_reply_is_not_shown_before_it_is_delivered(pool: Pool, delivery: str) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        await story.wrote("Why?")
        await story.replied("Because.", await story.turn(), delivery=delivery)
        page = await get_ticket_page(conn, story.ticket_id)
    assert [m.body for m in page.messages] == ["Why?"]


@pytest.mark.parametrize("delivery", ["sent", "delivered", "read"])
async def test_a_delivered_reply_is_shown_with_each_source_once(pool: Pool, delivery: str) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        await story.wrote("Why?")
        reply = await story.replied("Because.", await story.turn(), delivery=delivery)
        await story.cited(reply, "Limits", "https://docs.example.com/limits", 1)
        await story.cited(reply, "Exports", None, 0)
        await story.cited(reply, "Limits", "https://docs.example.com/limits", 2)
        page = await get_ticket_page(conn, story.ticket_id)
    assert [m.author for m in page.messages] == ["customer", "assistant"]
    assert page.messages[1].sources == [
        {"title": "Exports", "url": None},
        {"title": "Limits", "url": "https://docs.example.com/limits"},
    ]


async def test_messages_of_another_ticket_in_the_same_conversation_stay_hidden(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin(status="closed")
        await story.wrote("The first matter.")
        first, story.ticket_id = story.ticket_id, new_ticket_id()
        await conn.execute(
            "insert into tickets (id, conversation_id, customer_id, channel) values (%s, %s, %s, 'web_form')",
            (story.ticket_id, story.conversation_id, story.customer_id),
        )
        await story.wrote("The second matter.")
        assert [m.body for m in (await get_ticket_page(conn, first)).messages] == ["The first matter."]


async def test_an_automatic_message_is_not_shown_on_the_ticket_page(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn, "email").begin()
        await story.wrote("Undelivered mail returned to sender", automatic="bounce", outcome="silent")
        assert (await get_ticket_page(conn, story.ticket_id)).messages == []


@pytest.mark.parametrize("ticket_id", ["", "tkt_", "tkt_" + "x" * 22, "1", "tkt_" + "\x00" * 22, "' or 1=1 --"])
async def test_unknown_and_malformed_ticket_ids_are_the_same_error(pool: Pool, ticket_id: str) -> None:
    async with transaction(pool) as conn:
        with pytest.raises(NotFound, match="There is no such ticket") as caught:
            await get_ticket_page(conn, ticket_id)
    assert caught.value.ids == {}


async def test_a_conversation_is_read_page_by_page_from_the_newest(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        for number in range(5):
            await story.wrote(f"Message {number}", at=START + timedelta(minutes=number))
        seen, before = [], None
        while True:
            view = await get_conversation_view(conn, story.conversation_id, limit=2, before=before)
            seen = [m.body for m in view.messages] + seen
            before = view.next_before
            if before is None:
                break
    assert seen == [f"Message {number}" for number in range(5)]
    assert [t.ticket_id for t in view.tickets] == [story.ticket_id]
    assert view.conversation.customer_name == "Ada Osei"


async def test_a_conversation_shows_what_the_customer_does_not_see(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        turn_id = await story.turn()
        await story.wrote("Why?", turn_id=turn_id, sentiment=0.4, outcome="answered", outcome_reason="grounded")
        await story.replied("Because.", turn_id, delivery="queued")
        view = await get_conversation_view(conn, story.conversation_id)
    assert [(m.outcome_reason, m.delivery_status) for m in view.messages] == [("grounded", None), (None, "queued")]


async def test_an_unknown_conversation_is_not_found(pool: Pool) -> None:
    async with transaction(pool) as conn:
        with pytest.raises(NotFound):
            await get_conversation_view(conn, uuid4())


async def test_the_proved_owner_of_an_address_comes_before_the_one_who_claimed_it(pool: Pool) -> None:
    async with transaction(pool) as conn:
        claimed = await Story(conn).begin(name="Mallory")
        await claimed.identify("email", "ada@example.com", "claimed")
        proved = await Story(conn, "email").begin(name="Ada Osei")
        await proved.identify("email", "ada@example.com", "verified")
        await proved.identify("phone", "+491701234567", "confirmed")
        found = await find_customers(conn, "email", " ADA@example.com ")
    assert [(c.name, c.evidence) for c in found] == [("Ada Osei", "verified"), ("Mallory", "claimed")]
    assert [(i.kind, i.value) for i in found[0].identifiers] == [
        ("email", "ada@example.com"),
        ("phone", "+491701234567"),
    ]
    assert [c.ticket_id for c in found[0].conversations] == [proved.ticket_id]
    assert [c.ticket_id for c in found[1].conversations] == [claimed.ticket_id]


async def test_an_unknown_address_finds_nobody(pool: Pool) -> None:
    async with transaction(pool) as conn:
        assert await find_customers(conn, "phone", "+491701234567") == []
