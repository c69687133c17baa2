"""Reconciler: asks Twilio for what no webhook told us, messages that customers wrote and the fate of those we sent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from channels.whatsapp.adapter import TwilioWhatsApp
from channels.whatsapp.inbound import message_key, sender_key
from core.errors import ChannelError, Conflict, DatabaseUnavailable
from crm.inbound import accept_event, list_known
from crm.pool import transaction
from crm.reconcile import UntoldDelivery, advance_cursor, reconciling, start_cursor, take_untold
from workers.context import WorkerContext
from workers.statuses import apply_report

log = structlog.get_logger()
# A webhook on its way is better than the list: it tells more. What is younger than this is left to it.
GRACE: Final = timedelta(minutes=2)
# Twilio's clock and its list may lag behind ours.
OVERLAP: Final = timedelta(minutes=10)
_ASKED_AT_ONCE: Final = 50


class Reconciler:
    def __init__(self, context: WorkerContext, *, grace: timedelta = GRACE) -> None:
        self._context = context
        self._grace = grace

    async def run(self) -> None:
        """Until cancelled, one round every interval, in one process at a time."""
        twilio = self._context.adapters.get("whatsapp")
        if not isinstance(twilio, TwilioWhatsApp):
            return
        while True:
            try:
                async with reconciling(self._context.pool) as ours:
                    if ours:
                        await self.reconcile(twilio)
            except (ChannelError, DatabaseUnavailable) as error:
                log.warning("reconciler.waiting", error_class=type(error).__name__)
            await asyncio.sleep(self._context.settings.reconcile_interval_s)

    async def reconcile(self, twilio: TwilioWhatsApp) -> None:
        await self.find_missed(twilio)
        await self.ask_for_statuses(twilio)

    async def find_missed(self, twilio: TwilioWhatsApp) -> int:
        """Accept the messages whose webhook never came, by the key that the webhook would have; how many."""
        until = self._context.deps.clock.now() - self._grace
        async with transaction(self._context.pool) as conn:
            # At the very first time: what came before we were there is not ours to answer.
            since = await start_cursor(conn, "whatsapp", until + OVERLAP)
        bodies = await twilio.list_received(since - OVERLAP, until)
        async with transaction(self._context.pool) as conn:
            known = await list_known(conn, "whatsapp", "message", [message_key(body) for body in bodies])
        missed = [body for body in bodies if message_key(body) not in known]
        for body in missed:
            await self._accept(await twilio.with_media(body))
        async with transaction(self._context.pool) as conn:
            await advance_cursor(conn, "whatsapp", until)
        return len(missed)

    async def _accept(self, body: dict[str, str]) -> None:
        try:
            async with transaction(self._context.pool) as conn:
                await accept_event(
                    conn,
                    channel="whatsapp",
                    kind="message",
                    source_key=message_key(body),
                    body=body,
                    key=sender_key(body),
                )
        except Conflict:
            return  # its webhook came just now
        log.warning("message.recovered", channel="whatsapp", provider_message_id=body["MessageSid"])

    async def ask_for_statuses(self, twilio: TwilioWhatsApp) -> int:
        """Ask what became of messages that nobody reported on; how many deliveries were asked about."""
        after_s = self._context.settings.reconcile_after_s
        async with transaction(self._context.pool) as conn:
            untold = await take_untold(conn, "whatsapp", after_s=after_s, limit=_ASKED_AT_ONCE)
        for delivery in untold:
            await self._ask(twilio, delivery)
        return len(untold)

    async def _ask(self, twilio: TwilioWhatsApp, delivery: UntoldDelivery) -> None:
        for part, message_id in enumerate(delivery.message_ids):
            report = await twilio.fetch_report(message_id, delivery.delivery_id, part)
            if report is not None:
                async with transaction(self._context.pool) as conn:
                    await apply_report(self._context, conn, report)
