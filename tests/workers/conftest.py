"""The spine with a mailbox: Google's own client against our Gmail, beside the web form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from channels.email.adapter import GmailChannel
from channels.email.gmail import GmailApi, GmailConfig, oauth_credentials
from channels.email.reply import Letterhead
from crm.deliveries import save_progress
from crm.mailboxes import MailboxStore
from crm.pool import transaction
from simulation.gmail import GmailFake
from simulation.gmail_mailbox import StoredMail
from simulation.serve import serve
from tests.fixtures_spine import Spine

SETTLED = """
select (select count(*) from inbound_events where status = 'accepted') = 0
   and (select count(*) from messages where direction = 'inbound' and outcome is null) = 0
   and (select count(*) from outbox where published_at is null) = 0
   and (select count(*) from deliveries where status in ('queued', 'sending')) = 0
"""


@dataclass
class Post:
    """A company that is written to by mail and through the form."""

    spine: Spine
    fake: GmailFake
    channel: GmailChannel

    async def receive(self, sender: str, subject: str, text: str, **options: Any) -> StoredMail:
        mail = self.fake.customer_writes(sender, subject, text, **options)
        await self.channel.sync()
        return mail

    async def settle(self) -> None:
        """Until nothing is under way."""
        await self.spine.until(lambda: self.spine.value(SETTLED))

    def sent_to(self, address: str) -> list[dict[str, Any]]:
        return [mail for mail in self.fake.sent_mails() if mail["to"] == address]


@pytest.fixture
async def post(spine: Spine) -> AsyncIterator[Post]:
    fake = GmailFake()
    pool = spine.context.pool

    async def remember(delivery_id: UUID, progress: Mapping[str, Any]) -> None:
        async with transaction(pool) as conn:
            await save_progress(conn, delivery_id, progress)

    async with serve(fake.app()) as base:
        login = fake.login
        credentials = oauth_credentials(
            client_id=login.client_id,
            client_secret=login.client_secret,
            refresh_token=login.refresh_token,
            token_url=f"{base}/token",
        )
        api = GmailApi(GmailConfig(fake.mailbox.address, base, timeout_s=5), credentials)
        channel = GmailChannel(api, MailboxStore(pool), remember, Letterhead(fake.mailbox.address, "Acme Support"))
        settings = spine.context.settings.model_copy(update={"public_base_url": "https://help.example"})
        adapters = {**spine.context.adapters, "email": channel}
        yield Post(Spine(replace(spine.context, adapters=adapters, settings=settings), spine.mind), fake, channel)
        await channel.close()
