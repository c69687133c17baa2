"""Delivery: stored messages leave in order, one conversation at a time; what cannot be delivered goes to a person."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from typing import Final

import structlog
from psycopg import AsyncConnection

from core.errors import ChannelError, RecipientStopped, WindowClosed
from core.models import Outgoing, Receipt
from core.vocabulary import Channel
from crm.consent import find_stop
from crm.deliveries import claim_delivery, go_on, postpone, record_receipt, try_again
from crm.outbox import add_event
from crm.pool import transaction
from crm.recipients import find_last_inbound, take_slot
from events.bus import Delivered
from events.topics import outbound_topic
from workers.context import WorkerContext, bury, id_in
from workers.form_mail import mail_form_reply
from workers.statuses import settle
from workers.undelivered import give_up

log = structlog.get_logger()
LEASE_S: Final = 60.0
# Below the lease: nobody else may begin while we are still at it, whatever the provider does.
SEND_TIMEOUT_S: Final = 45.0
MAX_ATTEMPTS: Final = 8
_BASE_S, _CAP_S = 2.0, 300.0
_LONGEST_WAIT_S: Final = 3600.0
# How long after the customer's last message a free text may go: https://www.twilio.com/docs/whatsapp/key-concepts
WINDOWS: Final[dict[Channel, timedelta]] = {"whatsapp": timedelta(hours=24)}


class DeliveryWorker:
    def __init__(self, context: WorkerContext, *, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._context = context
        self._send_timeout_s = send_timeout_s

    async def handle(self, delivered: Delivered) -> None:
        conversation_id = id_in(delivered, "conversation_id")
        while True:
            async with transaction(self._context.pool) as conn:
                outgoing = await claim_delivery(conn, conversation_id, lease_s=LEASE_S)
                if outgoing is not None and not await self._may_go(conn, outgoing):
                    continue
                if outgoing is None or await self._must_wait(conn, outgoing):
                    return
            if not await self._deliver(outgoing):
                return

    async def on_dead(self, delivered: Delivered, error: Exception) -> None:
        await bury(self._context, delivered, error)

    async def _may_go(self, conn: AsyncConnection, outgoing: Outgoing) -> bool:
        """Asked in the moment of sending, of every part, whoever wrote it: a STOP binds a reviewer too."""
        refusal = await _find_refusal(conn, outgoing, self._context.deps.clock.now())
        if refusal is None:
            return True
        log.info("delivery.refused", delivery_id=str(outgoing.delivery_id), cause=type(refusal).__name__)
        await give_up(self._context, conn, outgoing, refusal)
        return False

    async def _must_wait(self, conn: AsyncConnection, outgoing: Outgoing) -> bool:
        """The provider's pace for one recipient, held by the database over all conversations and processes."""
        pace_s = self._context.settings.pace_s(outgoing.channel)
        wait_s = await take_slot(conn, outgoing.channel, outgoing.recipient, pace_s=pace_s) if pace_s else 0.0
        if wait_s:
            await postpone(conn, outgoing.delivery_id, delay_s=wait_s)
            await self._queue(conn, outgoing, wait_s)
        return wait_s > 0

    async def _deliver(self, outgoing: Outgoing) -> bool:
        """True when the next part, or the next message of the conversation, may follow."""
        try:
            receipt = await self._send(outgoing)
        except ChannelError as error:
            return await self._failed(outgoing, error)
        async with transaction(self._context.pool) as conn:
            if receipt.status == "sending":
                await go_on(conn, outgoing.delivery_id)
            else:
                await record_receipt(conn, outgoing.delivery_id, receipt)
                await mail_form_reply(self._context, conn, outgoing)
            if "sids" in receipt.detail:
                await settle(self._context, conn, outgoing.delivery_id)
        log.info(
            "message.delivered", channel=outgoing.channel, delivery_id=str(outgoing.delivery_id), status=receipt.status
        )
        return True

    async def _send(self, outgoing: Outgoing) -> Receipt:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                return await self._context.adapters[outgoing.channel].send(outgoing)
        except TimeoutError as error:
            raise ChannelError("The provider took too long; whether it took the message is open") from error

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
                await give_up(self._context, conn, outgoing, error)
                return True
            delay_s = retry_delay_s(outgoing.attempt, error.retry_after_s)
            await try_again(conn, outgoing.delivery_id, error=str(error), delay_s=delay_s)
            await self._queue(conn, outgoing, delay_s)
            return False

    async def _queue(self, conn: AsyncConnection, outgoing: Outgoing, delay_s: float) -> None:
        key = str(outgoing.conversation_id)
        payload = {"conversation_id": key}
        await add_event(conn, outbound_topic(outgoing.channel), key, "delivery.queued", payload, delay_s=delay_s)


def retry_delay_s(attempt: int, retry_after_s: float | None) -> float:
    """Full jitter under a growing ceiling, counted from the moment that the provider names, if it names one."""
    jitter_s = random.uniform(0, min(_CAP_S, _BASE_S * 2**attempt))
    return min(retry_after_s or 0.0, _LONGEST_WAIT_S) + jitter_s


async def _find_refusal(conn: AsyncConnection, outgoing: Outgoing, now: datetime) -> ChannelError | None:
    """Why a message may not go now. What we say ourselves about STOP and HELP is not stopped by them."""
    stop = await find_stop(conn, outgoing.channel, outgoing.recipient)
    if stop is not None and outgoing.author != "system":
        who = "The customer" if stop.source == "customer" else "The provider, for the customer,"
        return RecipientStopped(f"{who} said STOP on {stop.said_at:%Y-%m-%d %H:%M} UTC; only their START changes that")
    window = WINDOWS.get(outgoing.channel)
    if window is None or "template" in outgoing.progress:
        return None
    last = await find_last_inbound(conn, outgoing.channel, outgoing.recipient)
    return None if last is not None and now - last < window else WindowClosed()
