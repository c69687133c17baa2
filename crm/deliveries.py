"""Deliveries: the way of a stored message to the customer. Claimed under a lease, statuses only move up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from core.errors import NotFound
from core.models import Outgoing, Receipt

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
# `seen`: what reports told of parts whose sending we did not live to note.
_OUTGOING = """
select d.id as delivery_id, m.id as message_id, m.ticket_id, d.channel, d.recipient, coalesce(d.subject, m.subject) as subject,
       array(select jsonb_array_elements_text(coalesce(d.parts, m.parts))) as parts, d.attempts as attempt, m.author, m.conversation_id,
       d.channel <> m.channel as is_copy, c.thread, d.progress || jsonb_build_object('seen', coalesce(
           (select jsonb_object_agg(r.part, r.provider_message_id) from provider_reports r
            where r.delivery_id = d.id and r.part is not null), '{}')) as progress
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
# A wait for the recipient's pace is no attempt, and a part that went out ends the count of those before it.
_POSTPONE = """
update deliveries set status = 'queued', lease_until = null, attempts = attempts - 1,
       next_attempt_at = now() + make_interval(secs => %(delay_s)s)
where id = %(id)s and status = 'sending'
"""
_GO_ON = """
update deliveries set status = 'queued', lease_until = null, attempts = 0, last_error = null, next_attempt_at = now()
where id = %(id)s and status = 'sending'
"""
_FAILED = """
update deliveries set status = 'failed', lease_until = null, last_error = %(error)s
where id = %(id)s and status in ('queued', 'sending', 'sent')
"""
_PROGRESS = "update deliveries set progress = progress || %(progress)s where id = %(id)s"
# A template that says the same stands in for a message that may not go any more: same turn, same author, present epoch.
_ADD_STAND_IN = """
insert into messages (conversation_id, customer_id, ticket_id, turn_id, channel, direction, author, kind, body, parts, owner_epoch)
select m.conversation_id, m.customer_id, m.ticket_id, m.turn_id, m.channel, 'outbound', m.author, 'message', %(text)s, %(parts)s,
       c.owner_epoch
from messages m join conversations c on c.id = m.conversation_id where m.id = %(message_id)s
     and (m.author <> 'assistant' or c.owner = 'assistant')
on conflict (turn_id, kind) where direction = 'outbound' do nothing returning id
"""
_DELIVER_STAND_IN = """
insert into deliveries (message_id, channel, recipient, progress) values (%(id)s, %(channel)s, %(recipient)s, %(progress)s)
"""
_REPLACED = "update deliveries set replaced_by = %(id)s where id = %(delivery_id)s"


async def claim_delivery(conn: AsyncConnection, conversation_id: UUID, *, lease_s: float) -> Outgoing | None:
    """The next message of a conversation to send; None when none is due or another worker has it."""
    row = await (await conn.execute(_CLAIM, {"conversation_id": conversation_id, "lease_s": lease_s})).fetchone()
    if row is None:
        return None
    return await get_outgoing(conn, row[0])


async def get_outgoing(conn: AsyncConnection, delivery_id: UUID) -> Outgoing:
    async with conn.cursor(row_factory=kwargs_row(_outgoing)) as cursor:
        await cursor.execute(_OUTGOING, {"id": delivery_id})
        outgoing = await cursor.fetchone()
    if outgoing is None:
        raise NotFound("There is no such delivery", delivery_id=delivery_id)
    return outgoing


def _outgoing(**row: Any) -> Outgoing:
    return Outgoing(**{**row, "parts": tuple(row["parts"])})


async def record_receipt(conn: AsyncConnection, delivery_id: UUID, receipt: Receipt) -> None:
    values = {"id": delivery_id, "status": receipt.status, "provider_id": receipt.provider_message_id}
    await conn.execute(_SENT, values)
    await conn.execute(_MESSAGE_SENT, values)


async def try_again(conn: AsyncConnection, delivery_id: UUID, *, error: str, delay_s: float) -> None:
    await conn.execute(_AGAIN, {"id": delivery_id, "error": error, "delay_s": delay_s})


async def postpone(conn: AsyncConnection, delivery_id: UUID, *, delay_s: float) -> None:
    """Give a claim back until the recipient may be written to."""
    await conn.execute(_POSTPONE, {"id": delivery_id, "delay_s": delay_s})


async def go_on(conn: AsyncConnection, delivery_id: UUID) -> None:
    """A part is out: the next one is due."""
    await conn.execute(_GO_ON, {"id": delivery_id})


async def fail_delivery(conn: AsyncConnection, delivery_id: UUID, *, error: str) -> None:
    await conn.execute(_FAILED, {"id": delivery_id, "error": error})


async def save_progress(conn: AsyncConnection, delivery_id: UUID, progress: Mapping[str, Any]) -> None:
    """What the provider has confirmed so far (a draft id, the parts sent): read again after a crash."""
    await conn.execute(_PROGRESS, {"id": delivery_id, "progress": Jsonb(dict(progress))})


async def replace_by(conn: AsyncConnection, outgoing: Outgoing, text: str, progress: Mapping[str, Any]) -> bool:
    """Store and queue a message that says the same under an approved template; False where its turn has one, or a person has taken over."""
    values = {"message_id": outgoing.message_id, "text": text, "parts": Jsonb([text])}
    row = await (await conn.execute(_ADD_STAND_IN, values)).fetchone()
    if row is None:
        return False
    stand_in = {"id": row[0], "delivery_id": outgoing.delivery_id, "channel": outgoing.channel}
    await conn.execute(
        _DELIVER_STAND_IN, {**stand_in, "recipient": outgoing.recipient, "progress": Jsonb(dict(progress))}
    )
    await conn.execute(_REPLACED, stand_in)
    return True
