"""How a claimed address becomes a confirmed one: its owner names the ticket, or a person says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection

from core.errors import Conflict
from core.models import InboundMessage, Sender
from core.vocabulary import IdentifierKind
from crm.audit import record_act
from crm.customers import lock_address, normalise
from crm.merges import hold_joining, require_living
from crm.suggestions import suggest_for

MAX_TICKETS_NAMED: Final = 5
_TICKET = re.compile(r"\btkt_[0-9A-Za-z]{22}\b")
# The conversation of a named ticket, if it was begun under this very address and nobody has proved it yet.
_CONFIRM = """
update conversations c set customer_id = i.customer_id, origin_id = i.origin_id, evidence = 'confirmed'
from customer_identifiers i, tickets k, conversations before
where k.id = any(%(tickets)s) and c.id = k.conversation_id and before.id = c.id
  and c.evidence = 'claimed' and lower(c.thread ->> 'recipient') = %(address)s
  and i.customer_id = %(customer_id)s and i.kind = 'email' and i.value = %(address)s and i.evidence <> 'claimed'
returning c.id, before.customer_id
"""
_PROVED_BY = """
select customer_id from customer_identifiers where kind = %(kind)s and value = %(value)s and evidence <> 'claimed'
"""
_PROMOTE = """
update customer_identifiers set evidence = 'confirmed'
where customer_id = %(customer_id)s and kind = %(kind)s and value = %(value)s and evidence = 'claimed'
"""
_ADD = """
insert into customer_identifiers (customer_id, kind, value, evidence) values (%(customer_id)s, %(kind)s, %(value)s, 'confirmed')
"""


async def confirm_named_tickets(conn: AsyncConnection, customer_id: UUID, message: InboundMessage) -> Sequence[UUID]:
    """The conversations that a proved mail confirms by naming their tickets; they become its sender's.

    A ticket number has 131 random bits and is shown to whoever wrote and sent to the address they gave. A proved mail from
    that address that names it comes from the address's owner, about that conversation. It moves nothing else.
    """
    tickets = set(_TICKET.findall(f"{message.subject or ''}\n{message.full_text}"))
    if message.sender.kind != "email" or message.sender.evidence == "claimed" or not tickets:
        return []
    values = {
        "tickets": sorted(tickets)[:MAX_TICKETS_NAMED],
        "address": normalise(message.sender),
        "customer_id": customer_id,
    }
    rows = await (await conn.execute(_CONFIRM, values)).fetchall()
    for conversation_id, before in rows:
        await record_act(
            conn, "intake", "conversation.confirmed", conversation_id, from_customer=before, to_customer=customer_id
        )
    return [row[0] for row in rows]


async def confirm_address(
    conn: AsyncConnection, customer_id: UUID, kind: IdentifierKind, value: str, *, by: str
) -> None:
    """A person has seen proof that an address is this customer's. Raises Conflict where it is proved already."""
    values = {"customer_id": customer_id, "kind": kind, "value": normalise(Sender(kind, value, "confirmed"))}
    await hold_joining(conn)
    await require_living(conn, [customer_id])
    await lock_address(conn, kind, values["value"])
    row = await (await conn.execute(_PROVED_BY, values)).fetchone()
    if row is not None and row[0] == customer_id:
        raise Conflict("This address is proved for this customer already", customer_id=customer_id)
    if row is not None:
        raise Conflict(
            f"This address is proved for another customer: if they are one person, merge {row[0]}", customer_id=row[0]
        )
    if (await conn.execute(_PROMOTE, values)).rowcount == 0:
        await conn.execute(_ADD, values)
    await suggest_for(conn, customer_id)
    await record_act(conn, by, "customer.confirmed", customer_id, kind=kind)
