"""A reply that came back: its delivery has failed, a person knows, and nobody writes to that address again."""

from __future__ import annotations

import pytest

from tests.channels.test_email_bounce import report
from tests.workers.conftest import Post
from workers.crew import crew

pytestmark = pytest.mark.real
ADA = "ada@example.org"
QUESTION = "How do I change the card that my workspace is billed to?"


async def bounce(post: Post, **changes: str) -> None:
    """Of the last mail to Ada."""
    original = f"Message-ID: {post.sent_to(ADA)[-1]['message-id']}\r\n"
    post.fake.deliver(report(original=original, **changes))
    await post.channel.sync()
    await post.settle()


async def test_a_reply_that_came_back_goes_to_a_person_and_nothing_more_is_sent(post: Post) -> None:
    await post.receive(ADA, "Question", QUESTION)
    async with crew(post.spine.context):
        await post.settle()
        await bounce(post)
        await post.spine.until(lambda: post.spine.value("select count(*) from reviews"))
        await bounce(post)
    assert await post.spine.rows("select status, last_error from deliveries") == [("failed", "bounced 5.1.1")]
    assert await post.spine.rows("select reason, rule, evidence, version from reviews") == [
        ("system_error", "delivery.failed", "bounced 5.1.1", 1)
    ]
    assert len(post.sent_to(ADA)) == 1
    related = await post.spine.value("select count(*) from conversations where related_to is not null")
    assert related == 2
    assert (
        await post.spine.value("select count(*) from messages where outcome_reason = 'auto_reply:delivery_report'") == 2
    )


async def test_a_delay_is_no_failure(post: Post) -> None:
    await post.receive(ADA, "Question", QUESTION)
    async with crew(post.spine.context):
        await post.settle()
        await bounce(post, action="delayed", status="4.4.1")
    assert await post.spine.value("select status from deliveries") == "sent"
    assert await post.spine.value("select count(*) from reviews") == 0


async def test_a_copy_of_a_forms_reply_that_came_back_bothers_nobody(post: Post) -> None:
    await post.spine.submit(QUESTION)
    async with crew(post.spine.context):
        await post.settle()
        await bounce(post)
    assert await post.spine.rows("select channel, status from deliveries order by channel") == [
        ("email", "failed"),
        ("web_form", "delivered"),
    ]
    assert await post.spine.value("select count(*) from reviews") == 0
