"""What language models cost in one turn, and how much they may still cost: counted in memory, checked before each call.

    with metered(Meter(budget, before)) as meter:
        await graph.ainvoke(...)
    meter.calls

Tasks that are started inside share the meter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from core.errors import BudgetSpent
from core.ids import new_id


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a model. `cached_tokens` are part of `input_tokens`, `reasoning_tokens` of `output_tokens`.

    The cost is None where nobody can tell it: a model without a known price, or an answer that was made and never came.
    """

    node: str
    model: str
    outcome: str
    latency_ms: float
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd_micros: int | None = None
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Spent:
    tokens: int = 0
    usd_micros: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent; 0 is no limit. Tokens bind where a price is unknown."""

    turn: Spent = Spent()
    customer_day: Spent = Spent()
    turn_s: float = 0


NO_LIMIT = Budget()


@dataclass(slots=True)
class Meter:
    """`before` is what the customer cost in the 24 hours before this turn."""

    budget: Budget = NO_LIMIT
    before: Spent = Spent()
    now: Callable[[], float] = time.monotonic
    calls: list[ModelCall] = field(default_factory=list)
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.now()

    @property
    def spent(self) -> Spent:
        return Spent(
            sum(call.input_tokens + call.output_tokens for call in self.calls),
            sum(call.cost_usd_micros or 0 for call in self.calls),
        )

    @property
    def left_s(self) -> float:
        """The time that this turn may still spend on models."""
        return self.budget.turn_s - (self.now() - self.started) if self.budget.turn_s else float("inf")

    def require_budget(self) -> None:
        """Raises BudgetSpent. A call that has begun is not cut off, so the last one may exceed the budget by its own cost."""
        turn, before = self.spent, self.before
        day = Spent(before.tokens + turn.tokens, before.usd_micros + turn.usd_micros)
        for rule, spent, limit in (("turn", turn, self.budget.turn), ("customer_day", day, self.budget.customer_day)):
            for unit in ("tokens", "usd_micros"):
                used, most = getattr(spent, unit), getattr(limit, unit)
                if most and used >= most:
                    raise BudgetSpent(rule=f"budget.{rule}", evidence=f"{used} of {most} {unit}")


_current: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered(meter: Meter) -> Iterator[Meter]:
    token = _current.set(meter)
    try:
        yield meter
    finally:
        _current.reset(token)


def current_meter() -> Meter:
    """The meter that runs; without one, a meter that knows no limit and that nobody reads."""
    return _current.get() or Meter()
