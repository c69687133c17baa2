"""The one place where a call to the provider is timed, tried again and, in the end, becomes an error of ours.

The client libraries retry nothing: two layers that retry multiply, and Retry-After would be honoured by neither.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import openai
import structlog
from agents.exceptions import AgentsException
from prometheus_client import Counter

from core.errors import ModelError

log = structlog.get_logger()
model_calls = Counter("support_model_calls", "Attempts to call a model, by what became of them", ["node", "outcome"])

T = TypeVar("T")
_LONGEST_PAUSE_S = 8.0


class Unusable(Exception):
    """An answer came and is of no use: a refusal, nothing at all, a tool that does not exist."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


# ValueError and what follows it: what the libraries raise on an answer that has not the shape of the API.
_FAILURES = (
    TimeoutError,
    openai.OpenAIError,
    AgentsException,
    Unusable,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """`passing`: the same call may succeed later. `wait_s`: what the provider asked for, None where it said nothing."""

    cause: str
    passing: bool = True
    wait_s: float | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """`timeout_s` for each attempt, `retries` after the first one, pauses that double from `pause_s`."""

    timeout_s: float
    retries: int
    pause_s: float = 0.5

    async def call(self, node: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """The answer, or a ModelError that carries no text of the provider and none of the customer."""
        number = 0
        while True:
            number += 1
            try:
                async with asyncio.timeout(self.timeout_s):
                    answer = await attempt()
                model_calls.labels(node, "ok").inc()
                return answer
            except _FAILURES as error:
                failure = read_failure(error)
            model_calls.labels(node, failure.cause).inc()
            log.warning("model.call_failed", node=node, cause=failure.cause, status=failure.status, attempt=number)
            wait_s = self._pause(failure, number)
            # A provider that wants to be left alone for longer than a call may take is away: others take over sooner.
            if not failure.passing or number > self.retries or wait_s > self.timeout_s:
                detail = f"The language model did not answer usably ({failure.cause}, {number} attempts)"
                raise ModelError(detail, node=node, cause=failure.cause, attempts=number)
            await asyncio.sleep(wait_s)

    def _pause(self, failure: Failure, number: int) -> float:
        if failure.wait_s is not None:
            return failure.wait_s
        return min(_LONGEST_PAUSE_S, self.pause_s * 2 ** (number - 1)) * random.uniform(0.75, 1.25)


def read_failure(error: Exception) -> Failure:
    """What an exception of the client libraries means to us."""
    match error:
        case TimeoutError() | openai.APITimeoutError():
            return Failure("timeout")
        case openai.APIConnectionError():
            return Failure("unreachable")
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return Failure("out_of_quota", passing=False, status=error.status_code)
        case openai.RateLimitError():
            return Failure("rate_limited", wait_s=_retry_after_s(error), status=error.status_code)
        case openai.APIStatusError() if error.status_code >= 500 or error.status_code in (408, 409):
            return Failure("provider_error", wait_s=_retry_after_s(error), status=error.status_code)
        case openai.APIStatusError():
            return Failure("request_refused", passing=False, status=error.status_code)
        case openai.LengthFinishReasonError():
            return Failure("truncated")
        case Unusable():
            return Failure(error.cause)
        case _:
            return Failure("garbage")


def _retry_after_s(error: openai.APIStatusError) -> float | None:
    """`retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3)."""
    headers = error.response.headers
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after", "")
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except ValueError:
        return None
