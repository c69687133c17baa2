"""Answers in fixed words, for which nobody thinks: a turn that is done as soon as it is begun."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from core.vocabulary import Channel
from crm.conversations import Filed
from crm.desk import OUTBOUND_TOPIC
from crm.outbox import add_event

_ADD_TURN = """
insert into turns (conversation_id, ticket_id, status, outcome, reason, owner_epoch, lease, lease_until, graph_version, finished_at)
select id, %(ticket_id)s, 'done', 'answered', %(reason)s, owner_epoch, gen_random_uuid(), now(), 'notice', now()
from conversations where id = %(conversation_id)s returning id
"""
_ADD_MESSAGE = """
insert into messages (conversation_id, customer_id, ticket_id, turn_id, channel, direction, author, body, parts, owner_epoch)
select id, customer_id, %(ticket_id)s, %(turn_id)s, channel, 'outbound', 'system', %(text)s, %(parts)s, owner_epoch
from conversations where id = %(conversation_id)s returning id
"""
_ADD_DELIVERY = """
insert into deliveries (message_id, channel, recipient)
select %(message_id)s, channel, coalesce(thread ->> 'recipient', '') from conversations where id = %(conversation_id)s
"""
_ANSWERED = """
update messages set outcome = 'answered', outcome_reason = %(reason)s, turn_id = %(turn_id)s where id = %(inbound_id)s
"""
# A ticket that was opened by such words alone asks for nothing.
_CLOSE = """
update tickets set status = 'closed', updated_at = now() where id = %(ticket_id)s and status = 'open'
and not exists (select from messages where ticket_id = %(ticket_id)s and direction = 'inbound' and automatic is null)
"""


async def answer_with_notice(conn: AsyncConnection, channel: Channel, filed: Filed, text: str, *, reason: str) -> None:
    """Answer an inbound message with a text that is fixed; whoever owns the conversation goes on owning it."""
    values: dict[str, Any] = {
        "conversation_id": filed.conversation_id,
        "ticket_id": filed.ticket_id,
        "inbound_id": filed.message_id,
        "text": text,
        "parts": Jsonb([text]),
        "reason": reason,
    }
    values["turn_id"] = await _fetch_id(await conn.execute(_ADD_TURN, values))
    values["message_id"] = await _fetch_id(await conn.execute(_ADD_MESSAGE, values))
    await conn.execute(_ADD_DELIVERY, values)
    await conn.execute(_ANSWERED, values)
    key = str(filed.conversation_id)
    await add_event(conn, OUTBOUND_TOPIC[channel], key, "delivery.queued", {"conversation_id": key})


async def close_unasked(conn: AsyncConnection, ticket_id: str) -> None:
    """Close a ticket in which no question was asked."""
    await conn.execute(_CLOSE, {"ticket_id": ticket_id})


async def _fetch_id(cursor: Any) -> UUID:
    row = await cursor.fetchone()
    assert row is not None
    return row[0]
