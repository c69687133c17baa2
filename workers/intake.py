"""Intake: an accepted event becomes a customer, a conversation, a ticket and a message, and the agent is told."""

from __future__ import annotations

import structlog
from psycopg import AsyncConnection

from channels.whatsapp.status import read_status
from core.errors import InvalidInbound
from core.models import InboundEvent, InboundMessage
from crm.confirmations import confirm_named_tickets
from crm.conversations import file_message
from crm.customers import link_account, recognise_customer
from crm.deliveries import raise_status
from crm.inbound import finish_event, load_event, lock_event
from crm.outbox import add_event
from crm.pool import transaction
from events.bus import Delivered
from events.topics import TICKETS_INCOMING
from workers.context import WorkerContext, bury, id_in

log = structlog.get_logger()


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
                await _apply_status(conn, event)
            for message in messages:
                await self._file(conn, event, message)
            await finish_event(conn, event_id)

    async def on_dead(self, delivered: Delivered, error: Exception) -> None:
        await self._give_up(delivered, error)

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
        if filed.message_id is None or message.automatic is not None:
            return
        payload = {"conversation_id": str(filed.conversation_id)}
        pause_s = self._context.settings.pause_s(message.channel)
        await add_event(
            conn, TICKETS_INCOMING, str(filed.conversation_id), "message.received", payload, delay_s=pause_s
        )


async def _apply_status(conn: AsyncConnection, event: InboundEvent) -> None:
    report = read_status(event.body, event.body)
    await raise_status(
        conn,
        report.status,
        delivery_id=report.delivery_id,
        provider_message_id=report.provider_message_id,
        error=report.error,
    )
