"""A mail joins a conversation only when header and sender agree; otherwise it opens its own, which may be related."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from core.models import InboundEvent, InboundMessage, Sender
from crm.conversations import file_message
from crm.customers import recognise_customer
from crm.inbound import accept_event, load_event
from crm.pool import Pool, transaction

ADA, EVE = "ada@example.org", "eve@evil.example"


@dataclass
class Intake:
    """Files mail as the intake worker does; a mail's own id is `<name@example.org>`."""

    pool: Pool
    conversations: dict[str, UUID] = field(default_factory=dict)

    async def mail(
        self,
        name: str,
        *,
        sender: str = ADA,
        answers: str = "",
        thread: str = "t1",
        proved: bool = True,
        subject: str = "Hi",
    ) -> UUID:
        who = Sender("email", sender, "verified" if proved else "claimed")
        headers = {
            "message_id": f"<{name}@example.org>",
            "references": answers,
            "in_reply_to": answers,
            "thread_id": thread,
        }
        message = InboundMessage("email", who, "Hello?", "Hello?", name, subject, thread, headers=headers)
        async with transaction(self.pool) as conn:
            customer = await recognise_customer(conn, who)
            event = await self._event(conn, name)
            return (await file_message(conn, event, message, customer)).conversation_id

    async def _event(self, conn, name: str) -> InboundEvent:
        accepted = await accept_event(conn, channel="email", kind="message", source_key=name, body={}, key="box")
        event = await load_event(conn, accepted.event_id)
        assert event is not None
        return event

    async def related(self, conversation: UUID) -> UUID | None:
        async with transaction(self.pool) as conn:
            row = await (
                await conn.execute("select related_to from conversations where id = %s", [conversation])
            ).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def intake(pool: Pool) -> Intake:
    return Intake(pool)


async def test_an_answer_of_the_same_sender_joins_whatever_its_subject_and_gmails_thread_are(intake: Intake) -> None:
    first = await intake.mail("a")
    assert await intake.mail("b", answers="<a@example.org>") == first
    assert (
        await intake.mail("c", answers="<x@y.example> <a@example.org>", thread="t2", subject="Another thing") == first
    )


@pytest.mark.parametrize(("sender", "proved"), [(EVE, True), (ADA, False)], ids=["somebody else", "a forged sender"])
async def test_the_same_references_from_another_sender_open_a_conversation_that_names_the_first(
    intake: Intake, sender: str, proved: bool
) -> None:
    first = await intake.mail("a")
    other = await intake.mail("b", sender=sender, proved=proved, answers="<a@example.org>")
    assert other != first
    assert await intake.related(other) == first
    assert await intake.mail("c", sender=sender, proved=proved, answers="<b@example.org>") == other
    assert await intake.mail("d", answers="<a@example.org> <b@example.org>") == first


async def test_the_same_sender_in_gmails_thread_without_headers_opens_one_that_is_related(intake: Intake) -> None:
    first = await intake.mail("a")
    bare = await intake.mail("b")
    assert bare != first
    assert await intake.related(bare) == first


async def test_the_same_sender_in_another_thread_without_headers_is_unrelated(intake: Intake) -> None:
    await intake.mail("a")
    assert await intake.related(await intake.mail("b", thread="t2")) is None


async def test_headers_that_name_nothing_of_ours_relate_to_nothing(intake: Intake) -> None:
    await intake.mail("a")
    odd = f"<{uuid4()}@company.example> <no-brackets> <> not-an-id"
    assert await intake.related(await intake.mail("b", answers=odd, thread="t2")) is None


async def test_filing_a_mail_again_opens_nothing(intake: Intake) -> None:
    first = await intake.mail("a")
    assert await intake.mail("a") == first
    async with transaction(intake.pool) as conn:
        row = await (await conn.execute("select count(*) from conversations")).fetchone()
    assert row == (1,)
