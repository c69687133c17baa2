"""The meter of a turn: what was used, and that nothing is begun that the budget does not allow."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import BudgetSpent
from core.spending import Budget, Meter, ModelCall, Spent, current_meter, metered


def call(tokens: int, usd_micros: int | None = None) -> ModelCall:
    return ModelCall("responder", "gpt-5", "ok", 10.0, input_tokens=tokens, cost_usd_micros=usd_micros)


@pytest.mark.parametrize(
    ("budget", "before", "rule"),
    [
        (Budget(turn=Spent(tokens=100)), Spent(), "budget.turn"),
        (Budget(turn=Spent(usd_micros=50)), Spent(), "budget.turn"),
        (Budget(customer_day=Spent(tokens=1_000)), Spent(tokens=900), "budget.customer_day"),
        (Budget(customer_day=Spent(usd_micros=500)), Spent(usd_micros=450), "budget.customer_day"),
    ],
)
def test_a_call_that_the_budget_does_not_allow_is_refused(budget: Budget, before: Spent, rule: str) -> None:
    meter = Meter(budget, before)
    meter.require_budget()
    meter.calls.append(call(99, 49))
    meter.require_budget()
    meter.calls.append(call(1, 1))
    with pytest.raises(BudgetSpent) as refused:
        meter.require_budget()
    assert refused.value.ids["rule"] == rule


def test_what_the_customer_cost_before_refuses_the_first_call() -> None:
    with pytest.raises(BudgetSpent) as refused:
        Meter(Budget(customer_day=Spent(tokens=10)), Spent(tokens=12)).require_budget()
    assert refused.value.ids["evidence"] == "12 of 10 tokens"


def test_tokens_bind_where_the_price_is_unknown() -> None:
    meter = Meter(Budget(turn=Spent(tokens=100, usd_micros=1)), calls=[call(100, None)])
    assert meter.spent == Spent(100, 0)
    with pytest.raises(BudgetSpent):
        meter.require_budget()


def test_no_limit_is_no_limit() -> None:
    meter = Meter(calls=[call(10**9, 10**9)])
    meter.require_budget()
    assert meter.left_s == float("inf")


def test_the_time_of_a_turn_runs_out() -> None:
    now = [100.0]
    meter = Meter(Budget(turn_s=60), now=lambda: now[0])
    now[0] = 130.0
    assert meter.left_s == 30
    now[0] = 161.0
    assert meter.left_s < 0


async def test_tasks_share_the_meter_under_which_they_were_started() -> None:
    async def work() -> None:
        current_meter().calls.append(call(1))

    with metered(Meter()) as outer:
        await asyncio.gather(work(), work())
        with metered(Meter()) as inner:
            await work()
    await work()
    assert (len(outer.calls), len(inner.calls)) == (2, 1)
