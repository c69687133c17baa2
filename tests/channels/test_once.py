"""Whatever breaks, in whatever order: a reply goes out once. Kills and faults are drawn at random, sends are counted."""

import random
from uuid import UUID, uuid4

import pytest

from channels.email.adapter import GmailChannel
from channels.email.gmail import GmailApi, GmailConfig, oauth_credentials
from channels.email.reply import Letterhead
from channels.whatsapp.adapter import TwilioWhatsApp, WhatsAppConfig
from core.errors import ChannelError
from core.models import Outgoing
from core.vocabulary import Channel
from simulation.gmail import GmailFake
from simulation.serve import serve
from simulation.twilio import TwilioFake
from tests.channels.test_email_sync import MemoryStore

pytestmark = [pytest.mark.real, pytest.mark.slow]
RUNS = 100
MODES = ["drop", "5xx", "429", "timeout_after_accept"]


class Killed(Exception):
    """The process is gone; what was written stays."""


class Store:
    """Progress as the CRM keeps it, with a process that dies before or after any write."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.progress: dict[UUID, dict] = {}

    async def save(self, delivery_id: UUID, progress) -> None:
        if self.chance.random() < 0.15:
            raise Killed
        self.progress.setdefault(delivery_id, {}).update(progress)
        if self.chance.random() < 0.15:
            raise Killed


async def deliver(adapter, store: Store, faults, paths: list[str], channel: Channel, parts: tuple[str, ...]) -> int:
    """Try until it is sent and noted, as the delivery worker does; how many attempts it took."""
    delivery, to = uuid4(), "sam@example.org" if channel == "email" else "+15551234567"
    for attempt in range(1, 60):
        faults.pending.clear()
        if store.chance.random() < 0.5:
            faults.add(store.chance.choice(paths), store.chance.choice(MODES), seconds=0.5)
        outgoing = Outgoing(
            delivery, uuid4(), "tkt", channel, to, "Re: Hi", parts, attempt, "assistant", uuid4(),
            progress=dict(store.progress.get(delivery, {})),
        )  # fmt: skip
        try:
            receipt = await adapter.send(outgoing)
        except (ChannelError, Killed):
            continue
        if receipt.status != "sending" and store.chance.random() < 0.7:
            return attempt
    raise AssertionError("never sent")


async def test_gmail_sends_once_through_kills_and_faults():
    fake, store = GmailFake(), Store(random.Random(7))
    login = fake.login
    async with serve(fake.app()) as base:
        credentials = oauth_credentials(
            client_id=login.client_id, client_secret=login.client_secret, refresh_token=login.refresh_token,
            token_url=f"{base}/token",
        )  # fmt: skip
        api = GmailApi(GmailConfig(fake.mailbox.address, base, timeout_s=0.6), credentials)
        adapter = GmailChannel(api, MemoryStore(), store.save, Letterhead(fake.mailbox.address, "Acme"))
        paths = ["*/drafts", "*/drafts/send", "*/messages", "/token"]
        attempts = [await deliver(adapter, store, fake.faults, paths, "email", (f"Reply {n}",)) for n in range(RUNS)]
        await adapter.close()
    assert sum(attempts) > RUNS * 1.5
    assert sorted(m["text"] for m in fake.sent_mails()) == sorted(f"Reply {n}" for n in range(RUNS))
    assert fake.mailbox.drafts == {}


async def test_twilio_sends_each_part_once_and_in_order_through_kills_and_faults():
    fake, store = TwilioFake(), Store(random.Random(11))
    async with serve(fake.app()) as base:
        config = WhatsAppConfig(fake.account_sid, fake.auth_token, fake.number, base_url=base, timeout_s=0.6)
        adapter = TwilioWhatsApp(config, store.save)
        parts = [(f"(1/2) Reply {n}", f"(2/2) Reply {n}") for n in range(RUNS)]
        attempts = [await deliver(adapter, store, fake.faults, ["*/Messages.json"], "whatsapp", pair) for pair in parts]
        await adapter.close()
    assert sum(attempts) > RUNS * 1.5
    assert [m["body"] for m in fake.sent] == [part for pair in parts for part in pair]
