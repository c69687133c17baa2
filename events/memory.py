"""The in-process bus of the embedded mode. It forgets all at exit; the sweeper publishes unfinished work again."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.errors import BusUnavailable
from events.bus import DEFAULT_LIMITS, DEFAULT_RETRY, Handler, Health, Limits, OnDead, OnPoison, Retry
from events.delivery import Delivery
from events.envelope import Envelope
from events.errors import UnknownTopic
from events.lanes import Lanes, Partition, Record
from events.topics import ALL_TOPICS, Topic


@dataclass(slots=True)
class _Log:
    """One partition: the records from offset `base` on."""

    base: int = 0
    records: deque[Record] = field(default_factory=deque)

    @property
    def end(self) -> int:
        return self.base + len(self.records)

    def read(self, offset: int, limit: int) -> list[Record]:
        first = max(offset, self.base) - self.base
        return [self.records[i] for i in range(first, min(first + limit, len(self.records)))]

    def trim(self, offset: int) -> None:
        while self.base < offset and self.records:
            self.records.popleft()
            self.base += 1


class MemoryBus:
    """The bus in one event loop. `capacity` bounds the records of a partition that wait for a group."""

    def __init__(
        self,
        topics: Sequence[Topic] = ALL_TOPICS,
        *,
        capacity: int = 20_000,
        limits: Limits = DEFAULT_LIMITS,
        publish_timeout_s: float = 10.0,
        grace_s: float = 25.0,
    ) -> None:
        self._partitions = {topic.name: topic.partitions for topic in topics}
        self._logs = {(topic.name, number): _Log() for topic in topics for number in range(topic.partitions)}
        self._groups: dict[str, _Group] = {}
        self._capacity, self._limits, self._grace_s = capacity, limits, grace_s
        self._publish_timeout_s = publish_timeout_s
        self._trimmed = asyncio.Event()
        self._running = False

    async def start(self) -> None:
        self._running = True

    async def stop(self) -> None:
        """Stop every subscription; publishing is refused from now on."""
        self._running = False
        members = [member for group in self._groups.values() for member in group.members]
        await asyncio.gather(*(member.stop() for member in members))

    async def publish(self, topic: str, envelope: Envelope) -> None:
        """As the port; BusUnavailable when the readers stay too far behind, or the bus is not running."""
        await self.append(topic, envelope.key.encode(), envelope.to_bytes())

    async def publish_many(self, events: Sequence[tuple[str, Envelope]]) -> None:
        """As the port."""
        for topic, envelope in events:
            await self.publish(topic, envelope)

    async def append(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Put bytes into a topic's log, an event or not."""
        if not self._running:
            raise BusUnavailable("The in-process bus is not running.")
        if topic not in self._partitions:
            raise UnknownTopic(f"there is no topic {topic!r}; known are {sorted(self._partitions)}")
        partition = (topic, zlib.crc32(key or b"") % self._partitions[topic])
        await self._make_room(partition)
        log = self._logs[partition]
        log.records.append(Record(*partition, offset=log.end, key=key, value=value))
        for group in self._groups.values():
            group.wake(partition)
        await asyncio.sleep(0)  # a publisher in a loop lets the readers in

    async def _make_room(self, partition: Partition) -> None:
        """Wait for the slowest reader. A partition that nobody reads forgets its oldest records instead."""
        log = self._logs[partition]
        if len(log.records) < self._capacity:
            return
        if not any(partition[0] in group.topics for group in self._groups.values()):
            return log.trim(log.base + 1)
        try:
            async with asyncio.timeout(self._publish_timeout_s):
                while len(log.records) >= self._capacity:
                    self._trimmed.clear()
                    await self._trimmed.wait()
        except TimeoutError:
            raise BusUnavailable(f"{partition[0]} holds {self._capacity} events that nobody has handled yet") from None

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
    ) -> _Member:
        """As the port. Waits until the partitions that the new member gets are free."""
        if unknown := [topic for topic in topics if topic not in self._partitions]:
            raise UnknownTopic(f"there is no topic {unknown[0]!r}; known are {sorted(self._partitions)}")
        joined = self._groups.setdefault(group, _Group(self._logs, self._trim))
        delivery = Delivery(group, handler, on_dead, on_poison, retry)
        member = _Member(joined, delivery, concurrency, self._limits, self._grace_s)
        await joined.join(member, topics)
        return member

    def _trim(self, partition: Partition) -> None:
        """Forget what every group that reads a partition has committed."""
        committed = [group.committed[partition] for group in self._groups.values() if partition in group.committed]
        self._logs[partition].trim(min(committed))
        self._trimmed.set()

    async def health(self) -> Health:
        """As the port."""
        lag = {
            name: sum(self._logs[partition].end - offset for partition, offset in group.committed.items())
            for name, group in self._groups.items()
        }
        return Health(self._running, "in-process bus" if self._running else "the in-process bus is not running", lag)


class _Group:
    """Members that share partitions, and how far they have got."""

    def __init__(self, logs: dict[Partition, _Log], trim: Callable[[Partition], None]) -> None:
        self.logs, self._trim = logs, trim
        self.members: list[_Member] = []
        self.topics: set[str] = set()
        self.committed: dict[Partition, int] = {}
        self._owner: dict[Partition, _Member] = {}
        self._rebalancing = asyncio.Lock()

    async def join(self, member: _Member, topics: Sequence[str]) -> None:
        async with self._rebalancing:
            if self.topics and self.topics != set(topics):
                raise ValueError(f"the members of a group read the same topics; this one reads {sorted(self.topics)}")
            self.topics.update(topics)
            for partition, log in self.logs.items():
                if partition[0] in self.topics:
                    self.committed.setdefault(partition, log.base)
            self.members.append(member)
            await self._share_out()

    async def leave(self, member: _Member, grace_s: float | None) -> None:
        async with self._rebalancing:
            if member not in self.members:
                return
            self.members.remove(member)
            await member.give_up([partition for partition, owner in self._owner.items() if owner is member], grace_s)
            self._owner = {partition: owner for partition, owner in self._owner.items() if owner is not member}
            await self._share_out()

    async def _share_out(self) -> None:
        """Deal the partitions out evenly; only those that change hands stop."""
        if not self.members:
            return
        target = {partition: self.members[i % len(self.members)] for i, partition in enumerate(sorted(self.committed))}
        moving = [partition for partition, member in target.items() if self._owner.get(partition) is not member]
        for member in self.members:
            await member.give_up([partition for partition in moving if self._owner.get(partition) is member])
        self._owner = target
        for member in self.members:
            member.take([partition for partition in moving if target[partition] is member])

    def commit(self, positions: dict[Partition, int]) -> None:
        for partition, offset in positions.items():
            self.committed[partition] = offset
            self._trim(partition)

    def wake(self, partition: Partition) -> None:
        if owner := self._owner.get(partition):
            owner.wake()


class _Member:
    """One subscription: feeds its lanes from the logs of the partitions it owns."""

    def __init__(self, group: _Group, delivery: Delivery, concurrency: int, limits: Limits, grace_s: float) -> None:
        self._group, self._grace_s = group, grace_s
        self._news = asyncio.Event()
        self._lanes = Lanes(delivery.deliver, concurrency=concurrency, limits=limits, on_progress=self.wake)
        self._next: dict[Partition, int] = {}
        self._pump: asyncio.Task[None] | None = None

    def wake(self) -> None:
        self._news.set()

    def take(self, partitions: Sequence[Partition]) -> None:
        if self._pump is None:
            self._pump = asyncio.create_task(self._feed())
        self._lanes.assign(partitions)
        self._next.update({partition: self._group.committed[partition] for partition in partitions})
        self.wake()

    async def give_up(self, partitions: Sequence[Partition], grace_s: float | None = None) -> None:
        await self._lanes.drain(partitions, self._grace_s if grace_s is None else grace_s)
        self._commit()
        self._lanes.drop(partitions)
        for partition in partitions:
            self._next.pop(partition, None)

    async def stop(self, grace_s: float | None = None) -> None:
        """As the port."""
        await self._group.leave(self, grace_s)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])

    async def _feed(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            self._commit()
            for partition, offset in list(self._next.items()):
                records = self._group.logs[partition].read(offset, self._lanes.room(partition))
                for record in records:
                    self._lanes.push(record)
                if records:
                    self._next[partition] = records[-1].offset + 1

    def _commit(self) -> None:
        positions = self._lanes.uncommitted()
        self._group.commit(positions)
        self._lanes.committed(positions)
