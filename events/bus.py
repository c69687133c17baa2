"""The port of the conveyor, and the promise that every implementation keeps.

- At least once: an event that was published is handled until a handler, or `on_dead`, has finished with it.
- Order: of one topic and key, a group handles one event at a time, in the order of publishing. Different keys run side
  by side, at most `concurrency` of them in one subscription; a key that fails, waits or is slow holds up nobody else.
- A handler that raises is tried again in place, `Retry.tries` times with full jitter; then `on_dead` gets the event.
  Bytes that are no event go to `on_poison`. Both are repeated until they succeed: nothing is skipped, the key waits.
- An offset is committed when everything before it in its partition is done. What was in hand at a crash comes again,
  with `attempt` counted anew, so handlers are idempotent by `envelope.id`.
- Back-pressure: a member holds about `Limits.queued` unhandled events of a partition at most, then asks for no more.
- Leaving, and losing partitions to another member: what is being handled has the grace period to finish, what has not
  begun is left to the next member.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from events.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event in the hands of a handler. `attempt` counts from 1."""

    topic: str
    partition: int
    offset: int
    attempt: int
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Poison:
    """Bytes that are no event, where they stood and why."""

    topic: str
    partition: int
    offset: int
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Wait a random time up to `base_s` * 2^n, never over `cap_s`, between attempts."""

    tries: int = 5
    base_s: float = 0.5
    cap_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one member takes in, a partition: `queued` events not handled yet, `window` offsets not committed yet."""

    queued: int = 1_000
    window: int = 10_000


@dataclass(frozen=True, slots=True)
class Health:
    """`lag` is, by group, how many events this process's members have still to finish."""

    ok: bool
    detail: str
    lag: Mapping[str, int] = field(default_factory=dict)


DEFAULT_RETRY: Final = Retry()
DEFAULT_LIMITS: Final = Limits()

Handler = Callable[[Delivered], Awaitable[None]]
OnDead = Callable[[Delivered, Exception], Awaitable[None]]
OnPoison = Callable[[Poison], Awaitable[None]]


class Publisher(Protocol):
    """Takes events. Returning means that they are as durable as the bus can make them."""

    async def publish(self, topic: str, envelope: Envelope) -> None:
        """Raises BusUnavailable (the event may or may not have got through), EventTooLarge or UnknownTopic."""
        ...

    async def publish_many(self, events: Sequence[tuple[str, Envelope]]) -> None:
        """As `publish`, for all of them; events of one topic and key keep the order of the sequence."""
        ...


class Subscription(Protocol):
    """One member of a group."""

    async def stop(self, grace_s: float | None = None) -> None:
        """Finish what is in hand, commit, leave. After the grace period (`0`: at once) handlers are cancelled."""
        ...


class Bus(Publisher, Protocol):
    """The conveyor. Start it first; it may be started and subscribed to while the broker is away."""

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Stop every subscription, then the connection."""
        ...

    async def subscribe(
        self,
        group: str,
        topics: Sequence[str],
        handler: Handler,
        *,
        on_dead: OnDead,
        on_poison: OnPoison,
        concurrency: int = 16,
        retry: Retry = DEFAULT_RETRY,
    ) -> Subscription:
        """Join a group, whose members read the same topics, and begin; a new group with the oldest event there is."""
        ...

    async def health(self) -> Health: ...
