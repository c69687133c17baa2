"""Order per key and contiguous commits: the part of a consumer that does not depend on the broker.

A lane is the queue of one key in one partition. Its task takes one record at a time, so a key keeps its order. The
lanes of a member share `concurrency` slots, held only while a handler runs, so a key that waits costs nobody a slot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from events.bus import Limits

log = structlog.get_logger(__name__)

Partition = tuple[str, int]

_STUBBORN_S = 5.0  # how long a cancelled handler may take to end before it is left behind


@dataclass(frozen=True, slots=True)
class Record:
    """What the log holds, before anybody knows whether it is an event."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes


class OffsetTracker:
    """The offsets of one partition that were taken and are not committable yet."""

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._done: set[int] = set()
        self._last = -1
        self.position: int | None = None  # the first offset that is not done; None until one was taken

    def take(self, offset: int) -> bool:
        """Note an offset that was read; False if it was read before. Gaps are fine (compaction, transactions)."""
        if offset <= self._last:
            return False
        if self.position is None:
            self.position = offset
        self._last = offset
        self._order.append(offset)
        return True

    def finish(self, offset: int) -> None:
        """Note that an offset is done, and move the position over everything done in a row."""
        self._done.add(offset)
        while self._order and self._order[0] in self._done:
            first = self._order.popleft()
            self._done.discard(first)
            self.position = first + 1

    @property
    def window(self) -> int:
        """Offsets taken that cannot be committed yet, done or not."""
        return len(self._order)

    @property
    def unfinished(self) -> int:
        return len(self._order) - len(self._done)


class Released(Exception):
    """The partition is being given away: leave the record to its next owner."""


@dataclass(slots=True)
class _Lane:
    queue: deque[Record] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None
    busy: bool = False  # a handler is running, as opposed to waiting for a slot or for the next attempt


@dataclass(slots=True)
class _Assignment:
    """One partition while it is ours. Late results end in a dropped assignment and count for nothing."""

    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    lanes: dict[bytes, _Lane] = field(default_factory=dict)
    committed: int | None = None
    closing: bool = False


class Turn:
    """What the work on one record may do with its lane: take a slot, or rest without one."""

    def __init__(self, slots: asyncio.Semaphore, assignment: _Assignment, lane: _Lane) -> None:
        self._slots, self._assignment, self._lane = slots, assignment, lane

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Hold one of the member's slots. Raises Released when the partition has been called back."""
        async with self._slots:
            self._check()
            self._lane.busy = True
            try:
                yield
            finally:
                self._lane.busy = False

    async def rest(self, seconds: float) -> None:
        self._check()
        await asyncio.sleep(seconds)

    def _check(self) -> None:
        if self._assignment.closing:
            raise Released


Work = Callable[[Record, Turn], Awaitable[None]]


class Lanes:
    """The partitions of one member, and the work on them. `work` runs in its turn's slot and returns when it is done."""

    def __init__(
        self, work: Work, *, concurrency: int, limits: Limits, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._work, self._limits, self._on_progress = work, limits, on_progress
        self._slots = asyncio.Semaphore(concurrency)
        self._owned: dict[Partition, _Assignment] = {}

    @property
    def partitions(self) -> list[Partition]:
        return list(self._owned)

    def assign(self, partitions: Collection[Partition]) -> None:
        """Begin with partitions anew, at whatever offset comes first."""
        for partition in partitions:
            self._owned[partition] = _Assignment()

    def push(self, record: Record) -> None:
        """Queue a record behind its key; one of a partition that is not (or no longer) ours is dropped."""
        assignment = self._owned.get((record.topic, record.partition))
        if assignment is None or assignment.closing or not assignment.tracker.take(record.offset):
            return
        if assignment.committed is None:
            assignment.committed = record.offset
        key = b"k" + record.key if record.key is not None else b"o%d" % record.offset  # without a key: no order
        lane = assignment.lanes.get(key)
        if lane is None:
            lane = assignment.lanes[key] = _Lane()
            lane.task = asyncio.create_task(self._run(assignment, key, lane))
        lane.queue.append(record)

    def room(self, partition: Partition) -> int:
        """How many records of a partition may still be pushed."""
        assignment = self._owned.get(partition)
        if assignment is None or assignment.closing:
            return 0
        tracker = assignment.tracker
        return max(0, min(self._limits.queued - tracker.unfinished, self._limits.window - tracker.window))

    def position(self, partition: Partition) -> int | None:
        """The first offset of a partition that is not done; None if nothing came yet."""
        assignment = self._owned.get(partition)
        return assignment.tracker.position if assignment else None

    def uncommitted(self) -> dict[Partition, int]:
        """Positions that have moved since they were last reported to `committed`."""
        return {
            partition: position
            for partition, assignment in self._owned.items()
            if (position := assignment.tracker.position) is not None and position != assignment.committed
        }

    def committed(self, positions: dict[Partition, int]) -> None:
        for partition, position in positions.items():
            if assignment := self._owned.get(partition):
                assignment.committed = position

    async def drain(self, partitions: Collection[Partition], grace_s: float) -> None:
        """Stop work: what runs may finish within the grace, the rest is left. The partitions stay ours until `drop`."""
        running: set[asyncio.Task[None]] = set()
        waiting: set[asyncio.Task[None]] = set()
        for assignment in (self._owned[partition] for partition in partitions if partition in self._owned):
            assignment.closing = True
            for lane in assignment.lanes.values():
                if lane.task is not None:
                    (running if lane.busy else waiting).add(lane.task)
        late = set(waiting)
        if running:
            late |= (await asyncio.wait(running, timeout=grace_s))[1] if grace_s > 0 else running
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_STUBBORN_S)

    def drop(self, partitions: Collection[Partition]) -> None:
        """Partitions are no longer ours."""
        for partition in partitions:
            self._owned.pop(partition, None)

    async def _run(self, assignment: _Assignment, key: bytes, lane: _Lane) -> None:
        turn = Turn(self._slots, assignment, lane)
        try:
            while lane.queue:
                await self._work(lane.queue[0], turn)
                assignment.tracker.finish(lane.queue.popleft().offset)
                self._on_progress()
        except Released:
            return
        except Exception as error:  # `work` deals with failures itself, so this is ours
            stuck = lane.queue[0]
            place = {"topic": stuck.topic, "partition": stuck.partition, "offset": stuck.offset}
            log.error("lane.broken", **place, error=type(error).__name__)
            return  # the lane stays, so that nothing overtakes the record; its next owner gets it again
        assignment.lanes.pop(key)
