"""The one place where a call to the provider is allowed, timed, tried again, counted and, in the end, an error of ours.

The client libraries retry nothing: two layers that retry multiply, and Retry-After would be honoured by neither.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from prometheus_client import Counter

from core.errors import ModelError
from core.model_use import ModelUse, Node
from core.spending import Meter, ModelCall, current_meter
from llm.breaker import Breaker
from llm.openai_failures import FAILURES, Failure, read_failure
from llm.pricing import PriceList, Tokens

log = structlog.get_logger()
model_calls = Counter("support_model_calls", "Attempts to call a model, by what became of them", ["node", "outcome"])

T = TypeVar("T")
Attempt = Callable[[Tokens], Awaitable[T]]
_LONGEST_PAUSE_S = 8.0


@dataclass(frozen=True, slots=True)
class Caller:
    """What all nodes share on their way to one provider. Pauses between attempts double from `pause_s`."""

    prices: PriceList
    breaker: Breaker
    pause_s: float = 0.5

    async def call(self, node: Node, use: ModelUse, attempt: Attempt[T]) -> T:
        """The answer, or a ModelError that carries no text of the provider and none of the customer. Raises BudgetSpent."""
        meter, number = current_meter(), 0
        while True:
            self._require_leave(node, meter, number)
            number += 1
            answer = await self._attempt(node, use, attempt, meter)
            if not isinstance(answer, Failure):
                return answer
            log.warning("model.call_failed", node=node, cause=answer.cause, status=answer.status, attempt=number)
            wait_s = self._pause(answer, number)
            # A provider that wants to be left alone for longer than a call may take is away: others take over sooner.
            patient = wait_s <= use.timeout_s and wait_s < meter.left_s
            if not answer.passing or number > use.retries or not patient:
                raise _given_up(node, answer.cause, number)
            await asyncio.sleep(wait_s)

    def _require_leave(self, node: Node, meter: Meter, attempts: int) -> None:
        """No call without money, time and a provider that is there. Raises BudgetSpent or ModelError."""
        meter.require_budget()
        if meter.left_s <= 0:
            raise _given_up(node, "deadline", attempts)
        if not self.breaker.lets_through():
            raise _given_up(node, "provider_down", attempts)

    async def _attempt(self, node: Node, use: ModelUse, attempt: Attempt[T], meter: Meter) -> T | Failure:
        """One request. It is counted whatever becomes of it: a failure may have cost money, too."""
        used, start = Tokens(), time.perf_counter()
        failure = Failure("cancelled")
        try:
            async with asyncio.timeout(min(use.timeout_s, meter.left_s)):
                answer = await attempt(used)
            failure = None
            return answer
        except FAILURES as error:
            ended = isinstance(error, TimeoutError) and meter.left_s <= 0
            failure = Failure("deadline", passing=False) if ended else read_failure(error, used)
            return failure
        finally:
            self._tell_breaker(failure)
            self._count(meter, node, use.model, used, failure, latency_ms=(time.perf_counter() - start) * 1000)

    def _tell_breaker(self, failure: Failure | None) -> None:
        """What we cut off ourselves says nothing of the provider."""
        if failure is not None and failure.down:
            self.breaker.failed()
        elif failure is None or failure.cause not in ("cancelled", "deadline"):
            self.breaker.succeeded()

    def _count(
        self, meter: Meter, node: Node, model: str, used: Tokens, failure: Failure | None, *, latency_ms: float
    ) -> None:
        outcome = failure.cause if failure else "ok"
        cost = self.prices.cost_usd_micros(model, used)
        if not used.read and not used.written:
            # Nobody pays for a refused request; an answer that never came may have been made and billed.
            cost = 0 if failure and failure.status else None
        model_calls.labels(node, outcome).inc()
        # Providers differ in what they count as part of what.
        tokens = used.read, min(used.cached, used.read), used.written, min(used.reasoned, used.written)
        meter.calls.append(ModelCall(node, model, outcome, round(latency_ms, 1), *tokens, cost))

    def _pause(self, failure: Failure, number: int) -> float:
        if failure.wait_s is not None:
            return failure.wait_s
        return min(_LONGEST_PAUSE_S, self.pause_s * 2 ** (number - 1)) * random.uniform(0.75, 1.25)


def _given_up(node: Node, cause: str, attempts: int) -> ModelError:
    detail = f"The language model did not answer usably ({cause}, {attempts} attempts)"
    return ModelError(detail, node=node, cause=cause, attempts=attempts)
