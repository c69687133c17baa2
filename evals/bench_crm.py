"""Conversations for the benchmark, of any length, as the intake worker would have filed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection

from core.ids import new_id, new_ticket_id

_OPEN = """
with customer as (insert into customers (name) values ('Ada') returning id),
conversation as (
    insert into conversations (customer_id, channel, evidence, thread)
    select id, 'web_form', 'claimed', '{"recipient": "ada@example.org"}' from customer returning id, customer_id
)
insert into tickets (id, conversation_id, customer_id, channel)
select %(ticket_id)s, id, customer_id, 'web_form' from conversation returning conversation_id, customer_id
"""
_PAST = """
with turn as (
    insert into turns (id, conversation_id, ticket_id, status, outcome, owner_epoch, lease, lease_until, graph_version, finished_at)
    select gen_random_uuid(), %(conversation_id)s, %(ticket_id)s, 'done', 'answered', 0, gen_random_uuid(), now(), 'past', now()
    from generate_series(1, %(turns)s) returning id
), numbered as (select id, row_number() over () as number from turn)
insert into messages (conversation_id, customer_id, ticket_id, turn_id, channel, direction, author, kind, body, parts, owner_epoch, outcome)
select %(conversation_id)s, %(customer_id)s, %(ticket_id)s, id, 'web_form', side.direction, side.author, side.kind,
       (%(texts)s::text[])[1 + (2 * number + side.shift) %% cardinality(%(texts)s::text[])], '[]', 0, side.outcome
from numbered cross join (values ('inbound', 'customer', 'message', 'answered', 0), ('outbound', 'assistant', 'reply', null, 1))
     as side (direction, author, kind, outcome, shift)
order by number, side.shift
"""
_ARRIVE = """
insert into messages (conversation_id, customer_id, ticket_id, channel, direction, author, body)
values (%(conversation_id)s, %(customer_id)s, %(ticket_id)s, 'web_form', 'inbound', 'customer', %(text)s)
"""
_RECORD_STEP = "insert into agent_metrics (turn_id, channel, node, duration_ms) values (%s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation to write to; without a CRM only its id counts."""

    conversation_id: UUID
    customer_id: UUID
    ticket_id: str


def unfiled_thread() -> Thread:
    return Thread(new_id(), new_id(), new_ticket_id())


async def open_thread(conn: AsyncConnection, *, messages: int, texts: Sequence[str]) -> Thread:
    """A conversation in which `messages` messages were exchanged, questions and replies in turn."""
    ticket_id = new_ticket_id()
    row = await (await conn.execute(_OPEN, {"ticket_id": ticket_id})).fetchone()
    assert row is not None
    thread = Thread(row[0], row[1], ticket_id)
    if messages:
        await _lay_down(conn, thread, messages, texts)
    if messages > 1000:
        await conn.execute("analyze turns, messages")
    return thread


async def open_crowd(conn: AsyncConnection, *, messages: int, texts: Sequence[str], each: int = 1000) -> None:
    """What other customers wrote: a turn must not cost more because of it."""
    for _ in range(0, messages, each):
        await _lay_down(conn, await open_thread(conn, messages=0, texts=()), each, texts)
    await conn.execute("analyze")


async def _lay_down(conn: AsyncConnection, thread: Thread, messages: int, texts: Sequence[str]) -> None:
    """Past rows are consistent by their making: without the checks of foreign keys and fence it takes a third of the time."""
    await conn.execute("set local session_replication_role = replica")
    await conn.execute(_PAST, {**_values(thread), "turns": messages // 2, "texts": list(texts)})
    await conn.execute("set local session_replication_role = origin")


async def receive(conn: AsyncConnection, thread: Thread, text: str) -> None:
    """A message waits for its turn."""
    await conn.execute(_ARRIVE, {**_values(thread), "text": text})


async def record_step(conn: AsyncConnection, turn_id: UUID, node: str, duration_ms: float) -> None:
    await conn.execute(_RECORD_STEP, (turn_id, "web_form", node, duration_ms))


def _values(thread: Thread) -> dict[str, UUID | str]:
    return {
        "conversation_id": thread.conversation_id,
        "customer_id": thread.customer_id,
        "ticket_id": thread.ticket_id,
    }
