"""A reply to the form goes to the ticket page and by mail: to the typed address, and nothing but the reply."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crm.pool import transaction
from tests.fixtures_spine import Spine
from tests.workers.conftest import Post
from workers.crew import crew

pytestmark = pytest.mark.real
QUESTION = "How do I change the card that my workspace is billed to?"
ADA = "ada@example.org"


async def test_a_reply_goes_to_the_page_and_by_mail_with_a_link_to_the_ticket(post: Post) -> None:
    ticket = await post.spine.submit(QUESTION, subject="BUY PILLS at pills.example")
    async with crew(post.spine.context):
        await post.spine.until_status(ticket, "resolved")
        await post.settle()
    rows = await post.spine.rows("select channel, status, recipient from deliveries order by channel")
    assert rows == [("email", "sent", ADA), ("web_form", "delivered", ADA)]
    [mail] = post.sent_to(ADA)
    body = await post.spine.value("select body from messages where direction = 'outbound'")
    assert mail["text"].startswith(body.rstrip())
    assert f"https://help.example/support/ticket/{ticket}" in mail["text"]
    assert "pills" not in (mail["subject"] + mail["text"]).lower()
    # Law 9: what the delivery stores is what went out.
    assert mail["text"] == await post.spine.value("select parts ->> 0 from deliveries where channel = 'email'")


async def test_a_notice_stays_on_the_page_and_a_persons_answer_is_mailed(post: Post) -> None:
    await post.spine.submit("I want a refund for last month, please give me my money back.")
    async with crew(post.spine.context):
        await post.settle()
    assert post.sent_to(ADA) == []
    assert await post.spine.value("select count(*) from deliveries") == 1


async def test_the_form_mails_an_address_so_often_a_day_and_answers_all_the_same(post: Post) -> None:
    settings = post.spine.context.settings.model_copy(update={"form_mails_per_day": 2})
    limited = Spine(replace(post.spine.context, settings=settings), post.spine.mind)
    tickets = [await limited.submit(QUESTION) for _ in range(5)]
    async with crew(limited.context):
        for ticket in tickets:
            await limited.until_status(ticket, "resolved")
        await post.settle()
    assert len(post.sent_to(ADA)) == 2
    assert (
        await limited.value("select count(*) from deliveries where channel = 'web_form' and status = 'delivered'") == 5
    )


async def test_a_copy_that_cannot_be_sent_disturbs_neither_the_page_nor_a_person(post: Post) -> None:
    post.fake.faults.add("*/drafts", "error", times=9, status=400)
    ticket = await post.spine.submit(QUESTION)
    async with crew(post.spine.context):
        await post.spine.until_status(ticket, "resolved")
        await post.settle()
    assert await post.spine.rows("select channel, status from deliveries order by channel") == [
        ("email", "failed"),
        ("web_form", "delivered"),
    ]
    assert await post.spine.value("select count(*) from reviews") == 0


async def test_a_copy_that_waits_holds_up_no_later_message_of_the_page(post: Post) -> None:
    post.fake.faults.add("*/drafts", "429", times=9, seconds=300)
    ticket = await post.spine.submit(QUESTION)
    async with crew(post.spine.context):
        await post.spine.until_status(ticket, "resolved")
        await post.spine.until(lambda: post.spine.value("select count(*) from deliveries where last_error is not null"))
        async with transaction(post.spine.context.pool) as conn:
            await conn.execute(
                """with reply as (
                       insert into messages (conversation_id, customer_id, ticket_id, turn_id, channel, direction, author, body,
                                             parts, owner_epoch)
                       select conversation_id, customer_id, ticket_id, turn_id, channel, direction, author, 'One more thing.',
                              parts, owner_epoch from messages where direction = 'outbound' returning id, channel)
                   insert into deliveries (message_id, channel, recipient) select id, channel, 'x' from reply"""
            )
            await conn.execute("update outbox set published_at = null where type = 'delivery.queued'")
        await post.spine.until(
            lambda: post.spine.value(
                "select count(*) = 2 from deliveries where channel = 'web_form' and sent_at > '-infinity'"
            )
        )


async def test_what_the_customer_answers_to_the_mail_is_a_conversation_of_its_own_that_names_the_forms(
    post: Post,
) -> None:
    await post.spine.submit(QUESTION)
    async with crew(post.spine.context):
        await post.settle()
        [mail] = post.sent_to(ADA)
        await post.receive(
            ADA, "Re: Your question", "Thanks. And how do I download an invoice?", in_reply_to=mail["message-id"]
        )
        await post.settle()
    form, answer = await post.spine.rows("select id, related_to, channel from conversations order by created_at")
    assert (form[1], form[2], answer[1], answer[2]) == (None, "web_form", form[0], "email")
