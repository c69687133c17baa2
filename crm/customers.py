"""Customers and their addresses. An address counts as proof only with evidence."""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection

from core.models import Sender

# The advisory lock makes "look, then insert" safe for one address; the unique indexes refuse whatever slips by.
_LOCK = "select pg_advisory_xact_lock(hashtextextended(%(kind)s || ':' || %(value)s, 7))"
_FIND = """
select customer_id from customer_identifiers
where kind = %(kind)s and value = %(value)s and (evidence = 'claimed') = %(claimed)s
"""
_INSERT_CUSTOMER = "insert into customers (name) values (%(name)s) returning id"
_INSERT_IDENTIFIER = """
insert into customer_identifiers (customer_id, kind, value, evidence)
values (%(customer_id)s, %(kind)s, %(value)s, %(evidence)s)
"""
_NAME = (
    "update customers set name = %(name)s where id = %(customer_id)s and name is null and %(name)s::text is not null"
)


async def recognise_customer(conn: AsyncConnection, sender: Sender) -> UUID:
    """The customer behind an address, made if new. Proof and claim are kept apart: a claimed address never reaches a proved customer."""
    values = {
        "kind": sender.kind,
        "value": normalise(sender),
        "claimed": sender.evidence == "claimed",
        "evidence": sender.evidence,
        "name": sender.name,
    }
    await conn.execute(_LOCK, values)
    row = await (await conn.execute(_FIND, values)).fetchone()
    if row is not None:
        await conn.execute(_NAME, {"customer_id": row[0], "name": sender.name})
        return row[0]
    created = await (await conn.execute(_INSERT_CUSTOMER, values)).fetchone()
    assert created is not None
    await conn.execute(_INSERT_IDENTIFIER, {**values, "customer_id": created[0]})
    return created[0]


def normalise(sender: Sender) -> str:
    return sender.value.strip().lower() if sender.kind == "email" else sender.value.strip()
