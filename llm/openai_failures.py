"""What an exception of the client libraries means to us: one cause, and whether another try may help."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import openai
from agents.exceptions import AgentsException

from llm.pricing import Tokens


class Unusable(Exception):
    """An answer came and is of no use: a refusal, nothing at all, a tool that does not exist."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


# ValueError and what follows it: what the libraries raise on an answer that has not the shape of the API.
FAILURES = (
    TimeoutError,
    openai.OpenAIError,
    AgentsException,
    Unusable,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)
# Refusals that no waiting mends, by the provider's code or else by the status.
_LASTING = {
    "insufficient_quota": "out_of_quota",
    "context_length_exceeded": "too_long",
    "model_not_found": "model_not_found",
    "invalid_api_key": "key_refused",
    401: "key_refused",
    403: "key_refused",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """`passing`: the same call may succeed later. `down`: the provider itself is not there. `wait_s`: what it asked for."""

    cause: str
    passing: bool = True
    wait_s: float | None = None
    status: int | None = None
    down: bool = False


def read_failure(error: Exception, used: Tokens | None = None) -> Failure:
    """The failure behind an exception; an answer that was cut off says in `used` what it cost all the same."""
    match error:
        case TimeoutError() | openai.APITimeoutError():
            return Failure("timeout", down=True)
        case openai.APIConnectionError():
            return Failure("unreachable", down=True)
        case openai.APIStatusError():
            return _read_status(error)
        case openai.LengthFinishReasonError():
            if used is not None and (usage := error.completion.usage):
                used.read, used.written = usage.prompt_tokens, usage.completion_tokens
            return Failure("truncated")
        case Unusable():
            return Failure(error.cause)
        case _:
            return Failure("garbage")


def _read_status(error: openai.APIStatusError) -> Failure:
    status = error.status_code
    if lasting := _LASTING.get(error.code or "") or _LASTING.get(status):
        return Failure(lasting, passing=False, status=status)
    if status == 429:
        return Failure("rate_limited", wait_s=_retry_after_s(error), status=status)
    if status >= 500 or status in (408, 409):
        return Failure("provider_error", wait_s=_retry_after_s(error), status=status, down=True)
    return Failure("request_refused", passing=False, status=status)


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
