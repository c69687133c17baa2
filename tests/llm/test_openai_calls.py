"""One way to the provider: budget, time, breaker, retries and the record of what was used. No network, no waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from core.errors import BudgetSpent, ModelError
from core.model_use import ModelUse
from core.spending import Budget, Meter, Spent, metered
from llm.breaker import Breaker
from llm.openai_calls import Caller
from llm.openai_failures import read_failure
from llm.pricing import PriceList, Tokens

REQUEST = httpx2.Request("POST", "http://127.0.0.1")
PRICES = PriceList({"m": (1_000_000, 100_000, 2_000_000)})


def refused(status: int, code: str | None = None, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    kind = {429: openai.RateLimitError, 401: openai.AuthenticationError}.get(status, openai.APIStatusError)
    return kind("no", response=response, body={"code": code})


class Provider:
    """Fails as it is told, then answers; counts its requests."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.requests = 0

    async def __call__(self, used: Tokens) -> str:
        self.requests += 1
        if self.failures:
            raise self.failures.pop(0)
        used.read, used.cached, used.written, used.reasoned = 100, 40, 10, 4
        return "answer"


class Rig:
    def __init__(self, **budget: Any) -> None:
        self.time = 0.0
        self.breaker = Breaker(most=3, pause_s=30, now=lambda: self.time)
        self.caller = Caller(PRICES, self.breaker, pause_s=0.0)
        self.meter = Meter(Budget(**budget), now=lambda: self.time)

    async def ask(self, attempt: Callable[[Tokens], Any], **use: Any) -> Any:
        with metered(self.meter):
            return await self.caller.call("triage", ModelUse(**{"model": "m", "retries": 2, **use}), attempt)

    @property
    def outcomes(self) -> list[str]:
        return [call.outcome for call in self.meter.calls]


async def test_an_answer_is_recorded_with_its_tokens_and_its_price() -> None:
    rig = Rig()
    assert await rig.ask(Provider()) == "answer"
    [call] = rig.meter.calls
    assert (call.node, call.model, call.outcome) == ("triage", "m", "ok")
    assert (call.input_tokens, call.cached_tokens, call.output_tokens, call.reasoning_tokens) == (100, 40, 10, 4)
    assert call.cost_usd_micros == 60 + 4 + 20


@pytest.mark.parametrize(
    ("error", "outcome", "cost"),
    [
        (refused(503), "provider_error", 0),
        (refused(429, "rate_limit_exceeded"), "rate_limited", 0),
        (TimeoutError(), "timeout", None),
        (openai.APIConnectionError(request=REQUEST), "unreachable", None),
        (ValueError("no JSON"), "garbage", None),
    ],
)
async def test_a_passing_failure_is_tried_again_and_both_are_recorded(
    error: Exception, outcome: str, cost: int | None
) -> None:
    rig = Rig()
    assert await rig.ask(Provider(error)) == "answer"
    assert rig.outcomes == [outcome, "ok"]
    assert rig.meter.calls[0].cost_usd_micros == cost


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (refused(401), "key_refused"),
        (refused(429, "insufficient_quota"), "out_of_quota"),
        (refused(404, "model_not_found"), "model_not_found"),
        (refused(400, "context_length_exceeded"), "too_long"),
        (refused(400, "whatever"), "request_refused"),
    ],
)
async def test_what_no_waiting_mends_is_asked_once(error: Exception, cause: str) -> None:
    rig, provider = Rig(), Provider(error)
    with pytest.raises(ModelError) as raised:
        await rig.ask(provider)
    assert (provider.requests, raised.value.ids["cause"]) == (1, cause)


async def test_a_call_in_mid_air_is_recorded_when_it_is_cancelled() -> None:
    rig = Rig()

    async def never(_: Tokens) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(rig.ask(never))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (rig.outcomes, rig.meter.calls[0].cost_usd_micros) == (["cancelled"], None)


async def test_retries_stop_where_the_budget_ends() -> None:
    rig = Rig(turn=Spent(tokens=110))
    await rig.ask(Provider())
    provider = Provider()
    with pytest.raises(BudgetSpent):
        await rig.ask(provider)
    assert provider.requests == 0


async def test_retries_stop_where_the_time_of_the_turn_ends() -> None:
    rig, provider = Rig(turn_s=60), Provider(*[refused(503)] * 9)

    async def slow(used: Tokens) -> str:
        rig.time += 40
        return await provider(used)

    with pytest.raises(ModelError) as raised:
        await rig.ask(slow, retries=5)
    assert (provider.requests, raised.value.ids["cause"]) == (2, "provider_error")
    with pytest.raises(ModelError) as raised:
        await rig.ask(provider)
    assert (provider.requests, raised.value.ids["cause"]) == (2, "deadline")


async def test_a_call_that_the_turn_has_no_time_for_says_nothing_of_the_provider() -> None:
    rig = Rig(turn_s=60)

    async def slow(_: Tokens) -> str:
        rig.time += 61
        raise TimeoutError

    for _ in range(5):
        rig.meter = Meter(Budget(turn_s=60), now=lambda: rig.time)
        with pytest.raises(ModelError) as raised:
            await rig.ask(slow)
        assert (raised.value.ids["cause"], rig.outcomes) == ("deadline", ["deadline"])
    assert rig.breaker.lets_through()


async def test_a_provider_that_asks_for_more_patience_than_the_turn_has_is_not_waited_for() -> None:
    rig, provider = Rig(turn_s=20), Provider(refused(429, **{"retry-after": "25"}))
    with pytest.raises(ModelError):
        await rig.ask(provider)
    assert provider.requests == 1


async def test_a_provider_that_is_down_for_half_an_hour_is_asked_a_few_times_and_not_by_every_message() -> None:
    rig, provider = Rig(), Provider(*[refused(503)] * 10_000)
    for _ in range(180):  # a message every ten seconds
        with pytest.raises(ModelError):
            await rig.ask(provider)
        rig.time += 10
    # Three to notice it, then one try every 30 seconds; the full ladder for each would have been 540.
    assert provider.requests <= 3 + 1_800 / 30
    provider.failures.clear()
    rig.time += 30
    assert await rig.ask(provider) == "answer"
    assert await rig.ask(provider) == "answer"


async def test_only_one_call_at_a_time_tries_a_provider_that_was_down() -> None:
    rig = Rig()
    with pytest.raises(ModelError):
        await rig.ask(Provider(*[refused(503)] * 3))
    rig.time += 31
    provider, well = Provider(), asyncio.Event()

    async def slow(used: Tokens) -> str:
        await well.wait()
        return await provider(used)

    first = asyncio.create_task(rig.ask(slow))
    await asyncio.sleep(0)
    for _ in range(4):
        with pytest.raises(ModelError) as raised:
            await rig.ask(provider)
        assert raised.value.ids["cause"] == "provider_down"
    assert provider.requests == 0
    well.set()
    assert await first == "answer"
    assert await rig.ask(provider) == "answer"


async def test_a_provider_that_answers_nonsense_is_not_down() -> None:
    rig = Rig()
    for _ in range(5):
        with pytest.raises(ModelError) as raised:
            await rig.ask(Provider(*[ValueError("no JSON")] * 3))
        assert raised.value.ids["cause"] == "garbage"


def test_a_status_without_a_code_is_understood() -> None:
    assert read_failure(refused(403)).cause == "key_refused"
    assert read_failure(refused(502)).down
    assert not read_failure(refused(429)).down
