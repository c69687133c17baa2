from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from core.errors import Conflict, NotFound
from core.models import Sender
from crm.customers import recognise_customer
from crm.matching import MAX_BLOCK
from crm.merges import accept_suggestion, merge_customers, unmerge
from crm.pool import Pool, transaction
from crm.suggestions import list_living, list_suggestions, reject_suggestion, suggest_for

MAIL = Sender("email", "ada.osei@example.org", "verified", "Ada Osei")
FORM = Sender("email", "ada.osei@example.org", "claimed", "Ada Osei")
SLIP = Sender("email", "ada.osie@example.org", "verified", "Ada Osei")
NAMESAKE = Sender("phone", "+491701234567", "verified", "Ada Osei")
STRANGER = Sender("email", "eva.lund@example.org", "verified", "Eva Lund")


async def _meet(pool: Pool, *senders: Sender) -> list[UUID]:
    """Each in a transaction of its own, as intake does it."""
    met = []
    for sender in senders:
        async with transaction(pool) as conn:
            met.append(await recognise_customer(conn, sender))
    return met


async def _open(pool: Pool) -> list[Any]:
    async with transaction(pool) as conn:
        return await list_suggestions(conn)


async def test_a_new_customer_who_resembles_another_is_suggested_at_once_with_reasons(pool: Pool) -> None:
    ids = await _meet(pool, STRANGER, NAMESAKE, MAIL, FORM)
    [suggestion] = await _open(pool)
    assert {suggestion.one_id, suggestion.other_id} == set(ids[2:])
    assert suggestion.score > 0.99
    assert suggestion.reasons == ["email address is the same", "surname is the same", "given name is the same"]


async def test_a_name_learned_later_makes_the_suggestion(pool: Pool) -> None:
    await _meet(pool, MAIL, Sender("email", "ada.osei@mail.example", "verified"))
    assert await _open(pool) == []
    await _meet(pool, Sender("email", "ada.osei@mail.example", "verified", "Ada Osei"))
    assert len(await _open(pool)) == 1


async def test_nobody_is_joined_by_likeness_alone(pool: Pool) -> None:
    ids = await _meet(pool, MAIL, FORM, SLIP)
    assert len(set(ids)) == 3
    async with transaction(pool) as conn:
        rows = await (await conn.execute("select from customers where merged_into is not null")).fetchall()
    assert rows == []
    assert len(await _open(pool)) == 3


async def test_accepting_merges_into_the_one_with_proof(pool: Pool) -> None:
    form, mail = await _meet(pool, FORM, MAIL)
    [suggestion] = await _open(pool)
    async with transaction(pool) as conn:
        merge = await accept_suggestion(conn, suggestion.id, reason="she said so", by="grace")
    assert (merge.survivor_id, merge.merged_id, merge.score) == (mail, form, suggestion.score)
    assert await _open(pool) == []
    async with transaction(pool) as conn:
        with pytest.raises(Conflict, match="accepted before"):
            await accept_suggestion(conn, suggestion.id, reason="again", by="grace")


async def test_what_was_rejected_or_undone_is_not_suggested_again(pool: Pool) -> None:
    form, mail, slip = await _meet(pool, FORM, MAIL, SLIP)
    async with transaction(pool) as conn:
        for suggestion in await list_suggestions(conn):
            if slip in (suggestion.one_id, suggestion.other_id):
                await reject_suggestion(conn, suggestion.id, by="grace")
        merge = await merge_customers(conn, mail, form, reason="x", by="grace")
        await unmerge(conn, merge.id, by="grace")
        for customer in (form, mail, slip):
            await suggest_for(conn, customer)
        assert await list_suggestions(conn) == []


async def test_a_survivor_is_suggested_for_what_the_merged_one_resembled(pool: Pool) -> None:
    phone, mail, slip = await _meet(pool, NAMESAKE, MAIL, SLIP)
    async with transaction(pool) as conn:
        await merge_customers(conn, phone, mail, reason="x", by="me")
        pairs = [{s.one_id, s.other_id} for s in await list_suggestions(conn)]
    assert pairs == [{phone, slip}]


async def test_an_address_that_a_crowd_shares_is_passed_over(pool: Pool) -> None:
    async with transaction(pool) as conn:
        for number in range(MAX_BLOCK + 1):
            await recognise_customer(conn, Sender("email", f"info@shop{number}.example", "verified"))
        keys = await (
            await conn.execute("select count(*) from customer_match_keys where key = 'local:info'")
        ).fetchone()
        assert keys == (MAX_BLOCK + 1,)
        assert await list_suggestions(conn) == []


async def test_unknown_suggestions_and_pages(pool: Pool) -> None:
    ids = await _meet(pool, MAIL, STRANGER)
    async with transaction(pool) as conn:
        with pytest.raises(NotFound, match="no suggestion 7"):
            await reject_suggestion(conn, 7, by="me")
        first = await list_living(conn, after=UUID(int=0), limit=1)
        rest = await list_living(conn, after=first[0], limit=5)
    assert first + rest == sorted(ids)
