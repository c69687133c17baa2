"""Delivery: stored messages leave in order, one conversation at a time; what cannot be delivered goes to a person."""

from __future__ import annotations

import random

import structlog
from psycopg import AsyncConnection

from core.errors import ChannelError
from core.models import Outgoing
from crm.deliveries import claim_delivery, fail_delivery, record_receipt, try_again
from crm.outbox import add_event
from crm.pool import transaction
from events.bus import Delivered
from events.topics import TICKETS_INCOMING, outbound_topic
from workers.context import WorkerContext, bury, id_in
from workers.form_mail import mail_form_reply

log = structlog.get_logger()
LEASE_S = 60.0
MAX_ATTEMPTS = 8
_BASE_S, _CAP_S = 2.0, 300.0


class DeliveryWorker:
    def __init__(self, context: WorkerContext) -> None:
        self._context = context

    async def handle(self, delivered: Delivered) -> None:
        conversation_id = id_in(delivered, "conversation_id")
        while True:
            async with transaction(self._context.pool) as conn:
                outgoing = await claim_delivery(conn, conversation_id, lease_s=LEASE_S)
            if outgoing is None or not await self._deliver(outgoing):
                return

    async def on_dead(self, delivered: Delivered, error: Exception) -> None:
        await bury(self._context, delivered, error)

    async def _deliver(self, outgoing: Outgoing) -> bool:
        """True when the next message of the conversation may follow."""
        try:
            receipt = await self._context.adapters[outgoing.channel].send(outgoing)
        except ChannelError as error:
            return await self._failed(outgoing, error)
        async with transaction(self._context.pool) as conn:
            await record_receipt(conn, outgoing.delivery_id, receipt)
            await mail_form_reply(self._context, conn, outgoing)
        log.info(
            "message.delivered", channel=outgoing.channel, delivery_id=str(outgoing.delivery_id), status=receipt.status
        )
        return True

    async def _failed(self, outgoing: Outgoing, error: ChannelError) -> bool:
        log.warning(
            "delivery.failed",
            delivery_id=str(outgoing.delivery_id),
            code=error.code,
            permanent=error.permanent,
            attempt=outgoing.attempt,
        )
        async with transaction(self._context.pool) as conn:
            if error.permanent or outgoing.attempt >= MAX_ATTEMPTS:
                await self._give_to_person(conn, outgoing, error)
                return True
            delay_s = error.retry_after_s or random.uniform(0, min(_CAP_S, _BASE_S * 2**outgoing.attempt))
            await try_again(conn, outgoing.delivery_id, error=str(error), delay_s=delay_s)
            key = str(outgoing.conversation_id)
            await add_event(
                conn,
                outbound_topic(outgoing.channel),
                key,
                "delivery.queued",
                {"conversation_id": key},
                delay_s=delay_s,
            )
            return False

    async def _give_to_person(self, conn: AsyncConnection, outgoing: Outgoing, error: ChannelError) -> None:
        if not await fail_delivery(conn, outgoing.delivery_id, error=str(error)):
            return
        key = str(outgoing.conversation_id)
        payload = {"conversation_id": key, "error": f"{error.code or 'refused'}: {error.detail}"}
        await add_event(conn, TICKETS_INCOMING, key, "delivery.failed", payload)
