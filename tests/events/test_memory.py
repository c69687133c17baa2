"""What the in-process bus adds to the contract: its log is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from kafka_broker.world import Recorder, event, eventually

from core.errors import BusUnavailable
from events.bus import Delivered
from events.memory import MemoryBus
from events.topics import Topic


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    made = MemoryBus([Topic("t", 1), Topic("unread", 1)], capacity=10, publish_timeout_s=0.2, grace_s=1)
    await made.start()
    yield made
    await made.stop()


async def join(bus: MemoryBus, seen: Recorder, group: str = "g", topics: tuple[str, ...] = ("t",)):
    return await bus.subscribe(group, topics, seen.handle, on_dead=seen.on_dead, on_poison=seen.on_poison)


def kept(bus: MemoryBus, topic: str = "t") -> int:
    return len(bus._logs[topic, 0].records)


async def test_what_every_group_has_handled_is_forgotten(bus: MemoryBus):
    release = asyncio.Event()

    async def wait(_: Delivered) -> None:
        await release.wait()

    fast, slow = Recorder(), Recorder(wait)
    await join(bus, fast, "fast")
    await join(bus, slow, "slow")
    for n in range(5):
        await bus.publish("t", event("k", n))
    await eventually(lambda: len(fast.done) == 5, "the fast group is through")
    assert kept(bus) == 5
    release.set()
    await eventually(lambda: len(slow.done) == 5, "the slow group is through")
    await eventually(lambda: kept(bus) == 0, "the log is empty")


async def test_publishing_waits_for_the_slowest_group_and_then_says_so(bus: MemoryBus):
    release = asyncio.Event()

    async def wait(_: Delivered) -> None:
        await release.wait()

    seen = Recorder(wait)
    await join(bus, seen)
    for n in range(10):
        await bus.publish("t", event("k", n))
    with pytest.raises(BusUnavailable, match="t holds 10 events that nobody has handled"):
        await bus.publish("t", event("k", 10))
    waiting = asyncio.create_task(bus.publish("t", event("k", 10)))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    release.set()
    await waiting
    await eventually(lambda: seen.of("k") == list(range(11)), "all, in order")


async def test_a_topic_that_nobody_reads_keeps_only_the_newest(bus: MemoryBus):
    for n in range(25):
        await bus.publish("unread", event("k", n))
    assert kept(bus, "unread") == 10
    late = Recorder()
    await join(bus, late, topics=("unread",))
    await eventually(lambda: late.of("k") == list(range(15, 25)), "the newest ten")


async def test_what_waits_in_the_log_outlives_its_members(bus: MemoryBus):
    seen = Recorder()
    await (await join(bus, seen)).stop()
    await bus.publish("t", event("k", 1))
    await asyncio.sleep(0.05)
    assert seen.done == []
    await join(bus, seen)
    await eventually(lambda: seen.of("k") == [1], "the next member")


async def test_the_members_of_a_group_read_the_same_topics(bus: MemoryBus):
    await join(bus, Recorder())
    with pytest.raises(ValueError, match=r"same topics; this one reads \['t'\]"):
        await join(bus, Recorder(), topics=("unread",))


async def test_a_bus_that_does_not_run_takes_nothing(bus: MemoryBus):
    assert (await bus.health()).ok
    await bus.stop()
    assert not (await bus.health()).ok
    with pytest.raises(BusUnavailable, match="not running"):
        await bus.publish("t", event("k"))


async def test_a_handler_that_will_not_end_cannot_hold_up_the_stop(bus: MemoryBus):
    async def hang(_: Delivered) -> None:
        await asyncio.Event().wait()

    seen = Recorder(hang)
    await join(bus, seen)
    await bus.publish("t", event("k"))
    await eventually(lambda: len(seen.started) == 1, "in hand")
    await asyncio.wait_for(bus.stop(), 3)  # the grace of this bus is 1 s
