"""Deliveries: the way of a stored message to the customer. Claimed under a lease, statuses only move up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from core.models import Outgoing, Receipt
from core.vocabulary import DeliveryStatus

# The oldest unsent message of the conversation on a channel, if it is due: a later one never overtakes it.
# A copy that waits for its own provider holds up the page's messages as little as they hold up it.
_CLAIM = """
update deliveries set status = 'sending', attempts = attempts + 1, lease_until = now() + make_interval(secs => %(lease_s)s)
where id = (select id from (select distinct on (d.channel) d.id, d.channel <> m.channel as copy, d.lease_until, d.next_attempt_at
                            from deliveries d join messages m on m.id = d.message_id
                            where m.conversation_id = %(conversation_id)s and d.status in ('queued', 'sending')
                            order by d.channel, m.seq) oldest
            where coalesce(lease_until, '-infinity') <= now() and next_attempt_at <= now() order by copy limit 1)
  and coalesce(lease_until, '-infinity') <= now() and next_attempt_at <= now()
returning id
"""
_OUTGOING = """
select d.id as delivery_id, m.id as message_id, m.ticket_id, d.channel, d.recipient, coalesce(d.subject, m.subject) as subject,
       array(select jsonb_array_elements_text(coalesce(d.parts, m.parts))) as parts, d.attempts as attempt, m.author, m.conversation_id,
       c.thread, d.progress
from deliveries d join messages m on m.id = d.message_id join conversations c on c.id = m.conversation_id where d.id = %(id)s
"""
_SENT = """
update deliveries set status = case when array_position(array['queued','sending','sent','delivered','read'], status)
              < array_position(array['queued','sending','sent','delivered','read'], %(status)s) then %(status)s else status end,
       provider_message_id = %(provider_id)s, sent_at = coalesce(sent_at, now()), lease_until = null, last_error = null,
       delivered_at = case when %(status)s in ('delivered', 'read') then coalesce(delivered_at, now()) else delivered_at end
where id = %(id)s
"""
_MESSAGE_SENT = """
update messages set sent_at = coalesce(sent_at, now()), provider_message_id = coalesce(provider_message_id, %(provider_id)s)
where id = (select message_id from deliveries where id = %(id)s)
"""
_AGAIN = """
update deliveries set status = 'queued', lease_until = null, last_error = %(error)s,
       next_attempt_at = now() + make_interval(secs => %(delay_s)s)
where id = %(id)s and status = 'sending'
"""
_FAILED = """
update deliveries d set status = 'failed', lease_until = null, last_error = %(error)s from messages m
where d.id = %(id)s and d.status <> 'failed' and m.id = d.message_id returning d.channel = m.channel
"""
_PROGRESS = "update deliveries set progress = progress || %(progress)s where id = %(id)s"
# A failure is final unless the customer is known to have got the message: it stands between sent and delivered.
_STATUS = """
update deliveries set status = %(status)s,
       delivered_at = case when %(status)s in ('delivered', 'read') then coalesce(delivered_at, now()) else delivered_at end,
       last_error = coalesce(%(error)s, last_error)
where (id = %(id)s or provider_message_id = %(provider_id)s)
  and array_position(array['queued','sending','sent','failed','delivered','read'], status)
      < array_position(array['queued','sending','sent','failed','delivered','read'], %(status)s)
returning id
"""


async def claim_delivery(conn: AsyncConnection, conversation_id: UUID, *, lease_s: float) -> Outgoing | None:
    """The next message of a conversation to send; None when none is due or another worker has it."""
    row = await (await conn.execute(_CLAIM, {"conversation_id": conversation_id, "lease_s": lease_s})).fetchone()
    if row is None:
        return None
    async with conn.cursor(row_factory=kwargs_row(_outgoing)) as cursor:
        await cursor.execute(_OUTGOING, {"id": row[0]})
        return await cursor.fetchone()


def _outgoing(**row: Any) -> Outgoing:
    return Outgoing(**{**row, "parts": tuple(row["parts"])})


async def record_receipt(conn: AsyncConnection, delivery_id: UUID, receipt: Receipt) -> None:
    values = {"id": delivery_id, "status": receipt.status, "provider_id": receipt.provider_message_id}
    await conn.execute(_SENT, values)
    await conn.execute(_MESSAGE_SENT, values)


async def try_again(conn: AsyncConnection, delivery_id: UUID, *, error: str, delay_s: float) -> None:
    await conn.execute(_AGAIN, {"id": delivery_id, "error": error, "delay_s": delay_s})


async def fail_delivery(conn: AsyncConnection, delivery_id: UUID, *, error: str) -> bool:
    """Whether the message thereby missed its customer; of a copy the customer has the other."""
    row = await (await conn.execute(_FAILED, {"id": delivery_id, "error": error})).fetchone()
    return bool(row and row[0])


async def save_progress(conn: AsyncConnection, delivery_id: UUID, progress: Mapping[str, Any]) -> None:
    """What the provider has confirmed so far (a draft id, the parts sent): read again after a crash."""
    await conn.execute(_PROGRESS, {"id": delivery_id, "progress": Jsonb(dict(progress))})


async def raise_status(
    conn: AsyncConnection,
    status: DeliveryStatus,
    *,
    delivery_id: UUID | None,
    provider_message_id: str | None,
    error: str | None = None,
) -> bool:
    """A status callback; False when it was old news or its delivery is not known (yet)."""
    values = {"status": status, "id": delivery_id, "provider_id": provider_message_id, "error": error}
    return (await conn.execute(_STATUS, values)).rowcount > 0
