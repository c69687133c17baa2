"""WhatsApp on the spine: our API and a Twilio of the same wire format on loopback, the real client between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.app import create_app
from api.context import ApiContext
from channels.whatsapp.adapter import TwilioWhatsApp, WhatsAppConfig
from channels.whatsapp.signature import SignatureSecrets
from core.clock import SystemClock
from crm.deliveries import save_progress
from crm.pool import transaction
from simulation.serve import serve
from simulation.twilio import TwilioFake
from tests.fixtures_spine import Spine
from workers.reconciler import Reconciler

CUSTOMER = "+4917012345678"
CREATE = "*/Messages.json"
STATUS = "/webhooks/whatsapp/status"


@dataclass
class WhatsApp:
    spine: Spine
    fake: TwilioFake
    adapter: TwilioWhatsApp

    async def writes(self, text: str, sender: str = CUSTOMER, **more: str) -> None:
        """A customer's message; its webhook may be lost by a fault."""
        await self.fake.customer_writes(sender, text, **more)

    @property
    def got(self) -> list[str]:
        """What customers got, in Twilio's order."""
        return [message["body"] for message in self.fake.sent]

    def configure(self, **settings: Any) -> None:
        context = self.spine.context
        self.spine.context = replace(context, settings=context.settings.model_copy(update=settings))

    def reconciler(self) -> Reconciler:
        return Reconciler(self.spine.context, grace=timedelta(seconds=-60))

    async def execute(self, query: str, *values: Any) -> None:
        async with transaction(self.spine.context.pool) as conn:
            await conn.execute(query, values)  # pyright: ignore[reportArgumentType]

    async def until(self, query: str) -> Any:
        """Until this query gives something true."""

        async def asked() -> Any:
            rows = await self.spine.rows(query)
            return rows and rows[0][0]

        return await self.spine.until(asked)

    async def until_got(self, count: int) -> list[str]:
        async def arrived() -> bool:
            return len(self.got) >= count

        await self.spine.until(arrived)
        return self.got

    async def statuses(self) -> list[tuple[str, str]]:
        """Author and delivery status of all messages to the customer, oldest first."""
        return [
            (author, status)
            for author, status in await self.spine.rows(
                "select m.author, d.status from deliveries d join messages m on m.id = d.message_id order by m.seq"
            )
        ]


@pytest.fixture
async def whatsapp(spine: Spine) -> AsyncIterator[WhatsApp]:
    pool, fake = spine.context.pool, TwilioFake()

    async def remember(delivery_id: UUID, progress: Any) -> None:
        async with transaction(pool) as conn:
            await save_progress(conn, delivery_id, progress)

    api = ApiContext(
        pool=pool,
        profile=spine.context.deps.profile,
        clock=SystemClock(),
        version="test",
        whatsapp_secrets=SignatureSecrets((fake.auth_token,)),
    )
    async with serve(create_app(api)) as here, serve(fake.app()) as there:
        fake.webhook_url = f"{here}/webhooks/whatsapp"
        config = WhatsAppConfig(
            fake.account_sid,
            fake.auth_token,
            fake.number,
            status_callback_url=f"{here}{STATUS}",
            base_url=there,
            timeout_s=2,
        )
        adapter = TwilioWhatsApp(config, remember)
        spine.context = replace(spine.context, adapters={**spine.context.adapters, "whatsapp": adapter})
        world = WhatsApp(spine, fake, adapter)
        world.configure(pause_whatsapp_s=0, pace_whatsapp_s=0)
        try:
            yield world
        finally:
            await adapter.close()
