"""Customers and their addresses. An address counts as proof only with evidence."""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection

from core.models import Sender
from core.vocabulary import IdentifierKind
from crm.suggestions import suggest_for, suggest_pair

# The advisory lock makes "look, then insert" safe for one address; the unique indexes refuse whatever slips by.
_LOCK = "select pg_advisory_xact_lock(hashtextextended(%(kind)s || ':' || %(value)s, 7))"
# Held until the message is filed: a merge waits for it, and whoever waited for a merge reads the new owner.
_FIND = """
select customer_id, origin_id from customer_identifiers
where kind = %(kind)s and value = %(value)s and (evidence = 'claimed') = %(claimed)s for share
"""
_INSERT_CUSTOMER = "insert into customers (name) values (%(name)s) returning id"
_INSERT_IDENTIFIER = """
insert into customer_identifiers (customer_id, kind, value, evidence)
values (%(customer_id)s, %(kind)s, %(value)s, %(evidence)s)
"""
# The name goes with the address, so that a merge which is undone leaves it with nobody else.
_NAME = (
    "update customers set name = %(name)s where id = %(customer_id)s and name is null and %(name)s::text is not null"
)
# The signed message that names a telephone and an account proves that they are one person's.
_LINK = """
insert into customer_identifiers (customer_id, origin_id, kind, value, evidence)
select customer_id, origin_id, 'whatsapp_user_id', %(account)s, 'verified' from customer_identifiers
where customer_id = %(customer_id)s and kind = 'phone' and value = %(value)s and evidence <> 'claimed'
on conflict (kind, value) where evidence <> 'claimed' do nothing
"""
_HOLDER = """
select customer_id from customer_identifiers
where kind = 'whatsapp_user_id' and value = %(account)s and evidence <> 'claimed' and customer_id <> %(customer_id)s
"""


async def recognise_customer(conn: AsyncConnection, sender: Sender) -> UUID:
    """The living customer behind an address, made if new. Proof and claim are kept apart: only a merge brings both to one customer."""
    values = {
        "kind": sender.kind,
        "value": normalise(sender),
        "claimed": sender.evidence == "claimed",
        "evidence": sender.evidence,
        "name": sender.name,
    }
    await lock_address(conn, sender.kind, values["value"])
    row = await (await conn.execute(_FIND, values)).fetchone()
    if row is not None:
        if (await conn.execute(_NAME, {"customer_id": row[1], "name": sender.name})).rowcount:
            await suggest_for(conn, row[0])
        return row[0]
    created = await (await conn.execute(_INSERT_CUSTOMER, values)).fetchone()
    assert created is not None
    await conn.execute(_INSERT_IDENTIFIER, {**values, "customer_id": created[0]})
    await suggest_for(conn, created[0])
    return created[0]


async def link_account(conn: AsyncConnection, customer_id: UUID, sender: Sender, account: str) -> None:
    """Know a WhatsApp customer by the account too, for when the number is hidden. Held by another, it is for a person to decide.

    Numbers change hands: the account may be the new owner's while the telephone still leads to the old one.
    """
    if sender.kind != "phone" or sender.evidence == "claimed":
        return
    values = {"customer_id": customer_id, "value": normalise(sender), "account": account}
    if (await conn.execute(_LINK, values)).rowcount == 0:
        row = await (await conn.execute(_HOLDER, values)).fetchone()
        if row is not None:
            await suggest_pair(conn, customer_id, row[0], score=0.99, reason="WhatsApp account is the same")


async def lock_address(conn: AsyncConnection, kind: IdentifierKind, value: str) -> None:
    """Nobody else recognises or confirms this address until the transaction ends."""
    await conn.execute(_LOCK, {"kind": kind, "value": value})


def normalise(sender: Sender) -> str:
    return sender.value.strip().lower() if sender.kind == "email" else sender.value.strip()
