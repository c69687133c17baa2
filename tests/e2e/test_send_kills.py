"""kill -9 at every step around a send: what the providers got is counted at the providers, and each got it once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from core.settings import PROJECT_ROOT
from core.vocabulary import Channel
from crm.pool import Pool, transaction
from simulation.gmail import GmailFake
from simulation.serve import serve
from simulation.twilio import TwilioFake
from tests.crm.story import Story

pytestmark = [pytest.mark.slow, pytest.mark.real]

RUNS = 200
# The dead process's lease runs out, and the pause after a failure ends.
LATER = "update deliveries set lease_until = null, next_attempt_at = now() where status in ('queued', 'sending')"
KINDS = {"email": "email", "whatsapp": "phone"}


class Senders:
    """Processes that deliver one conversation each."""

    def __init__(self, zygote: asyncio.subprocess.Process, dsn: str, settings: dict[str, Any]) -> None:
        self._zygote, self._dsn, self._settings = zygote, dsn, settings

    async def deliver(self, conversation_id: UUID, kill_at: int | None = None) -> dict[str, Any]:
        """{killed, steps}: whether the process died, and how many steps it took if it did not."""
        job = {"dsn": self._dsn, "settings": self._settings, "conversation_id": str(conversation_id)}
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(json.dumps({**job, "kill_at": kill_at}).encode() + b"\n")
        ended = json.loads(await self._zygote.stdout.readline())
        assert ended["killed"] or ended["steps"], "the sender failed"
        return ended


@asynccontextmanager
async def senders(dsn: str, settings: dict[str, Any]) -> AsyncIterator[Senders]:
    zygote = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.sender",
        cwd=PROJECT_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Senders(zygote, dsn, settings)
    finally:
        assert zygote.stdin is not None
        zygote.stdin.close()
        await zygote.wait()


async def store_reply(pool: Pool, channel: Channel, recipient: str, parts: list[str]) -> UUID:
    """A conversation whose customer wrote just now, with a reply that is stored and not sent."""
    async with transaction(pool) as conn:
        story = await Story(conn, channel).begin()
        await story.identify(KINDS[channel], recipient, "verified")
        turn = await story.turn()
        await story.wrote("Why?", turn_id=turn, outcome="answered")
        message = await story.replied("\n".join(parts), turn, delivery="queued")
        await conn.execute("update messages set sent_at = now() where direction = 'inbound' and turn_id = %s", [turn])
        await conn.execute("update messages set parts = %s::jsonb where id = %s", [json.dumps(parts), message])
        await conn.execute("update deliveries set recipient = %s where message_id = %s", [recipient, message])
        await conn.execute(
            "update conversations set thread = jsonb_build_object('recipient', %s::text) where id = %s",
            [recipient, story.conversation_id],
        )
    return story.conversation_id


async def send_through_a_kill(pool: Pool, processes: Senders, conversation_id: UUID, kill_at: int) -> bool:
    """Whether the kill met work; later processes finish what it left."""
    killed = (await processes.deliver(conversation_id, kill_at))["killed"]
    while await unsent(pool):
        await processes.deliver(conversation_id)
    return killed


async def unsent(pool: Pool) -> int:
    """How much there is to send; it is due now."""
    async with transaction(pool) as conn:
        return (await conn.execute(LATER)).rowcount


async def test_each_of_200_replies_is_sent_once_through_a_kill_at_every_step(pool: Pool, db: str) -> None:
    gmail, twilio = GmailFake(), TwilioFake()
    async with serve(gmail.app()) as google, serve(twilio.app()) as api:
        settings = {
            "gmail_address": gmail.mailbox.address,
            "gmail_client_id": gmail.login.client_id,
            "gmail_client_secret": gmail.login.client_secret,
            "gmail_refresh_token": gmail.login.refresh_token,
            "gmail_token_url": f"{google}/token",
            "gmail_base_url": google,
            "gmail_push_audience": "a",
            "gmail_push_service_account": "s",
            "gmail_push_subscription": "p",
            "twilio_account_sid": twilio.account_sid,
            "twilio_auth_token": twilio.auth_token,
            "twilio_whatsapp_from": twilio.number,
            "twilio_base_url": api,
        }
        async with senders(db, settings) as processes:
            kills = await kill_everywhere(pool, processes)
    print(f"{RUNS} replies: {kills}")
    assert sum(kills.values()) > RUNS * 0.9
    mails = [f"mail {number}" for number in range(0, RUNS, 2)]
    assert sorted(mail["text"] for mail in gmail.sent_mails()) == sorted(mails)
    assert gmail.mailbox.drafts == {}
    for number in range(1, RUNS, 2):
        got = [message["body"] for message in twilio.sent if message["to"] == f"whatsapp:{phone(number)}"]
        assert got == [f"one {number}", f"two {number}"]
    async with transaction(pool) as conn:
        rows = await (await conn.execute("select status, count(*) from deliveries group by 1")).fetchall()
    assert rows == [("sent", RUNS)]


async def kill_everywhere(pool: Pool, processes: Senders) -> dict[str, int]:
    """Kills by channel. A first delivery without one tells how many steps there are; then each is the last in its turn."""
    lengths: dict[str, int] = {}
    kills = {"email": 0, "whatsapp": 0}
    for number in range(RUNS):
        channel: Channel = "whatsapp" if number % 2 else "email"
        recipient = phone(number) if channel == "whatsapp" else f"c{number}@example.org"
        parts = [f"one {number}", f"two {number}"] if channel == "whatsapp" else [f"mail {number}"]
        conversation_id = await store_reply(pool, channel, recipient, parts)
        if channel not in lengths:
            lengths[channel] = (await processes.deliver(conversation_id))["steps"]
            continue
        kill_at = (number // 2 - 1) % lengths[channel] + 1
        kills[channel] += await send_through_a_kill(pool, processes, conversation_id, kill_at)
    print(f"steps of a delivery: {lengths}")
    return kills


def phone(number: int) -> str:
    return f"+4917{number:09d}"
