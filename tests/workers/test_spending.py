"""What a turn cost is kept whatever becomes of it, and a customer's day ends where the budget says."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from crm.pool import transaction
from crm.turns import claim_turn
from graph.run import run_turn
from tests.fixtures_online import Online
from workers.crew import crew

pytestmark = pytest.mark.real
QUESTION = "How do I change the card that my workspace is billed to?"


async def test_a_customer_who_cost_too_much_in_a_day_goes_to_a_person_without_another_call(online: Online) -> None:
    await online.settle(QUESTION, email="measured@example.org")
    tokens = sum(call.input_tokens + call.output_tokens for call in await online.calls())
    await online.set(budget_customer_day_tokens=tokens)
    online.fake.received.clear()
    _, first = await online.settle(QUESTION)
    asked = len(online.fake.received)
    _, second = await online.settle(QUESTION)
    _, other = await online.settle(QUESTION, email="grace@example.org")
    assert (first, second, other) == ("resolved", "escalated", "resolved")
    assert len(online.fake.received) == 2 * asked
    [(rule, evidence)] = await online.spine.rows("select rule, evidence from reviews")
    assert rule == "budget.customer_day"
    assert evidence.endswith(f"of {tokens} tokens")


async def test_what_a_turn_cost_is_kept_when_the_turn_itself_is_lost(online: Online, monkeypatch: Any) -> None:
    desk = online.spine.context.deps.desk
    finish = type(desk).finish_turn
    failures = [RuntimeError("the disk is full")]

    async def fail_once(self: Any, brief: Any, result: Any) -> None:
        if failures:
            raise failures.pop()
        await finish(self, brief, result)

    monkeypatch.setattr(type(desk), "finish_turn", fail_once)
    _, status = await online.settle(QUESTION)
    assert status == "resolved"
    [cost] = await online.costs()
    assert cost.model_calls == len(online.fake.received)
    assert Counter(call.node for call in await online.calls())["responder"] == 2 * 4
    assert await online.spine.value("select attempt from turns") == 2


async def test_what_a_customer_cost_in_dollars_counts_too(online: Online) -> None:
    await online.settle(QUESTION)
    [cost] = await online.costs()
    await online.set(budget_customer_day_usd_micros=cost.cost_usd_micros)
    _, status = await online.settle(QUESTION)
    assert (status, await online.spine.value("select rule from reviews")) == ("escalated", "budget.customer_day")


async def test_a_model_without_a_price_costs_an_unknown_amount(online: Online) -> None:
    await online.set(model_judge="my-own-model")
    await online.settle(QUESTION)
    [cost] = await online.costs()
    priced = [call.cost_usd_micros or 0 for call in await online.calls() if call.node == "responder"]
    assert (cost.unpriced_calls, cost.cost_usd_micros) == (cost.model_calls - len(priced), sum(priced))
    await online.set(model_judge="my-own-model", model_reply="my-own-model")
    await online.settle(QUESTION)
    [cost] = await online.costs()
    assert (cost.unpriced_calls, cost.cost_usd_micros) == (cost.model_calls, None)


async def test_a_turn_that_is_cut_off_keeps_what_it_cost(online: Online) -> None:
    """A worker that is told to stop in mid-turn: the call in the air is kept, its cost unknown."""
    online.fake.faults.add(mode="delay", seconds=30, times=100)
    ticket = await online.spine.submit(QUESTION)
    async with crew(online.spine.context, ["relay", "intake"]):
        await online.spine.until(lambda: online.spine.value("select count(*) from messages"))
    async with transaction(online.spine.context.pool) as conn:
        conversation = await online.spine.value("select id from conversations")
        brief = (await claim_turn(conn, conversation, lease_s=60, graph_version="1")).brief
    assert brief is not None
    assert brief.ticket_id == ticket
    turn = asyncio.create_task(run_turn(online.spine.context.graph, online.spine.context.deps, brief))
    await online.spine.until(lambda: _asked(online, 2))
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    calls = await online.calls()
    assert [(call.node, call.outcome, call.cost_usd_micros) for call in calls] == [
        ("sentiment", "cancelled", None),
        ("triage", "cancelled", None),
    ]


async def _asked(online: Online, times: int) -> bool:
    return 100 - online.fake.faults.pending[0].times >= times
