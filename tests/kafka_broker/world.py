"""A place for one test of the bus: topics of its own on some broker, and a handler that remembers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from events.bus import Bus, Delivered, Limits, Poison, Retry, Subscription
from events.envelope import Envelope
from events.kafka import KafkaBus
from events.kafka_client import KafkaConfig
from events.kafka_member import Timings
from events.memory import MemoryBus
from events.topics import Topic

QUICK = Timings(grace_s=5, commit_every_s=0.1, poll_ms=20, fetch_wait_ms=20, session_ms=6_000, heartbeat_ms=300)


async def eventually(holds: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
    """Wait until something holds; say what did not."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"not within {timeout_s} s: {what}")


def event(key: str, n: int = 0) -> Envelope:
    return Envelope(type="test.happened", key=key, payload={"n": n})


@dataclass
class Recorder:
    """A handler that remembers, with callbacks for what goes wrong."""

    act: Callable[[Delivered], Awaitable[None]] | None = None
    started: list[Delivered] = field(default_factory=list)
    done: list[tuple[str, int]] = field(default_factory=list)
    dead: list[tuple[Delivered, Exception]] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    most_at_once: int = 0
    overlapping: set[str] = field(default_factory=set)

    async def handle(self, delivered: Delivered) -> None:
        key = delivered.envelope.key
        if key in self.running:
            self.overlapping.add(key)
        self.started.append(delivered)
        self.running.append(key)
        self.most_at_once = max(self.most_at_once, len(self.running))
        try:
            if self.act is not None:
                await self.act(delivered)
        finally:
            self.running.remove(key)
        self.done.append((key, number(delivered)))

    async def on_dead(self, delivered: Delivered, error: Exception) -> None:
        self.dead.append((delivered, error))

    async def on_poison(self, poison: Poison) -> None:
        self.poison.append(poison)

    def of(self, key: str) -> list[int]:
        return [n for k, n in self.done if k == key]


def number(delivered: Delivered) -> int:
    n = delivered.envelope.payload["n"]
    assert isinstance(n, int)
    return n


class World:
    """A broker with topics of its own for one test: `many` has three partitions, `one` has one."""

    def __init__(self, kind: str, bootstrap_servers: str | None) -> None:
        self.kind, self.bootstrap_servers = kind, bootstrap_servers
        self.many, self.one = (f"test.{word}.{uuid.uuid4().hex[:8]}" for word in ("many", "one"))
        self.limits = Limits()
        self._buses: list[Bus] = []

    async def bus(self) -> Bus:
        """Another process's bus, as it were; the in-process bus has only one process."""
        if self.bootstrap_servers is None and self._buses:
            return self._buses[0]
        topics = [Topic(self.many, 3), Topic(self.one, 1)]
        if self.bootstrap_servers is None:
            bus: Bus = MemoryBus(topics, limits=self.limits, grace_s=QUICK.grace_s)
        else:
            bus = KafkaBus(KafkaConfig(self.bootstrap_servers), topics, limits=self.limits, timings=QUICK)
        await bus.start()
        self._buses.append(bus)
        return bus

    async def join(self, bus: Bus, recorder: Recorder, topic: str, group: str = "g", **options: Any) -> Subscription:
        options.setdefault("retry", Retry(tries=3, base_s=0.02, cap_s=0.05))
        options.setdefault("on_dead", recorder.on_dead)
        options.setdefault("on_poison", recorder.on_poison)
        group = f"{group}.{self.many}"  # a group belongs to its test
        return await bus.subscribe(group, [topic], recorder.handle, **options)

    async def put_bytes(self, bus: Bus, topic: str, key: bytes | None, value: bytes) -> None:
        if isinstance(bus, MemoryBus):
            return await bus.append(topic, key, value)
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers) as producer:
            await producer.send_and_wait(topic, value, key=key)

    async def close(self) -> None:
        for bus in self._buses:
            await bus.stop()
