"""What model calls used, collected for whoever opened a collection around them:

    with collect_usage() as used:
        await graph.ainvoke(...)
    cost = sum(call.cost_usd_micros or 0 for call in used)

Tasks started inside share the list. Without a collection nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """One answer of a model. `cached_tokens` are part of `input_tokens`; the cost is None where no price is known."""

    node: str
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd_micros: int | None


_collected: ContextVar[list[ModelUsage] | None] = ContextVar("model_usage", default=None)


@contextmanager
def collect_usage() -> Iterator[list[ModelUsage]]:
    """Everything that models use inside, also in tasks that are started there."""
    calls: list[ModelUsage] = []
    token = _collected.set(calls)
    try:
        yield calls
    finally:
        _collected.reset(token)


def record_usage(usage: ModelUsage) -> None:
    calls = _collected.get()
    if calls is not None:
        calls.append(usage)
