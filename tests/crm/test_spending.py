"""What models cost, summed by turn, ticket, channel and use; what nobody can price is never 0."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from core.spending import ModelCall
from crm.metrics import list_channel_metrics
from crm.pool import Pool, transaction
from crm.spending import add_model_calls, list_ticket_costs, list_turn_costs, list_use_costs
from crm.turns import load_brief
from crm.views import get_conversation_view
from tests.crm.story import START, Story


async def test_costs_are_summed_by_turn_and_by_ticket(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        first, second = await story.turn(), await story.turn()
        await story.called(first, cost=100)
        await story.called(first, cost=None)
        await story.called(second, cost=30)
        turns = {turn.turn_id: turn for turn in await list_turn_costs(conn, story.conversation_id)}
        [ticket] = await list_ticket_costs(conn, story.conversation_id)
    assert (turns[first].model_calls, turns[first].cost_usd_micros, turns[first].unpriced_calls) == (2, 100, 1)
    assert (turns[second].cost_usd_micros, turns[second].unpriced_calls) == (30, 0)
    assert (ticket.ticket_id, ticket.cost_usd_micros) == (story.ticket_id, 130)
    assert (ticket.input_tokens, ticket.cached_tokens, ticket.output_tokens, ticket.reasoning_tokens) == (
        3_000,
        1_200,
        150,
        60,
    )


async def test_the_newest_turns_come_oldest_first(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        ids = [await story.turn() for _ in range(3)]
        for age, turn_id in enumerate(reversed(ids)):
            await conn.execute(
                "update turns set started_at = now() - make_interval(hours => %s) where id = %s", (age, turn_id)
            )
        newest = await list_turn_costs(conn, story.conversation_id, limit=2)
    assert [turn.turn_id for turn in newest] == ids[1:]


async def test_nothing_asked_costs_nothing_and_nothing_priced_costs_an_unknown_amount(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        turn_id = await story.turn()
        [before] = await list_turn_costs(conn, story.conversation_id)
        await story.called(turn_id, cost=None)
        [after] = await list_turn_costs(conn, story.conversation_id)
        web = (await list_channel_metrics(conn))[2]
        mail = (await list_channel_metrics(conn))[0]
    assert (before.model_calls, before.cost_usd_micros) == (0, 0)
    assert (after.model_calls, after.cost_usd_micros, after.unpriced_calls) == (1, None, 1)
    assert (web.cost_usd_micros, mail.cost_usd_micros) == (None, 0)


async def test_a_channel_costs_what_its_turns_cost_since(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn, "whatsapp").begin()
        turn_id = await story.turn()
        await story.called(turn_id, cost=100)
        await story.called(turn_id, cost=7, at=START + timedelta(hours=2))
        whole = (await list_channel_metrics(conn))[1]
        late = (await list_channel_metrics(conn, since=START + timedelta(hours=1)))[1]
    assert (whole.cost_usd_micros, whole.model_calls, late.cost_usd_micros) == (107, 2, 7)


async def test_a_call_is_stored_once_however_often_it_is_told(pool: Pool) -> None:
    call = ModelCall("triage", "gpt-5-mini", "ok", 3.0, 10, 0, 2, 1, 5)
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        brief = await _brief(conn, story)
        await add_model_calls(conn, brief, [call])
        await add_model_calls(conn, brief, [call, ModelCall("triage", "gpt-5-mini", "timeout", 9.0)])
        uses = await list_use_costs(conn)
    assert [(use.node, use.outcome, use.model_calls, use.cost_usd_micros) for use in uses] == [
        ("triage", "ok", 1, 5),
        ("triage", "timeout", 1, None),
    ]


async def test_a_brief_knows_what_the_customer_cost_in_a_day_in_all_conversations(pool: Pool) -> None:
    async with transaction(pool) as conn:
        other = await Story(conn, "email").begin()
        await other.called(await other.turn(), cost=900)
        story = await Story(conn).begin()
        await story.called(await story.turn(), cost=100)
        old = await story.turn()
        await story.called(old, cost=4)
        await conn.execute("update turns set started_at = now() - interval '25 hours' where id = %s", (old,))
        brief = await _brief(conn, story)
        assert (brief.tokens_today, brief.usd_micros_today) == (1_050, 100)
        await conn.execute("update conversations set customer_id = %s", (story.customer_id,))
        brief = await _brief(conn, story)
    assert (brief.tokens_today, brief.usd_micros_today) == (2_100, 1_000)


async def test_a_conversation_is_shown_with_what_it_cost(pool: Pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        await story.called(await story.turn(), cost=100)
        view = await get_conversation_view(conn, story.conversation_id)
    assert view.costs[story.ticket_id].cost_usd_micros == 100
    assert [(turn.outcome, turn.cost_usd_micros) for turn in view.turns] == [("answered", 100)]


@pytest.mark.parametrize("wrong", [{"cached_tokens": 1_001}, {"reasoning_tokens": 51}, {"cost_usd_micros": -1}])
async def test_the_database_refuses_figures_that_cannot_be(pool: Pool, wrong: dict[str, int]) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        turn_id = await story.turn()
        with pytest.raises(psycopg.errors.CheckViolation):
            async with conn.transaction():
                await story.called(turn_id, **({"cost": 1} | wrong))


async def _brief(conn, story: Story):
    lease = uuid4()
    row = await (
        await conn.execute(
            "insert into turns (conversation_id, ticket_id, owner_epoch, lease, lease_until, graph_version, status,"
            " outcome, finished_at) values (%s, %s, 0, %s, now(), 'test', 'done', 'silent', now()) returning id",
            (story.conversation_id, story.ticket_id, lease),
        )
    ).fetchone()
    return await load_brief(conn, row[0], lease)
