"""Two customers become one, and two again.

A merge only points one customer at another: every row keeps the customer it was first recorded for (`origin_id`), and its
owner is the living customer that this leads to. So a merge can be undone at any time and in any order, and what came in
meanwhile goes with the address by which it came.

Joining is rare, so one transaction at a time does it; then it waits for whoever is filing a message under an address that
moves: intake holds the identifier meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.errors import Conflict, NotFound
from crm.audit import record_act
from crm.suggestions import accept_pair, forget_keys, reject_pair, suggest_for, take_suggestion

_LIVING = """
with recursive path as (
    select id, merged_into from customers where id = %(id)s
    union select c.id, c.merged_into from customers c join path on c.id = path.merged_into
)
select id from path where merged_into is null
"""
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('fte.customers.join'))"
_STATES = "select id, merged_into, erased_at is not null from customers where id = any(%(ids)s)"
_TREE = """
with recursive tree as (
    select %(root)s::uuid as id union select c.id from customers c join tree on c.merged_into = tree.id
)
"""
_LIST_TREE = _TREE + "select id from tree"
_LOCK: tuple[LiteralString, ...] = (
    _TREE + "select id from customer_identifiers where origin_id in (select id from tree) order by id for update",
    _TREE + "select id from conversations where origin_id in (select id from tree) order by id for update",
)
_MOVE: tuple[LiteralString, ...] = (
    _TREE + "update customer_identifiers set customer_id = %(owner)s where origin_id in (select id from tree)",
    _TREE + "update conversations set customer_id = %(owner)s where origin_id in (select id from tree)",
)
_SURVIVOR = """
select u.id from customers u where u.id = any(%(ids)s)
order by exists (select from customer_identifiers i where i.customer_id = u.id and i.evidence <> 'claimed') desc, u.created_at, u.id
limit 1
"""
_POINT = "update customers set merged_into = %(survivor)s where id = %(merged)s"
_RECORD = """
insert into customer_merges (survivor_id, merged_id, reason, score, merged_by)
values (%(survivor)s, %(merged)s, %(reason)s, %(score)s, %(by)s) returning id
"""
_COLUMNS = """
select id, survivor_id, merged_id, reason, score, merged_by, merged_at, undone_by, undone_at from customer_merges
"""
_GET = _COLUMNS + "where id = %(id)s"
_OF = _COLUMNS + "where (survivor_id = any(%(ids)s) or merged_id = any(%(ids)s)) order by id"
_UNDO = """
update customer_merges set undone_by = %(by)s, undone_at = now() where id = %(id)s and undone_at is null
"""


@dataclass(frozen=True, slots=True)
class Merge:
    """`merged_id` was joined to `survivor_id`; while `undone_at` is None it stands. `score` is how alike they looked."""

    id: int
    survivor_id: UUID
    merged_id: UUID
    reason: str
    score: float
    merged_by: str
    merged_at: datetime
    undone_by: str | None
    undone_at: datetime | None


async def merge_customers(conn: AsyncConnection, survivor: UUID, merged: UUID, *, reason: str, by: str) -> Merge:
    """Join two living customers. Raises NotFound, or Conflict where one of them cannot be joined."""
    if survivor == merged:
        raise Conflict("These are one customer already", customer_id=survivor)
    await hold_joining(conn)
    await require_living(conn, (survivor, merged))
    score = await accept_pair(conn, survivor, merged, by=by)
    values = {"survivor": survivor, "merged": merged, "reason": reason, "score": score, "by": by}
    row = await (await conn.execute(_RECORD, values)).fetchone()
    assert row is not None
    await conn.execute(_POINT, values)
    await _move(conn, root=merged, owner=survivor)
    await forget_keys(conn, [merged])
    await suggest_for(conn, survivor)
    await record_act(conn, by, "customer.merged", survivor, merge_id=row[0], merged_id=merged)
    return await get_merge(conn, row[0])


async def accept_suggestion(conn: AsyncConnection, suggestion_id: int, *, reason: str, by: str) -> Merge:
    """Merge the two: who has a proved address survives, then who is older."""
    await hold_joining(conn)
    suggestion = await take_suggestion(conn, suggestion_id)
    pair = [suggestion.one_id, suggestion.other_id]
    row = await (await conn.execute(_SURVIVOR, {"ids": pair})).fetchone()
    assert row is not None
    pair.remove(row[0])
    return await merge_customers(conn, row[0], pair[0], reason=reason, by=by)


async def unmerge(conn: AsyncConnection, merge_id: int, *, by: str) -> Merge:
    """Take a merge back. Raises NotFound, or Conflict where it was taken back before or the customer was erased."""
    await hold_joining(conn)
    merge = await get_merge(conn, merge_id)
    owner = await find_living(conn, merge.merged_id)
    assert owner is not None
    if any(erased for _, _, erased in await _states(conn, [owner])):
        raise Conflict(f"Merge {merge_id} cannot be undone: the customer was erased", merge_id=merge_id)
    if (await conn.execute(_UNDO, {"id": merge_id, "by": by})).rowcount == 0:
        raise Conflict(f"Merge {merge_id} was undone before", merge_id=merge_id)
    await conn.execute(_POINT, {"survivor": None, "merged": merge.merged_id})
    await _move(conn, root=merge.merged_id, owner=merge.merged_id)
    await reject_pair(conn, merge.survivor_id, merge.merged_id, by=by)
    for customer_id in sorted((owner, merge.merged_id)):
        await suggest_for(conn, customer_id)
    await record_act(conn, by, "customer.unmerged", merge.survivor_id, merge_id=merge_id, merged_id=merge.merged_id)
    return await get_merge(conn, merge_id)


async def get_merge(conn: AsyncConnection, merge_id: int) -> Merge:
    async with conn.cursor(row_factory=class_row(Merge)) as cursor:
        await cursor.execute(_GET, {"id": merge_id})
        merge = await cursor.fetchone()
    if merge is None:
        raise NotFound(f"There is no merge {merge_id}: `fte customers show` lists the merges of a customer")
    return merge


async def list_merges(conn: AsyncConnection, customer_ids: Sequence[UUID]) -> list[Merge]:
    """Every merge that these customers took part in, undone ones too."""
    async with conn.cursor(row_factory=class_row(Merge)) as cursor:
        await cursor.execute(_OF, {"ids": list(customer_ids)})
        return await cursor.fetchall()


async def find_living(conn: AsyncConnection, customer_id: UUID) -> UUID | None:
    """The customer that an id leads to today; None where there is no such customer."""
    row = await (await conn.execute(_LIVING, {"id": customer_id})).fetchone()
    return None if row is None else row[0]


async def list_tree(conn: AsyncConnection, customer_id: UUID) -> list[UUID]:
    """A customer and all who were merged into them."""
    return [row[0] for row in await (await conn.execute(_LIST_TREE, {"root": customer_id})).fetchall()]


async def hold_joining(conn: AsyncConnection) -> None:
    """Nobody else merges, unmerges or erases until this transaction ends."""
    await conn.execute(_ONE_AT_A_TIME)


async def lock_tree(conn: AsyncConnection, root: UUID) -> None:
    """Wait for messages that are being filed for a customer or whoever was merged into them, and keep new ones waiting."""
    for statement in _LOCK:
        await conn.execute(statement, {"root": root})


async def _states(conn: AsyncConnection, ids: Sequence[UUID]) -> list[tuple[UUID, UUID | None, bool]]:
    return await (await conn.execute(_STATES, {"ids": list(ids)})).fetchall()


async def require_living(conn: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Raises NotFound, or Conflict for a customer who was merged away or erased."""
    rows = await _states(conn, ids)
    for missing in set(ids) - {row[0] for row in rows}:
        raise NotFound(f"There is no customer {missing}", customer_id=missing)
    for customer_id, merged_into, erased in rows:
        if merged_into is not None:
            raise Conflict(f"{customer_id} was merged into {merged_into}: name that one", customer_id=customer_id)
        if erased:
            raise Conflict(f"{customer_id} was erased", customer_id=customer_id)


async def _move(conn: AsyncConnection, *, root: UUID, owner: UUID) -> None:
    """Everything first recorded for `root`, or for whoever was merged into it, becomes the owner's."""
    await lock_tree(conn, root)
    for statement in _MOVE:
        await conn.execute(statement, {"root": root, "owner": owner})
