"""What language models cost: by call, summed by turn, ticket and channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.models import TurnBrief
from core.spending import ModelCall
from core.vocabulary import Channel

_ADD = """
insert into model_calls (id, turn_id, channel, node, model, outcome, input_tokens, cached_tokens, output_tokens,
                         reasoning_tokens, cost_usd_micros, latency_ms)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (id) do nothing
"""
# The sums of `model_calls m`. No call costs nothing; calls without any known price cost null, which is not nothing.
COST: Final[LiteralString] = """
count(m.id) as model_calls, coalesce(sum(m.input_tokens), 0)::bigint as input_tokens,
coalesce(sum(m.cached_tokens), 0)::bigint as cached_tokens, coalesce(sum(m.output_tokens), 0)::bigint as output_tokens,
coalesce(sum(m.reasoning_tokens), 0)::bigint as reasoning_tokens,
case when count(m.id) = 0 then 0 else sum(m.cost_usd_micros)::bigint end as cost_usd_micros,
count(m.id) filter (where m.cost_usd_micros is null) as unpriced_calls
"""
_BY_TICKET = f"""
select t.ticket_id, {COST} from turns t left join model_calls m on m.turn_id = t.id
where t.conversation_id = %(id)s group by t.ticket_id
"""
_BY_TURN = f"""
select t.id as turn_id, t.ticket_id, t.outcome, t.reason, {COST}
from (select id, ticket_id, outcome, reason, started_at from turns where conversation_id = %(id)s
      order by started_at desc limit %(limit)s) t left join model_calls m on m.turn_id = t.id
group by t.id, t.ticket_id, t.outcome, t.reason, t.started_at order by t.started_at
"""
_BY_USE = f"""
select m.channel, m.node, m.model, m.outcome, {COST} from model_calls m
group by m.channel, m.node, m.model, m.outcome order by 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """`cached_tokens` are part of `input_tokens`, `reasoning_tokens` of `output_tokens`; `unpriced_calls` come on top of the cost."""

    model_calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd_micros: int | None
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class TicketCost(Cost):
    ticket_id: str


@dataclass(frozen=True, slots=True)
class TurnCost(Cost):
    turn_id: UUID
    ticket_id: str
    outcome: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class UseCost(Cost):
    channel: Channel
    node: str
    model: str
    outcome: str


async def add_model_calls(conn: AsyncConnection, brief: TurnBrief, calls: Sequence[ModelCall]) -> None:
    """Store them; those that are stored already stay as they are."""
    rows = [
        (
            call.id,
            brief.turn_id,
            brief.channel,
            call.node,
            call.model,
            call.outcome,
            call.input_tokens,
            call.cached_tokens,
            call.output_tokens,
            call.reasoning_tokens,
            call.cost_usd_micros,
            call.latency_ms,
        )
        for call in calls
    ]
    if rows:
        async with conn.cursor() as cursor:
            await cursor.executemany(_ADD, rows)


async def list_ticket_costs(conn: AsyncConnection, conversation_id: UUID) -> list[TicketCost]:
    async with conn.cursor(row_factory=class_row(TicketCost)) as cursor:
        await cursor.execute(_BY_TICKET, {"id": conversation_id})
        return await cursor.fetchall()


async def list_turn_costs(conn: AsyncConnection, conversation_id: UUID, *, limit: int = 100) -> list[TurnCost]:
    """The newest turns of a conversation, oldest first."""
    async with conn.cursor(row_factory=class_row(TurnCost)) as cursor:
        await cursor.execute(_BY_TURN, {"id": conversation_id, "limit": limit})
        return await cursor.fetchall()


async def list_use_costs(conn: AsyncConnection) -> list[UseCost]:
    """All calls there ever were, by channel, node, model and what became of them."""
    async with conn.cursor(row_factory=class_row(UseCost)) as cursor:
        await cursor.execute(_BY_USE)
        return await cursor.fetchall()
