"""Merging and unmerging: whatever happens in whatever order, everything has one living owner, the one it belongs to."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Conflict, NotFound
from core.models import FormattedReply, Sender, TurnBrief, TurnResult
from crm.checkpoints import TurnSaver
from crm.customers import recognise_customer
from crm.desk import CrmDesk
from crm.ledger import read_ledger
from crm.merges import find_living, list_merges, merge_customers, unmerge
from crm.pool import Pool, transaction
from crm.turns import claim_turn
from tests.crm.inbox import write

PEOPLE = 5
_acts = st.one_of(
    st.tuples(st.just("merge"), st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1)),
    st.tuples(st.just("unmerge"), st.integers(0, 8), st.just(0)),
    st.tuples(st.just("write"), st.integers(0, PEOPLE - 1), st.just(0)),
)


class Model:
    """What must be true: who points at whom, and for whom each conversation was begun."""

    def __init__(self, people: list[UUID]) -> None:
        self.people = people
        self.points_at: dict[UUID, UUID] = {}
        self.merges: list[tuple[int, UUID]] = []
        self.home: dict[UUID, UUID] = {}

    def living(self, customer: UUID) -> UUID:
        while customer in self.points_at:
            customer = self.points_at[customer]
        return customer


async def _begin(conn: Any) -> Model:
    model = Model([])
    for number in range(PEOPLE):
        filed = await write(conn, _sender(number))
        [(customer,)] = await _rows(conn, "select customer_id from conversations where id = %s", filed)
        model.people.append(customer)
        model.home[filed] = customer
    return model


def _sender(number: int) -> Sender:
    return Sender("email", f"person{number}@example.org", "claimed" if number == 4 else "verified", f"Person {number}")


async def _act(conn: Any, model: Model, act: tuple[str, int, int]) -> None:
    kind, one, other = act
    if kind == "write":
        model.home[await write(conn, _sender(one))] = model.people[one]
    elif kind == "merge":
        survivor, merged = model.people[one], model.people[other]
        if survivor == merged or survivor in model.points_at or merged in model.points_at:
            with pytest.raises(Conflict):
                await merge_customers(conn, survivor, merged, reason="test", by="me")
            return
        merge = await merge_customers(conn, survivor, merged, reason="test", by="me")
        model.points_at[merged] = survivor
        model.merges.append((merge.id, merged))
    elif model.merges:
        merge_id, merged = model.merges.pop(one % len(model.merges))
        await unmerge(conn, merge_id, by="me")
        del model.points_at[merged]


async def _check(conn: Any, model: Model) -> None:
    owners = dict(await _rows(conn, "select id, customer_id from conversations"))
    assert owners == {conversation: model.living(home) for conversation, home in model.home.items()}
    for table in ("messages", "tickets"):
        found = await _rows(conn, f"select conversation_id, customer_id from {table}")
        assert {owners[conversation] == customer for conversation, customer in found} == {True}
    addresses = await _rows(conn, "select origin_id, customer_id from customer_identifiers")
    assert addresses
    assert all(owner == model.living(origin) for origin, owner in addresses)
    pointers = dict(await _rows(conn, "select id, merged_into from customers where merged_into is not null"))
    assert pointers == model.points_at
    for customer in model.people:
        assert await find_living(conn, customer) == model.living(customer)


async def _rows(conn: Any, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return await (await conn.execute(query, values)).fetchall()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(_acts, min_size=1, max_size=14))
async def test_any_sequence_leaves_everything_with_the_one_living_owner_it_belongs_to(pool: Pool, acts) -> None:
    async with pool.connection() as conn, conn.transaction(force_rollback=True):
        model = await _begin(conn)
        for act in acts:
            await _act(conn, model, act)
            await _check(conn, model)
        while model.merges:
            await _act(conn, model, ("unmerge", 0, 0))
        await _check(conn, model)
        assert {model.living(home) for home in model.home.values()} == set(model.people)
        assert (await read_ledger(conn)).lost == 0


@pytest.fixture
async def two(pool: Pool) -> tuple[UUID, UUID]:
    async with transaction(pool) as conn:
        mail = await recognise_customer(conn, Sender("email", "ada@example.org", "verified", "Ada Osei"))
        phone = await recognise_customer(conn, Sender("phone", "+491701234567", "verified", "Ada Osei"))
    return mail, phone


async def test_a_merge_carries_reason_and_score_and_is_in_the_audit_log(pool: Pool, two) -> None:
    async with transaction(pool) as conn:
        merge = await merge_customers(conn, *two, reason="said so on the phone", by="grace")
        undone = await unmerge(conn, merge.id, by="heidi")
        assert (merge.reason, merge.merged_by, undone.undone_by) == ("said so on the phone", "grace", "heidi")
        assert 0 < merge.score < 1
        assert await list_merges(conn, [two[0]]) == [undone]
        acts = await _rows(conn, "select actor, action from audit_log order by id")
    assert acts == [("grace", "customer.merged"), ("heidi", "customer.unmerged")]


async def test_what_cannot_be_merged_or_undone_says_why(pool: Pool, two) -> None:
    async with transaction(pool) as conn:
        with pytest.raises(NotFound, match="no customer"):
            await merge_customers(conn, two[0], uuid4(), reason="x", by="me")
        with pytest.raises(NotFound, match="no merge 99"):
            await unmerge(conn, 99, by="me")
        merge = await merge_customers(conn, *two, reason="x", by="me")
        with pytest.raises(Conflict, match=f"merged into {two[0]}"):
            await merge_customers(conn, two[1], two[0], reason="x", by="me")
        await unmerge(conn, merge.id, by="me")
        with pytest.raises(Conflict, match="undone before"):
            await unmerge(conn, merge.id, by="me")


async def test_a_name_learned_while_merged_goes_with_its_address(pool: Pool) -> None:
    async with transaction(pool) as conn:
        nameless = await recognise_customer(conn, Sender("email", "a@example.org", "verified"))
        other = await recognise_customer(conn, Sender("phone", "+491701234567", "verified"))
        merge = await merge_customers(conn, nameless, other, reason="x", by="me")
        await recognise_customer(conn, Sender("phone", "+491701234567", "verified", "Kofi"))
        await unmerge(conn, merge.id, by="me")
        names = dict(await _rows(conn, "select id, name from customers"))
    assert names == {nameless: None, other: "Kofi"}


async def test_of_many_merges_at_once_those_that_fit_win_and_nothing_is_torn(pool: Pool, two) -> None:
    async with transaction(pool) as conn:
        third = await recognise_customer(conn, Sender("email", "third@example.org", "verified"))

    async def join(survivor: UUID, merged: UUID) -> bool:
        try:
            async with transaction(pool) as conn:
                await merge_customers(conn, survivor, merged, reason="race", by="me")
            return True
        except Conflict:
            return False

    a, b, c = *two, third
    won = await asyncio.gather(*(join(*pair) for pair in ((a, b), (b, a), (b, c), (c, a), (a, c), (c, b))))
    async with transaction(pool) as conn:
        living = {await find_living(conn, customer) for customer in (a, b, c)}
        owners = {row[0] for row in await _rows(conn, "select customer_id from customer_identifiers")}
    assert sum(won) == 2
    assert len(living) == 1
    assert owners == living


async def test_a_message_filed_during_a_merge_ends_with_the_survivor(pool: Pool, two) -> None:
    """Intake has read the old owner and not yet filed: the merge waits for it."""
    survivor, merged = two
    async with pool.connection() as intake, intake.transaction():
        assert await recognise_customer(intake, Sender("phone", "+491701234567", "verified")) == merged

        async def join() -> None:
            async with transaction(pool) as conn:
                await merge_customers(conn, survivor, merged, reason="race", by="me")

        joining = asyncio.create_task(join())
        await _until_somebody_waits(pool)
        filed = await write(intake, Sender("phone", "+491701234567", "verified"))
    await joining
    async with transaction(pool) as conn:
        assert await _rows(conn, "select customer_id, origin_id from conversations where id = %s", filed) == [two]


async def _until_somebody_waits(pool: Pool) -> None:
    for _ in range(500):
        async with transaction(pool) as conn:
            if await _rows(conn, "select from pg_locks where not granted"):
                return
        await asyncio.sleep(0.01)
    raise AssertionError("the merge did not wait")


async def test_a_turn_begun_before_a_merge_replies_for_the_survivor(pool: Pool, two) -> None:
    survivor, merged = two
    async with transaction(pool) as conn:
        conversation = await write(conn, Sender("phone", "+491701234567", "verified"))
        brief = (await claim_turn(conn, conversation, lease_s=60, graph_version="1")).brief
    assert isinstance(brief, TurnBrief)
    async with transaction(pool) as conn:
        await merge_customers(conn, survivor, merged, reason="meanwhile", by="me")
    reply = FormattedReply("whatsapp", "Here you are.", ("Here you are.",))
    result = TurnResult(outcome="answered", reason="how_to", reply=reply, sentiment=0.5)
    await CrmDesk(pool, TurnSaver(pool)).finish_turn(brief, result)
    async with transaction(pool) as conn:
        assert {row[0] for row in await _rows(conn, "select customer_id from messages")} == {survivor}


async def test_the_database_refuses_a_message_of_another_customer(pool: Pool, two) -> None:
    async with transaction(pool) as conn:
        filed = await write(conn, Sender("email", "ada@example.org", "verified"))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        async with transaction(pool) as conn:
            await conn.execute("update messages set customer_id = %s where conversation_id = %s", (two[1], filed))
