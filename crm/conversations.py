"""Conversations and tickets: where an inbound message belongs, and the ticket that exists before any reply."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.ids import new_ticket_id
from core.models import InboundEvent, InboundMessage, Ticket
from core.vocabulary import Category, Priority
from crm.customers import normalise

_FIND_THREAD = """
select id, customer_id = %(customer_id)s and (evidence = 'claimed') = %(claimed)s as agrees
from conversations where channel = %(channel)s and thread_key = %(thread_key)s for update
"""
# A merge may be undone: the conversation then goes with the address that it came from.
_OPEN = """
insert into conversations (customer_id, origin_id, channel, thread_key, subject, evidence, last_inbound_at)
values (%(customer_id)s, (select origin_id from customer_identifiers where customer_id = %(customer_id)s and kind = %(kind)s
            and value = %(address)s and (evidence = 'claimed') = (%(evidence)s = 'claimed')),
        %(channel)s, %(thread_key)s, %(subject)s, %(evidence)s, now()) returning id
"""
_TOUCH = """
update conversations set last_inbound_at = now(), updated_at = now(), thread = thread || %(thread)s where id = %(id)s
"""
_OPEN_TICKET = """
insert into tickets (id, conversation_id, customer_id, channel, subject, category, priority)
values (%(ticket_id)s, %(conversation_id)s, %(customer_id)s, %(channel)s, %(subject)s, %(category)s, %(priority)s)
on conflict (conversation_id) where status <> 'closed' do nothing
"""
_TICKET = """
select id, conversation_id, customer_id, channel, subject, category, priority, status, created_at, updated_at
from tickets where conversation_id = %(conversation_id)s and status <> 'closed'
"""
_REOPEN = "update tickets set status = 'open', updated_at = now() where id = %(ticket_id)s and status = 'resolved'"
_REFINE = """
update tickets set category = %(category)s, priority = %(priority)s, updated_at = now() where id = %(ticket_id)s
"""
_ADD_MESSAGE = """
insert into messages (conversation_id, customer_id, ticket_id, inbound_event_id, channel, direction, author, subject, body,
                      full_body, provider_message_id, automatic, attachments, headers, outcome, outcome_reason, sent_at)
values (%(conversation_id)s, %(customer_id)s, %(ticket_id)s, %(event_id)s, %(channel)s, 'inbound', 'customer', %(subject)s, %(text)s,
        %(full_text)s, %(provider_message_id)s, %(automatic)s, %(attachments)s, %(headers)s, %(outcome)s, %(reason)s, %(sent_at)s)
on conflict (channel, direction, provider_message_id) do nothing
returning id
"""


@dataclass(frozen=True, slots=True)
class Filed:
    """Where a message was filed. `message_id` is None when it had been filed before."""

    conversation_id: UUID
    ticket_id: str
    message_id: UUID | None


async def file_message(conn: AsyncConnection, event: InboundEvent, message: InboundMessage, customer_id: UUID) -> Filed:
    """Thread, ticket and message of an inbound message; filing it again changes nothing."""
    conversation_id = await _find_or_open(conn, message, customer_id)
    ticket = await open_ticket(
        conn,
        conversation_id,
        customer_id,
        message,
        ticket_id=event.ticket_id,
        category=message.category or "general",
        priority=message.priority,
    )
    message_id = await _add_message(conn, event, message, conversation_id, customer_id, ticket.id)
    if message_id is not None and message.automatic is None:
        await conn.execute(_REOPEN, {"ticket_id": ticket.id})
    return Filed(conversation_id, ticket.id, message_id)


async def _find_or_open(conn: AsyncConnection, message: InboundMessage, customer_id: UUID) -> UUID:
    conversation_id, thread_key = await _find_thread(conn, message, customer_id)
    if conversation_id is None:
        conversation_id = await _open(conn, message, customer_id, thread_key)
    await conn.execute(_TOUCH, {"id": conversation_id, "thread": Jsonb(_thread(message))})
    return conversation_id


async def _find_thread(
    conn: AsyncConnection, message: InboundMessage, customer_id: UUID
) -> tuple[UUID | None, str | None]:
    """The conversation that a message continues, or None and the key under which it opens its own.

    A thread joins only when its key and its sender agree, and the sender's proof too: a claim never enters what was proved.
    """
    if message.thread_key is None:
        return None, None
    claimed = message.sender.evidence == "claimed"
    for key in (message.thread_key, f"{message.thread_key}#{customer_id}"):
        values = {"channel": message.channel, "thread_key": key, "customer_id": customer_id, "claimed": claimed}
        row = await (await conn.execute(_FIND_THREAD, values)).fetchone()
        if row is None:
            return None, key
        if row[1]:
            return row[0], key
    return None, None


async def _open(conn: AsyncConnection, message: InboundMessage, customer_id: UUID, thread_key: str | None) -> UUID:
    values = {
        "customer_id": customer_id,
        "channel": message.channel,
        "thread_key": thread_key,
        "subject": message.subject,
        "evidence": message.sender.evidence,
        "kind": message.sender.kind,
        "address": normalise(message.sender),
    }
    row = await (await conn.execute(_OPEN, values)).fetchone()
    assert row is not None
    return row[0]


def _thread(message: InboundMessage) -> dict[str, str | None]:
    """What a reply needs to join the thread: kept with the conversation, the newest message wins."""
    return {
        "recipient": message.sender.value,
        "subject": message.subject,
        "provider_message_id": message.provider_message_id,
        "thread_key": message.thread_key,
        **dict(message.headers),
    }


async def open_ticket(
    conn: AsyncConnection,
    conversation_id: UUID,
    customer_id: UUID,
    message: InboundMessage,
    *,
    ticket_id: str | None,
    category: Category,
    priority: Priority,
) -> Ticket:
    """The open ticket of a conversation, made if there is none. The unique index makes it one, not a look before the write."""
    values = {
        "ticket_id": ticket_id or new_ticket_id(),
        "conversation_id": conversation_id,
        "customer_id": customer_id,
        "channel": message.channel,
        "subject": message.subject,
        "category": category,
        "priority": priority,
    }
    await conn.execute(_OPEN_TICKET, values)
    ticket = await find_ticket(conn, conversation_id)
    assert ticket is not None
    return ticket


async def find_ticket(conn: AsyncConnection, conversation_id: UUID) -> Ticket | None:
    async with conn.cursor(row_factory=class_row(Ticket)) as cursor:
        await cursor.execute(_TICKET, {"conversation_id": conversation_id})
        return await cursor.fetchone()


async def refine_ticket(conn: AsyncConnection, ticket_id: str, *, category: Category, priority: Priority) -> None:
    """What triage learned about a ticket that already exists."""
    await conn.execute(_REFINE, {"ticket_id": ticket_id, "category": category, "priority": priority})


async def _add_message(
    conn: AsyncConnection,
    event: InboundEvent,
    message: InboundMessage,
    conversation_id: UUID,
    customer_id: UUID,
    ticket_id: str,
) -> UUID | None:
    values = {
        "conversation_id": conversation_id,
        "customer_id": customer_id,
        "ticket_id": ticket_id,
        "event_id": event.id,
        "channel": message.channel,
        "subject": message.subject,
        "text": message.text,
        "full_text": message.full_text,
        "provider_message_id": message.provider_message_id,
        "automatic": message.automatic,
        "attachments": Jsonb([dict(a) for a in message.attachments]),
        "headers": Jsonb(dict(message.headers)),
        "outcome": "silent" if message.automatic else None,
        "reason": f"auto_reply:{message.automatic}" if message.automatic else None,
        "sent_at": message.sent_at,
    }
    row = await (await conn.execute(_ADD_MESSAGE, values)).fetchone()
    return None if row is None else row[0]
