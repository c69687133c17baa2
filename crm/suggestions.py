"""Who might be one person: found when a customer is new, kept for a person to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.errors import Conflict, NotFound
from crm.audit import record_act
from crm.matching import MAX_BLOCK, Person, block_keys, normalise, score

Status = Literal["open", "accepted", "rejected"]

_PEOPLE = """
select u.id, u.name,
       array_remove(array_agg(i.value) filter (where i.kind = 'email'), null) as email,
       array_remove(array_agg(i.value) filter (where i.kind = 'phone'), null) as phone,
       array_remove(array_agg(distinct i.kind) filter (where i.evidence = 'claimed'), null) as claimed
from customers u left join customer_identifiers i on i.customer_id = u.id
where u.id = any(%(ids)s) and u.merged_into is null and u.erased_at is null group by u.id
"""
_FORGET_KEYS = "delete from customer_match_keys where customer_id = any(%(ids)s)"
_ADD_KEYS = """
insert into customer_match_keys (customer_id, key) select %(id)s, unnest(%(keys)s::text[]) on conflict do nothing
"""
# A key that very many share is passed over, after a look at no more than that many rows.
_CANDIDATES = """
select distinct candidate from unnest(%(keys)s::text[]) as mine (key)
cross join lateral (select array(select k.customer_id from customer_match_keys k where k.key = mine.key limit %(most)s + 1)) as block (ids)
cross join lateral unnest(block.ids) as candidate
where cardinality(block.ids) <= %(most)s and candidate <> %(id)s
"""
_ADD = """
insert into merge_suggestions (one_id, other_id, score, reasons) values (%(one)s, %(other)s, %(score)s, %(reasons)s)
on conflict (one_id, other_id) do update set score = excluded.score, reasons = excluded.reasons
where merge_suggestions.status = 'open'
"""
_LIST = """
select s.id, s.one_id, s.other_id, one.name as one_name, other.name as other_name, s.score, s.reasons, s.status, s.created_at
from merge_suggestions s join customers one on one.id = s.one_id join customers other on other.id = s.other_id
where s.status = 'open' and one.merged_into is null and other.merged_into is null
order by s.score desc, s.id limit %(limit)s
"""
_GET = """
select s.id, s.one_id, s.other_id, one.name as one_name, other.name as other_name, s.score, s.reasons, s.status, s.created_at
from merge_suggestions s join customers one on one.id = s.one_id join customers other on other.id = s.other_id
where s.id = %(id)s for update of s
"""
_DECIDE = "update merge_suggestions set status = %(status)s, decided_by = %(by)s, decided_at = now() where id = %(id)s"
_ACCEPT_PAIR = """
insert into merge_suggestions (one_id, other_id, score, reasons, status, decided_by, decided_at)
values (%(one)s, %(other)s, %(score)s, %(reasons)s, 'accepted', %(by)s, now())
on conflict (one_id, other_id) do update
set score = excluded.score, reasons = excluded.reasons, status = 'accepted', decided_by = excluded.decided_by, decided_at = now()
"""
_REJECT_PAIR = """
update merge_suggestions set status = 'rejected', decided_by = %(by)s, decided_at = now()
where one_id = %(one)s and other_id = %(other)s
"""
_LIVING = """
select id from customers where merged_into is null and erased_at is null and id > %(after)s order by id limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Two living customers who might be one, and why; `score` is 0 to 1."""

    id: int
    one_id: UUID
    other_id: UUID
    one_name: str | None
    other_name: str | None
    score: float
    reasons: list[str]
    status: Status
    created_at: datetime


async def suggest_for(conn: AsyncConnection, customer_id: UUID) -> int:
    """Note by which keys a customer is found, and suggest whom they resemble; how many suggestions that made or renewed."""
    people = await _load_people(conn, [customer_id])
    await conn.execute(_FORGET_KEYS, {"ids": [customer_id]})
    if customer_id not in people:
        return 0
    values = {"id": customer_id, "keys": sorted(block_keys(people[customer_id])), "most": MAX_BLOCK}
    await conn.execute(_ADD_KEYS, values)
    candidates = [row[0] for row in await (await conn.execute(_CANDIDATES, values)).fetchall()]
    others = await _load_people(conn, candidates) if candidates else {}
    found = [
        {**_pair(customer_id, other_id), "score": match.score, "reasons": list(match.reasons)}
        for other_id, other in sorted(others.items())
        if (match := score(people[customer_id], other)).verdict != "different"
    ]
    for suggestion in found:
        await conn.execute(_ADD, suggestion)
    return len(found)


async def suggest_pair(conn: AsyncConnection, one: UUID, other: UUID, *, score: float, reason: str) -> None:
    """A suggestion for a reason that no field shows."""
    await conn.execute(_ADD, {**_pair(one, other), "score": score, "reasons": [reason]})


async def forget_keys(conn: AsyncConnection, customer_ids: Sequence[UUID]) -> None:
    await conn.execute(_FORGET_KEYS, {"ids": list(customer_ids)})


async def list_suggestions(conn: AsyncConnection, *, limit: int = 100) -> list[Suggestion]:
    """The open ones, surest first."""
    async with conn.cursor(row_factory=class_row(Suggestion)) as cursor:
        await cursor.execute(_LIST, {"limit": limit})
        return await cursor.fetchall()


async def take_suggestion(conn: AsyncConnection, suggestion_id: int) -> Suggestion:
    """An open suggestion, locked, so that two people do not decide it at once. Raises NotFound, Conflict."""
    async with conn.cursor(row_factory=class_row(Suggestion)) as cursor:
        await cursor.execute(_GET, {"id": suggestion_id})
        suggestion = await cursor.fetchone()
    if suggestion is None:
        raise NotFound(f"There is no suggestion {suggestion_id}: `fte customers suggest` lists them")
    if suggestion.status != "open":
        raise Conflict(f"Suggestion {suggestion_id} was {suggestion.status} before")
    return suggestion


async def reject_suggestion(conn: AsyncConnection, suggestion_id: int, *, by: str) -> None:
    """Two people, says a person: the pair is not suggested again."""
    await take_suggestion(conn, suggestion_id)
    await conn.execute(_DECIDE, {"id": suggestion_id, "status": "rejected", "by": by})
    await record_act(conn, by, "suggestion.rejected", suggestion_id)


async def accept_pair(conn: AsyncConnection, one: UUID, other: UUID, *, by: str) -> float:
    """A person says that two living customers are one: that settles the suggestion, made or not; their score."""
    people = await _load_people(conn, [one, other])
    match = score(people[one], people[other])
    facts = {"score": match.score, "reasons": list(match.reasons), "by": by}
    await conn.execute(_ACCEPT_PAIR, {**_pair(one, other), **facts})
    return match.score


async def reject_pair(conn: AsyncConnection, one: UUID, other: UUID, *, by: str) -> None:
    """The merge of the two was a mistake: they are not suggested again."""
    await conn.execute(_REJECT_PAIR, {**_pair(one, other), "by": by})


async def list_living(conn: AsyncConnection, *, after: UUID, limit: int) -> list[UUID]:
    """A page of the customers who are neither merged away nor erased."""
    rows = await (await conn.execute(_LIVING, {"after": after, "limit": limit})).fetchall()
    return [row[0] for row in rows]


async def _load_people(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Person]:
    rows = await (await conn.execute(_PEOPLE, {"ids": list(ids)})).fetchall()
    names = ("name", "email", "phone", "claimed")
    return {row[0]: normalise(dict(zip(names, row[1:], strict=True))) for row in rows}


def _pair(one: UUID, other: UUID) -> dict[str, Any]:
    return {"one": min(one, other), "other": max(one, other)}
