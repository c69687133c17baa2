"""Where an inbound message belongs. A thread is joined only when what names it and who sent it agree.

The sender's proof must agree too: a claim never enters what was proved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.models import InboundMessage

_FILED = """
select conversation_id from messages
where channel = %(channel)s and direction = 'inbound' and provider_message_id = %(provider_message_id)s
"""
_KEYED = """
select id, customer_id = %(customer_id)s and (evidence = 'claimed') = %(claimed)s as ours from conversations
where channel = %(channel)s and thread_key = %(thread_key)s for update
"""
# A mail names what it answers: an earlier mail of the customer, or a delivery of ours, whose id is in our Message-ID.
_NAMED = """
select c.id, c.customer_id = %(customer_id)s and (c.evidence = 'claimed') = %(claimed)s and c.channel = 'email' as ours from conversations c
where c.id in (select conversation_id from messages
               where channel = 'email' and direction = 'inbound' and headers ->> 'message_id' = any(%(mail_ids)s)
               union all
               select m.conversation_id from deliveries d join messages m on m.id = d.message_id
               where d.id = any(%(delivery_ids)s))
order by ours desc, c.updated_at desc limit 1 for update
"""
_MAIL_ID = re.compile(r"<[^<>\s]+>")
_DELIVERY_ID: Final = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@")


@dataclass(frozen=True, slots=True)
class Place:
    """The conversation to join; or how to open one: under which key, and related to which, as far as we know."""

    conversation_id: UUID | None = None
    thread_key: str | None = None
    related_to: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    id: UUID
    ours: bool


def delivery_ids(mail_ids: str) -> list[UUID]:
    """The deliveries that Message-IDs of ours name."""
    return [UUID(found) for found in _DELIVERY_ID.findall(mail_ids)]


async def find_place(conn: AsyncConnection, message: InboundMessage, customer_id: UUID) -> Place:
    values = {
        "channel": message.channel,
        "provider_message_id": message.provider_message_id,
        "customer_id": customer_id,
        "claimed": message.sender.evidence == "claimed",
        "thread_key": message.thread_key,
    }
    filed = await (await conn.execute(_FILED, values)).fetchone()
    if filed is not None:
        return Place(filed[0])
    if message.channel == "email":
        return await _mail_place(conn, message, values)
    return await _keyed_place(conn, message, values)


async def _keyed_place(conn: AsyncConnection, message: InboundMessage, values: dict) -> Place:
    """A key that another sender holds is told apart by the sender."""
    if message.thread_key is None:
        return Place()
    holder = await _find(conn, _KEYED, values)
    if holder is None or holder.ours:
        return Place(holder.id if holder else None, message.thread_key)
    own_key = f"{message.thread_key}#{values['customer_id']}"
    own = await _find(conn, _KEYED, {**values, "thread_key": own_key})
    if own is not None and not own.ours:
        return Place(related_to=holder.id)
    return Place(own.id if own else None, own_key, holder.id)


async def _mail_place(conn: AsyncConnection, message: InboundMessage, values: dict) -> Place:
    """Gmail's thread alone joins nothing: it goes by the subject too. It only tells what may be related."""
    named = " ".join(str(message.headers.get(name, "")) for name in ("references", "in_reply_to", "bounced"))
    ids = {"mail_ids": _MAIL_ID.findall(named), "delivery_ids": delivery_ids(named)}
    answered = await _find(conn, _NAMED, values | ids) if named.strip() else None
    if answered is not None and answered.ours:
        return Place(answered.id)
    holder = await _find(conn, _KEYED, values)
    related = answered or holder
    return Place(None, None if holder else message.thread_key, related.id if related else None)


async def _find(conn: AsyncConnection, query: str, values: dict) -> _Candidate | None:
    async with conn.cursor(row_factory=class_row(_Candidate)) as cursor:
        await cursor.execute(query, values)  # pyright: ignore[reportArgumentType]
        return await cursor.fetchone()
