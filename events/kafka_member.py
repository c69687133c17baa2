"""One member of a Kafka consumer group: keeps a consumer alive, feeds its lanes, commits what is done in a row."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from events.bus import Limits
from events.delivery import Delivery
from events.kafka_client import calm
from events.lanes import Lanes, Partition, Record

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timings:
    """How patient a member is. While it drains for a rebalance the group waits, so `grace_s` bounds that wait."""

    grace_s: float = 25.0
    commit_every_s: float = 1.0
    poll_ms: int = 100
    fetch_wait_ms: int = 50  # a fetch is held this long when there is nothing; the default 500 costs latency
    session_ms: int = 10_000  # a member that was killed is missed after this
    heartbeat_ms: int = 1_000  # how soon a member hears of a rebalance
    reconnect_cap_s: float = 5.0

    @property
    def rebalance_ms(self) -> int:
        """A member that drains longer than this is thrown out of the group."""
        return int(self.grace_s * 1000) + 10_000

    @property
    def request_ms(self) -> int:
        """Joining waits for the slowest member, and aiokafka gives it no longer than any other request."""
        return self.rebalance_ms + 5_000


DEFAULT_TIMINGS: Final = Timings()


class KafkaMember:
    """A subscription. The consumer is rebuilt after whatever ends it, until `stop`."""

    def __init__(
        self,
        group: str,
        topics: Sequence[str],
        delivery: Delivery,
        *,
        connection: Callable[[], dict[str, Any]],
        before_joining: Callable[[], Awaitable[None]],
        concurrency: int,
        limits: Limits,
        timings: Timings,
    ) -> None:
        self.group, self._topics, self._timings = group, list(topics), timings
        self._connection, self._before_joining = connection, before_joining
        self._lanes = Lanes(delivery.deliver, concurrency=concurrency, limits=limits)
        self._batch = limits.queued
        self._consumer: AIOKafkaConsumer | None = None
        self._closing: asyncio.Task[None] | None = None
        self._grace_s = timings.grace_s
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self.trouble: str | None = "it has not joined yet"

    def start(self) -> None:
        self._task = asyncio.create_task(self._stay_joined())

    async def stop(self, grace_s: float | None = None) -> None:
        """As the port."""
        if grace_s is not None:
            self._grace_s = grace_s
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def lag(self) -> int:
        """Events of the partitions that are ours and not done, as far as the last fetch told."""
        consumer = self._consumer
        if consumer is None:
            return 0
        behind = 0
        for topic, number in self._lanes.partitions:
            with contextlib.suppress(IllegalStateError):  # lost between the two lines
                end, position = consumer.highwater(TopicPartition(topic, number)), self._lanes.position((topic, number))
                behind += max(0, end - position) if end is not None and position is not None else 0
        return behind

    async def give_up(self, partitions: Collection[Partition]) -> None:
        """Finish and commit what is in hand of partitions, then they are not ours any more."""
        await self._lanes.drain(partitions, self._grace_s)
        await self._commit()
        self._lanes.drop(partitions)

    def take(self, partitions: Collection[Partition]) -> None:
        self._lanes.assign(partitions)
        self.trouble, self._failures = None, 0

    async def _stay_joined(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._session()
            except Exception as error:  # whatever it was, work waits: build the consumer anew
                self.trouble = type(error).__name__
                log.warning("consumer.lost", group=self.group, error=self.trouble, detail=str(error)[:200])
                ceiling = min(self._timings.reconnect_cap_s, 0.2 * 2.0 ** min(self._failures, 10))
                self._failures += 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(random.uniform(0, ceiling)):
                        await self._stopping.wait()

    async def _session(self) -> None:
        await self._before_joining()
        timings = self._timings
        consumer = AIOKafkaConsumer(
            **self._connection(),
            group_id=self.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=timings.fetch_wait_ms,
            session_timeout_ms=timings.session_ms,
            heartbeat_interval_ms=timings.heartbeat_ms,
            rebalance_timeout_ms=timings.rebalance_ms,
            request_timeout_ms=timings.request_ms,
            metadata_max_age_ms=30_000,  # a topic that was born a moment too late is seen after this
        )
        calm(consumer._client)
        self._consumer = consumer
        try:
            await consumer.start()
            consumer.subscribe(self._topics, listener=_Listener(self, lambda: self._consumer is consumer))
            await self._until_stopped(self._pump(consumer))
        finally:
            await self.give_up(self._lanes.partitions)
            self._lanes.drop(self._lanes.partitions)  # those too that came in the meantime
            self._consumer = None
            await self._close(consumer)

    async def _until_stopped(self, work: Awaitable[None]) -> None:
        """Run `work` until `stop`; what it raises is raised here. During a rebalance a poll waits without a limit."""
        task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (task, stopping):
                one.cancel()
            await asyncio.wait([task, stopping])
        if not task.cancelled():
            task.result()

    async def _pump(self, consumer: AIOKafkaConsumer) -> None:
        due = time.monotonic() + self._timings.commit_every_s
        while True:
            self._regulate(consumer)
            fetched = await consumer.getmany(timeout_ms=self._timings.poll_ms, max_records=self._batch)
            for tp, records in fetched.items():
                for record in records:
                    self._lanes.push(Record(tp.topic, tp.partition, record.offset, record.key, record.value or b""))
            if time.monotonic() >= due:
                await self._commit()
                due = time.monotonic() + self._timings.commit_every_s

    def _regulate(self, consumer: AIOKafkaConsumer) -> None:
        """Pause partitions whose lanes are full; polling goes on, so the group does not think us dead."""
        try:
            paused = consumer.paused()
            full = {TopicPartition(*one) for one in self._lanes.partitions if not self._lanes.room(one)}
            consumer.pause(*(full - paused))
            consumer.resume(*(paused - full))
        except IllegalStateError:
            pass  # lost a partition between the lines; the next round sees it

    async def _commit(self) -> None:
        """Tell the group how far we are. If it is refused the next owner repeats some work, which is allowed."""
        consumer, positions = self._consumer, self._lanes.uncommitted()
        if consumer is None or not positions:
            return
        offsets = {TopicPartition(*partition): position for partition, position in positions.items()}
        try:
            async with asyncio.timeout(5.0):  # with the broker away aiokafka would try for ever
                await consumer.commit(offsets)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("consumer.commit_refused", group=self.group, error=type(error).__name__)
        else:
            self._lanes.committed(positions)

    async def _close(self, consumer: AIOKafkaConsumer) -> None:
        """Leave the group. Not cancelled half-way: aiokafka would go on with its heartbeats and keep the partitions."""
        self._closing = asyncio.create_task(consumer.stop())
        _, late = await asyncio.wait([self._closing], timeout=5.0)
        if late or self._closing.exception():
            log.warning("consumer.closed_hard", group=self.group)


class _Listener(ConsumerRebalanceListener):
    """Tells a member what its consumer was given. aiokafka waits for these calls before it goes on with the rebalance:
    the group stands still while a member drains, and still takes its commits."""

    def __init__(self, member: KafkaMember, is_current: Callable[[], bool]) -> None:
        self._member, self._is_current = member, is_current

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self._is_current():
            await self._member.give_up([(tp.topic, tp.partition) for tp in revoked])

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self._is_current():
            self._member.take([(tp.topic, tp.partition) for tp in assigned])
