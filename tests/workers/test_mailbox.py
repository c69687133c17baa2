"""The mailbox looks after itself: the watch is renewed, what no push announced is found, a lost permission is said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from channels.email.gmail import GmailApi, GmailConfig, oauth_credentials
from crm.mailboxes import MailboxState, find_mailbox
from crm.pool import transaction
from tests.workers.conftest import Post
from workers.crew import crew
from workers.mailbox import MailboxKeeper

pytestmark = pytest.mark.real
ADA = "ada@example.org"
QUESTION = "How do I change the card that my workspace is billed to?"
TOPIC = "projects/p/topics/t"


def keeper_of(post: Post, **settings: Any) -> MailboxKeeper:
    return MailboxKeeper(_with(post, {"gmail_topic": TOPIC, "gmail_check_interval_s": 3600.0, **settings}))


def _with(post: Post, settings: Mapping[str, Any]):
    return replace(post.spine.context, settings=post.spine.context.settings.model_copy(update=settings))


async def state_of(post: Post) -> MailboxState:
    async with transaction(post.spine.context.pool) as conn:
        state = await find_mailbox(conn, post.channel.address)
    assert state is not None
    return state


async def sql(post: Post, assignment: str) -> None:
    async with transaction(post.spine.context.pool) as conn:
        await conn.execute(f"update mailboxes set {assignment}")  # pyright: ignore[reportArgumentType]


async def test_the_watch_is_set_at_the_first_check_and_renewed_when_a_day_of_it_is_gone(post: Post) -> None:
    keeper = keeper_of(post)
    assert await keeper.check(post.channel)
    first = (await state_of(post)).watch_expires_at
    assert first is not None
    assert [watch["topicName"] for watch in post.fake.watches] == [TOPIC]
    await sql(post, "next_check_at = now()")
    assert await keeper.check(post.channel)
    assert len(post.fake.watches) == 1
    await sql(post, "next_check_at = now(), watch_expires_at = watch_expires_at - interval '25 hours'")
    assert await keeper.check(post.channel)
    assert len(post.fake.watches) == 2
    renewed = (await state_of(post)).watch_expires_at
    assert renewed is not None
    assert renewed >= first


async def test_what_came_after_a_watch_had_ended_is_found_when_it_is_renewed(post: Post) -> None:
    keeper = keeper_of(post)
    await keeper.check(post.channel)
    assert post.fake.watching
    post.fake.watch_ends = 0.0  # as if the product had been off for more than seven days
    post.fake.mailbox.forget_history()
    await sql(post, "next_check_at = now(), watch_expires_at = now() - interval '1 day'")
    mail = post.fake.customer_writes(ADA, "Question", QUESTION)
    await keeper.check(post.channel)
    assert post.fake.watching
    assert await post.spine.rows("select source_key from inbound_events where kind = 'message'") == [(mail.id,)]


async def test_without_a_topic_there_is_no_watch_and_mail_is_found_all_the_same(post: Post) -> None:
    post.fake.customer_writes(ADA, "Question", QUESTION)
    await keeper_of(post, gmail_topic=None).check(post.channel)
    assert post.fake.watches == []
    assert await post.spine.value("select count(*) from inbound_events where kind = 'message'") == 1


async def test_mail_that_no_push_announced_is_found_and_answered(post: Post) -> None:
    context = _with(post, {"gmail_check_interval_s": 0.1})
    async with crew(context):
        await post.spine.until(lambda: post.spine.value("select count(synced_at) from mailboxes"))
        post.fake.customer_writes(ADA, "Question", QUESTION)

        async def answered() -> bool:
            return bool(post.sent_to(ADA))

        await post.spine.until(answered)
        await post.settle()
    assert len(post.sent_to(ADA)) == 1


async def test_of_many_keepers_one_checks(post: Post) -> None:
    keepers = [keeper_of(post) for _ in range(5)]
    assert sorted(await asyncio.gather(*(keeper.check(post.channel) for keeper in keepers))) == [False] * 4 + [True]
    assert len(post.fake.watches) == 1


async def test_a_lost_permission_is_said_asked_for_seldom_and_forgotten_when_it_is_back(post: Post) -> None:
    keeper = keeper_of(post, gmail_check_interval_s=0.1)
    post.fake.login.accept_refresh = False
    asked = post.fake.login.asked
    assert await keeper.check(post.channel)
    state = await state_of(post)
    assert state.reauth_since is not None
    assert "fte gmail auth" in (state.last_error or "")
    # The next check is put off, and whoever asks meanwhile is refused without asking Google.
    assert not await keeper.check(post.channel)
    await sql(post, "next_check_at = now()")
    assert await keeper.check(post.channel)
    assert post.fake.login.asked == asked + 1
    assert (await state_of(post)).failures == 2
    post.fake.login.accept_refresh = True
    mail = post.fake.customer_writes(ADA, "Question", QUESTION)
    await sql(post, "next_check_at = now()")
    assert await keeper.check(await reconnected(post))
    state = await state_of(post)
    assert (state.reauth_since, state.failures, state.last_error) == (None, 0, None)
    assert await post.spine.rows("select source_key from inbound_events where kind = 'message'") == [(mail.id,)]


async def test_a_mailbox_without_permission_stops_no_other_channel_and_loses_no_mail(post: Post) -> None:
    await post.receive(ADA, "Question", QUESTION)
    post.fake.login.accept_refresh = False
    post.fake.login.forget_tokens()
    ticket = await post.spine.submit(QUESTION, email="bo@example.org")
    async with crew(post.spine.context):
        await post.spine.until_status(ticket, "resolved")
    assert await post.spine.value("select status from inbound_events where channel = 'email'") == "accepted"
    assert await post.spine.value("select count(*) from dead_letters") == 0


async def test_a_busy_gmail_is_left_alone_as_long_as_it_asks(post: Post) -> None:
    post.fake.faults.add("*/profile", "429", seconds=900)
    assert await keeper_of(post, gmail_check_interval_s=1.0).check(post.channel)
    wait = await post.spine.value("select extract(epoch from next_check_at - now())::float8 from mailboxes")
    assert wait > 800
    assert (await state_of(post)).reauth_since is None


async def test_a_watch_that_is_refused_is_said_and_stops_no_check(post: Post) -> None:
    post.fake.faults.add("*/watch", "error", status=403)
    post.fake.customer_writes(ADA, "Question", QUESTION)
    assert await keeper_of(post).check(post.channel)
    state = await state_of(post)
    assert "watch" in (state.last_error or "")
    assert (state.reauth_since, state.watch_expires_at) == (None, None)
    assert await post.spine.value("select count(*) from inbound_events where kind = 'message'") == 1


async def reconnected(post: Post):
    """The channel as a new process has it: with a permission, and no memory of a refusal."""
    login = post.fake.login
    config = GmailConfig(post.channel.address, post.channel._gmail._config.base_url)
    credentials = oauth_credentials(
        client_id=login.client_id,
        client_secret=login.client_secret,
        refresh_token=login.refresh_token,
        token_url=f"{config.base_url}/token",
    )
    post.channel._gmail = GmailApi(config, credentials)
    return post.channel
