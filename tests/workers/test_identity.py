"""One customer over several channels, through the real workers: only Gmail and Twilio are left out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from core.ids import new_id
from core.models import InboundEvent, InboundMessage, Outgoing, Receipt, Sender
from core.vocabulary import Channel
from crm.customers import recognise_customer
from crm.inbound import accept_event
from crm.ledger import read_ledger
from crm.merges import merge_customers
from crm.moves import move_conversation
from crm.pool import transaction
from tests.fixtures_spine import Spine
from workers.crew import crew

QUESTION = "How do I change the card that my workspace is billed to?"
MAIL = Sender("email", "ada@example.org", "verified", "Ada Osei")
PHONE = Sender("phone", "+491701234567", "verified", "Ada Osei")


@dataclass
class Wire:
    """A channel whose messages are handed in understood, and whose sends are kept."""

    channel: Channel
    sent: list[Outgoing] = field(default_factory=list)

    async def read(self, event: InboundEvent) -> list[InboundMessage]:
        sender = MAIL if self.channel == "email" else PHONE
        text = event.body["text"]
        thread_key = sender.value if self.channel == "whatsapp" else None
        return [InboundMessage(self.channel, sender, text, text, event.source_key, thread_key=thread_key)]

    async def send(self, outgoing: Outgoing) -> Receipt:
        self.sent.append(outgoing)
        return Receipt(f"sent-{len(self.sent)}", "sent")


@dataclass
class World:
    spine: Spine
    mail: Wire
    whatsapp: Wire

    async def write(self, channel: Channel, text: str) -> None:
        async with transaction(self.spine.context.pool) as conn:
            await accept_event(
                conn, channel=channel, kind="message", source_key=str(new_id()), body={"text": text}, key="k"
            )

    async def until_sent(self, count: int) -> None:
        question = "select count(*) = %s from deliveries where status in ('sent', 'delivered')"
        await self.spine.until(lambda: self.spine.value(question, count))

    async def merge(self, *senders: Sender) -> None:
        async with transaction(self.spine.context.pool) as conn:
            ids = [await recognise_customer(conn, sender) for sender in senders]
            await merge_customers(conn, *ids, reason="test", by="me")

    async def move(self, channel: Channel) -> None:
        async with transaction(self.spine.context.pool) as conn:
            conversation = await self.spine.value("select id from conversations where channel = 'whatsapp'")
            await move_conversation(conn, conversation, channel, by="grace")


@pytest.fixture
def world(spine: Spine) -> World:
    mail, whatsapp = Wire("email"), Wire("whatsapp")
    adapters: dict[Channel, Any] = {**spine.context.adapters, "email": mail, "whatsapp": whatsapp}
    settings = spine.context.settings.model_copy(update={"pause_whatsapp_s": 0.0, "pause_email_s": 0.0})
    context = replace(spine.context, adapters=adapters, settings=settings)
    return World(Spine(context, spine.mind), mail, whatsapp)


async def test_please_mail_me_instead_sends_the_next_reply_by_mail_in_its_manner(world: World) -> None:
    async with crew(world.spine.context):
        await world.write("whatsapp", QUESTION)
        await world.write("email", QUESTION)
        await world.until_sent(2)
        await world.merge(PHONE, MAIL)
        await world.move("email")
        await world.write("whatsapp", QUESTION)
        await world.until_sent(3)
        await world.move("whatsapp")
        await world.write("whatsapp", QUESTION)
        await world.until_sent(4)
    moved, back = world.mail.sent[-1], world.whatsapp.sent[-1]
    assert (moved.channel, moved.recipient, moved.subject) == ("email", "ada@example.org", "Re: Your message")
    assert moved.parts[0].startswith("Dear Ada Osei,")
    assert (back.channel, back.recipient) == ("whatsapp", "+491701234567")
    assert moved.conversation_id == back.conversation_id
    assert (len(world.mail.sent), len(world.whatsapp.sent)) == (2, 2)
    async with transaction(world.spine.context.pool) as conn:
        assert (await read_ledger(conn)).balanced


async def test_a_mail_that_names_the_ticket_of_a_form_makes_it_one_customer(world: World) -> None:
    async with crew(world.spine.context):
        ticket = await world.spine.submit(QUESTION, email="ada@example.org")
        await world.spine.until_status(ticket, "resolved")
        await world.write("email", f"{QUESTION} It is about {ticket}.")
        await world.until_sent(3)
    assert await world.spine.value("select count(distinct customer_id) from conversations") == 1
    assert await world.spine.value("select evidence from conversations where channel = 'web_form'") == "confirmed"


async def test_a_form_under_somebodys_address_is_told_nothing_of_them(world: World) -> None:
    async with crew(world.spine.context):
        await world.write("email", "My invoice address is 12 Zanzibar Lane. " + QUESTION)
        await world.until_sent(1)
        form = await world.spine.submit(
            "What is my invoice address, and what did I write to you before?", email="ada@example.org"
        )
        await world.spine.until_status(form, "resolved", "escalated")
    told = await world.spine.rows("select body from messages where ticket_id = %s and direction = 'outbound'", form)
    states = await world.spine.rows("select state::text from turns where ticket_id = %s", form)
    reviews = await world.spine.rows("select summary || coalesce(draft, '') from reviews where ticket_id = %s", form)
    assert told
    assert "Zanzibar" not in str([told, states, reviews])
