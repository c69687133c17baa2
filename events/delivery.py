"""What happens to one record: decode, handle, try again, give up. The same over every broker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count

import structlog

from events.bus import Delivered, Handler, OnDead, OnPoison, Poison, Retry
from events.envelope import Envelope
from events.errors import PoisonEvent
from events.lanes import Record, Turn

log = structlog.get_logger(__name__)


class Delivery:
    """The work of one subscription's lanes."""

    def __init__(self, group: str, handler: Handler, on_dead: OnDead, on_poison: OnPoison, retry: Retry) -> None:
        if retry.tries < 1:
            raise ValueError("retry.tries must be at least 1")
        self._group, self._handler, self._retry = group, handler, retry
        self._on_dead, self._on_poison = on_dead, on_poison

    async def deliver(self, record: Record, turn: Turn) -> None:
        """Returns when the record is done with: handled, dead or poison, each acknowledged by its callback."""
        where = (record.topic, record.partition, record.offset)
        try:
            envelope = Envelope.from_bytes(record.value)
        except PoisonEvent as error:
            log.warning("event.poison", group=self._group, **_place(record), reason=error.reason)
            poison = Poison(*where, raw=record.value, reason=error.reason)
            return await self._insist("event.poison_not_taken", record, turn, self._on_poison, poison)
        for attempt in range(1, self._retry.tries + 1):
            delivered = Delivered(*where, attempt=attempt, envelope=envelope)
            error = await _run(turn, self._handler, delivered)
            if error is None:
                return None
            # the class only: a foreign error's text may hold a customer's words
            fields = {"event_id": envelope.id, "attempt": attempt, "error": type(error).__name__}
            log.warning("event.failed", group=self._group, **_place(record), **fields)
            if attempt == self._retry.tries:
                return await self._insist("event.dead_not_taken", record, turn, self._on_dead, delivered, error)
            await turn.rest(self._pause(attempt))
        return None

    async def _insist(
        self, complaint: str, record: Record, turn: Turn, act: Callable[..., Awaitable[None]], *args: object
    ) -> None:
        """Repeat `act` until it succeeds: the offset must not move over an event that nobody has taken."""
        for attempt in count(1):
            error = await _run(turn, act, *args)
            if error is None:
                return
            log.error(complaint, group=self._group, **_place(record), attempt=attempt, error=type(error).__name__)
            await turn.rest(self._pause(attempt))

    def _pause(self, attempt: int) -> float:
        """Seconds: full jitter under an exponential ceiling."""
        ceiling = min(self._retry.cap_s, self._retry.base_s * 2.0 ** min(attempt - 1, 30))
        return random.uniform(0, ceiling)


async def _run(turn: Turn, act: Callable[..., Awaitable[None]], *args: object) -> Exception | None:
    """The error that `act` raised in a slot, if it did."""
    async with turn.slot():
        try:
            await act(*args)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return RuntimeError("the handler cancelled itself")  # ours was not cancelled: a failure like any other
        except Exception as error:
            return error
    return None


def _place(record: Record) -> dict[str, object]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
