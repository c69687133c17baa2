"""Intake: an accepted event becomes a customer, a conversation, a ticket and a message, and the agent is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from psycopg import AsyncConnection

from channels.whatsapp.status import read_status
from core.errors import ChannelError, InvalidInbound
from core.models import InboundEvent, InboundMessage
from crm.bounces import fail_bounced
from crm.confirmations import confirm_named_tickets
from crm.conversations import file_message
from crm.customers import link_account, recognise_customer
from crm.inbound import finish_event, load_event, lock_event
from crm.outbox import add_event
from crm.pool import transaction
from crm.threads import delivery_ids
from events.bus import Delivered
from events.topics import TICKETS_INCOMING
from workers.consent import honour_consent
from workers.context import WorkerContext, bury, id_in
from workers.statuses import apply_report

log = structlog.get_logger()
# As long as Pub/Sub keeps a push; after that a person looks.
_PATIENCE: Final = timedelta(days=7)


class Intake:
    def __init__(self, context: WorkerContext) -> None:
        self._context = context

    async def handle(self, delivered: Delivered) -> None:
        event_id = id_in(delivered, "inbound_event_id")
        async with transaction(self._context.pool) as conn:
            event = await load_event(conn, event_id)
        if event is None:
            return
        try:
            # Reading may ask the provider, so no transaction is open meanwhile; filing twice changes nothing.
            messages = [] if event.kind == "status" else await self._context.adapters[event.channel].read(event)
        except InvalidInbound as error:
            return await self._give_up(delivered, error)
        async with transaction(self._context.pool) as conn:
            if await lock_event(conn, event_id) is None:
                return
            if event.kind == "status":
                await apply_report(self._context, conn, read_status(event.body, event.body))
            for message in messages:
                await self._file(conn, event, message)
            await finish_event(conn, event_id)

    async def on_dead(self, delivered: Delivered, error: Exception) -> None:
        if isinstance(error, ChannelError) and not error.permanent and await self._may_wait(delivered):
            log.warning("intake.waiting", topic=delivered.topic, code=error.code)
            return
        await self._give_up(delivered, error)

    async def _may_wait(self, delivered: Delivered) -> bool:
        """A provider that is away is not the message's fault: it stays accepted, and the sweeper brings it again."""
        async with transaction(self._context.pool) as conn:
            event = await load_event(conn, id_in(delivered, "inbound_event_id"))
        return event is not None and datetime.now(UTC) - event.received_at < _PATIENCE

    async def _give_up(self, delivered: Delivered, error: Exception) -> None:
        await bury(self._context, delivered, error)
        async with transaction(self._context.pool) as conn:
            await finish_event(conn, id_in(delivered, "inbound_event_id"), dead=True)

    async def _file(self, conn: AsyncConnection, event: InboundEvent, message: InboundMessage) -> None:
        customer_id = await recognise_customer(conn, message.sender)
        if account := message.headers.get("external_user_id"):
            await link_account(conn, customer_id, message.sender, account)
        filed = await file_message(conn, event, message, customer_id)
        await confirm_named_tickets(conn, customer_id, message)
        log.info(
            "message.filed",
            channel=message.channel,
            conversation_id=str(filed.conversation_id),
            ticket_id=filed.ticket_id[:8],
            new=filed.message_id is not None,
        )
        if filed.message_id is None:
            return
        if "consent" in message.headers:
            await honour_consent(conn, self._context.deps.profile, message, filed)
        await _apply_bounce(conn, message)
        if message.automatic is not None:
            return
        payload = {"conversation_id": str(filed.conversation_id)}
        pause_s = self._context.settings.pause_s(message.channel)
        await add_event(
            conn, TICKETS_INCOMING, str(filed.conversation_id), "message.received", payload, delay_s=pause_s
        )


async def _apply_bounce(conn: AsyncConnection, message: InboundMessage) -> None:
    """Whose Message-ID it names, its delivery id is random: only who got the mail can know it."""
    bounced = delivery_ids(message.headers.get("bounced", "")) if message.automatic else []
    if not bounced:
        return
    error = f"bounced {message.headers.get('bounce_status', '')}".strip()
    for conversation_id in await fail_bounced(conn, bounced, error=error):
        key = str(conversation_id)
        log.warning("delivery.bounced", conversation_id=key)
        await add_event(conn, TICKETS_INCOMING, key, "delivery.failed", {"conversation_id": key, "error": error})
