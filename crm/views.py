"""Read models: the ticket page, a conversation with all that happened in it, and who a customer is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.errors import NotFound
from core.ids import is_ticket_id
from core.models import Sender
from core.vocabulary import (
    Author,
    Category,
    Channel,
    DeliveryStatus,
    Direction,
    Evidence,
    IdentifierKind,
    MessageKind,
    Outcome,
    Owner,
    Priority,
    TicketStatus,
)
from crm.customers import normalise
from crm.merges import find_living
from crm.spending import TicketCost, TurnCost, list_ticket_costs, list_turn_costs

# Answered means that the customer can read it: until the reply has arrived the ticket is still being worked on.
_TICKET = """
select id as ticket_id, subject, channel, category, priority, created_at, updated_at,
       case when status = 'resolved' and exists (
                select from messages m join deliveries d on d.message_id = m.id
                where m.ticket_id = tickets.id and d.channel = m.channel and d.status in ('queued', 'sending'))
            then 'processing' else status end as status
from tickets where id = %(id)s
"""
# What a customer may see: their own words, and what has reached them. Sources without the passages behind them.
_PUBLIC_MESSAGES = """
select m.id, m.author, m.body, m.created_at,
       coalesce((select jsonb_agg(jsonb_build_object('title', s.title, 'url', s.url) order by s.first)
                 from (select title, url, min(sentence_no) as first from reply_sources
                       where message_id = m.id group by title, url) s), '[]') as sources
from messages m left join deliveries d on d.message_id = m.id and d.channel = m.channel
where m.ticket_id = %(id)s
  and ((m.direction = 'inbound' and m.automatic is null) or d.status in ('sent', 'delivered', 'read'))
order by m.seq
"""
_ACCEPTED = """
select id, body, received_at, channel from inbound_events
where ticket_id = %(id)s and channel = 'web_form' and kind = 'message'
"""

_CONVERSATION = """
select c.id, c.channel, coalesce(c.reply_channel, c.channel) as reply_channel, c.subject, c.owner, c.evidence, c.sentiment,
       c.created_at, c.updated_at, c.customer_id, u.name as customer_name, c.related_to
from conversations c join customers u on u.id = c.customer_id where c.id = %(id)s
"""
_TICKETS = """
select id as ticket_id, subject, status, channel, category, priority, created_at, updated_at, escalation_reason
from tickets where conversation_id = %(id)s order by created_at
"""
_MESSAGES = """
select m.id, m.seq, m.ticket_id, m.turn_id, m.direction, m.author, m.kind, m.body, m.created_at, m.sentiment,
       m.automatic, m.outcome, m.outcome_reason, m.attachments, d.status as delivery_status,
       (select status from deliveries where message_id = m.id and channel <> m.channel) as copy_status,
       coalesce((select jsonb_agg(jsonb_build_object('title', s.title, 'url', s.url) order by s.first)
                 from (select title, url, min(sentence_no) as first from reply_sources
                       where message_id = m.id group by title, url) s), '[]') as sources
from messages m left join deliveries d on d.message_id = m.id and d.channel = m.channel
where m.conversation_id = %(id)s and (%(before)s::bigint is null or m.seq < %(before)s)
order by m.seq desc limit %(limit)s
"""

# An identifier belongs to the living customer, so whoever was merged away is found as the survivor. Proof before claim.
_CUSTOMERS = """
select u.id, u.name, u.created_at, (array_agg(i.evidence order by i.evidence = 'claimed'))[1] as evidence
from customer_identifiers i join customers u on u.id = i.customer_id
where i.kind = %(kind)s and i.value = %(value)s
group by u.id order by bool_and(i.evidence = 'claimed'), u.created_at
"""
_CUSTOMER = """
select u.id, u.name, u.created_at, coalesce((array_agg(i.evidence order by i.evidence = 'claimed'))[1], 'claimed') as evidence
from customers u left join customer_identifiers i on i.customer_id = u.id where u.id = %(id)s group by u.id
"""
_IDENTIFIERS = """
select customer_id, kind, value, evidence from customer_identifiers
where customer_id = any(%(ids)s) order by created_at, kind, value
"""
_CONVERSATIONS = """
select customer_id, id, channel, subject, owner, created_at, updated_at, ticket_id, status
from (
    select c.customer_id, c.id, c.channel, c.subject, c.owner, c.created_at, c.updated_at, k.id as ticket_id, k.status,
           row_number() over (partition by c.customer_id order by c.updated_at desc, k.created_at desc) as recent
    from conversations c left join lateral
         (select id, status, created_at from tickets where conversation_id = c.id
          order by created_at desc limit 1) k on true
    where c.customer_id = any(%(ids)s)
) newest
where recent <= %(limit)s order by updated_at desc
"""
RECENT_CONVERSATIONS = 20
_NO_TICKET = "There is no such ticket. Check the ticket number that you were given: it starts with tkt_"


class SourceLink(TypedDict):
    title: str
    url: str | None


@dataclass(frozen=True, slots=True)
class PublicMessage:
    id: UUID
    author: Author
    body: str
    created_at: datetime
    sources: list[SourceLink]


@dataclass(frozen=True, slots=True)
class TicketFacts:
    ticket_id: str
    subject: str | None
    status: TicketStatus
    channel: Channel
    category: Category
    priority: Priority
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TicketPage:
    """A ticket as its owner may see it."""

    ticket: TicketFacts
    messages: list[PublicMessage]


async def get_ticket_page(conn: AsyncConnection, ticket_id: str) -> TicketPage:
    """What the ticket page shows, valid from the submit on. Raises NotFound, alike for malformed and unknown ids."""
    if not is_ticket_id(ticket_id):
        raise NotFound(_NO_TICKET)
    async with conn.cursor(row_factory=class_row(TicketFacts)) as cursor:
        await cursor.execute(_TICKET, {"id": ticket_id})
        ticket = await cursor.fetchone()
    if ticket is None:
        return await _accepted_page(conn, ticket_id)
    async with conn.cursor(row_factory=class_row(PublicMessage)) as cursor:
        await cursor.execute(_PUBLIC_MESSAGES, {"id": ticket_id})
        return TicketPage(ticket, await cursor.fetchall())


async def _accepted_page(conn: AsyncConnection, ticket_id: str) -> TicketPage:
    """Intake has not opened the ticket yet: what was accepted is the ticket."""
    row = await (await conn.execute(_ACCEPTED, {"id": ticket_id})).fetchone()
    if row is None:
        raise NotFound(_NO_TICKET)
    event_id, body, received_at, channel = row
    ticket = TicketFacts(
        ticket_id=ticket_id,
        subject=body["subject"],
        status="open",
        channel=channel,
        category=body["category"],
        priority=body["priority"],
        created_at=received_at,
        updated_at=received_at,
    )
    return TicketPage(ticket, [PublicMessage(event_id, "customer", body["message"], received_at, [])])


@dataclass(frozen=True, slots=True)
class ConversationTicket(TicketFacts):
    escalation_reason: str | None


@dataclass(frozen=True, slots=True)
class ConversationMessage:
    """`seq` orders the messages of all conversations and is the cursor of a page."""

    id: UUID
    seq: int
    ticket_id: str
    turn_id: UUID | None
    direction: Direction
    author: Author
    kind: MessageKind
    body: str
    created_at: datetime
    sentiment: float | None
    automatic: str | None
    outcome: Outcome | None
    outcome_reason: str | None
    attachments: list[dict[str, Any]]
    delivery_status: DeliveryStatus | None
    copy_status: DeliveryStatus | None
    sources: list[SourceLink]


@dataclass(frozen=True, slots=True)
class ConversationFacts:
    id: UUID
    channel: Channel
    reply_channel: Channel
    subject: str | None
    owner: Owner
    evidence: Evidence
    sentiment: float | None
    created_at: datetime
    updated_at: datetime
    customer_id: UUID
    customer_name: str | None
    related_to: UUID | None


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation and a page of its messages, oldest first; `next_before` leads to the page before, if any.

    `costs` by ticket id; `turns` are the newest, oldest first.
    """

    conversation: ConversationFacts
    tickets: list[ConversationTicket]
    messages: list[ConversationMessage]
    next_before: int | None
    costs: dict[str, TicketCost]
    turns: list[TurnCost]


async def get_conversation_view(
    conn: AsyncConnection, conversation_id: UUID, *, limit: int = 100, before: int | None = None
) -> ConversationView:
    """The newest `limit` messages, or those before a `seq`. Raises NotFound."""
    values = {"id": conversation_id, "before": before, "limit": limit + 1}
    async with conn.cursor(row_factory=class_row(ConversationFacts)) as cursor:
        await cursor.execute(_CONVERSATION, values)
        conversation = await cursor.fetchone()
    if conversation is None:
        raise NotFound("There is no such conversation", conversation_id=conversation_id)
    async with conn.cursor(row_factory=class_row(ConversationTicket)) as cursor:
        await cursor.execute(_TICKETS, values)
        tickets = await cursor.fetchall()
    async with conn.cursor(row_factory=class_row(ConversationMessage)) as cursor:
        await cursor.execute(_MESSAGES, values)
        newest_first = await cursor.fetchall()
    page = newest_first[:limit][::-1]
    costs = {cost.ticket_id: cost for cost in await list_ticket_costs(conn, conversation_id)}
    turns = await list_turn_costs(conn, conversation_id, limit=limit)
    before = page[0].seq if len(newest_first) > limit else None
    return ConversationView(conversation, tickets, page, before, costs, turns)


@dataclass(frozen=True, slots=True)
class Identifier:
    kind: IdentifierKind
    value: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """`ticket_id` and `status` are of the newest ticket."""

    id: UUID
    channel: Channel
    subject: str | None
    owner: Owner
    created_at: datetime
    updated_at: datetime
    ticket_id: str | None
    status: TicketStatus | None


@dataclass(frozen=True, slots=True)
class CustomerView:
    """A customer behind an address; `evidence` says how sure it is that the address is theirs."""

    id: UUID
    name: str | None
    created_at: datetime
    evidence: Evidence
    identifiers: list[Identifier]
    conversations: list[ConversationSummary]


async def find_customers(conn: AsyncConnection, kind: Literal["email", "phone"], value: str) -> list[CustomerView]:
    """Who is behind an address: the proved customer first, then the one who merely claimed it."""
    address = normalise(Sender(kind, value, "claimed"))
    rows = await (await conn.execute(_CUSTOMERS, {"kind": kind, "value": address})).fetchall()
    return await _customer_views(conn, rows)


async def get_customer_view(conn: AsyncConnection, customer_id: UUID) -> CustomerView:
    """The living customer that an id leads to. Raises NotFound."""
    living = await find_living(conn, customer_id)
    if living is None:
        raise NotFound(f"There is no customer {customer_id}", customer_id=customer_id)
    rows = await (await conn.execute(_CUSTOMER, {"id": living})).fetchall()
    return (await _customer_views(conn, rows))[0]


async def _customer_views(conn: AsyncConnection, rows: list[Any]) -> list[CustomerView]:
    values = {"ids": [row[0] for row in rows], "limit": RECENT_CONVERSATIONS}
    identifiers = await (await conn.execute(_IDENTIFIERS, values)).fetchall() if rows else []
    conversations = await (await conn.execute(_CONVERSATIONS, values)).fetchall() if rows else []
    return [
        CustomerView(
            id=customer_id,
            name=name,
            created_at=created_at,
            evidence=evidence,
            identifiers=[Identifier(*rest) for owner, *rest in identifiers if owner == customer_id],
            conversations=[ConversationSummary(*rest) for owner, *rest in conversations if owner == customer_id],
        )
        for customer_id, name, created_at, evidence in rows
    ]
