"""Members that come and go at random, some in order and some as if killed, while events are published."""

from __future__ import annotations

import asyncio
import random

import pytest
from kafka_broker.world import Recorder, World, event, eventually

from events.bus import Bus, Delivered, Retry

KEYS, SECONDS, MEMBERS = 40, 12, 3


class Storm:
    """Publishing and three members, all sharing one memory of what was handled."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world, self.dice = world, dice
        self.seen = Recorder(self._work)
        self.over = asyncio.Event()
        self.published: set[tuple[str, int]] = set()

    async def _work(self, _: Delivered) -> None:
        await asyncio.sleep(self.dice.choice([0, 0.002, 0.01, 0.05]))
        if self.dice.random() < 0.02:
            raise LookupError

    async def publish(self, bus: Bus) -> None:
        n = 0
        while not self.over.is_set():
            batch = [(f"k{i % KEYS}", i) for i in range(n, n + 10)]
            await bus.publish_many([(self.world.many, event(key, i)) for key, i in batch])
            self.published.update(batch)
            n += 10
            await asyncio.sleep(0.02)

    async def come_and_go(self) -> None:
        while not self.over.is_set():
            bus = await self.world.bus()
            patient = Retry(tries=20, base_s=0.02, cap_s=0.1)
            member = await self.world.join(bus, self.seen, self.world.many, concurrency=4, retry=patient)
            try:
                await asyncio.wait_for(self.over.wait(), self.dice.uniform(0.5, 4))
            except TimeoutError:
                await member.stop(self.dice.choice([0, None]))
                await asyncio.sleep(self.dice.uniform(0, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_overtaken_or_handled_twice_at_once(world: World, seed: int):
    if world.kind == "noida":
        pytest.skip("noida-db does not rebalance as Kafka does")
    storm = Storm(world, random.Random(seed))
    bus = await world.bus()
    running = [asyncio.create_task(storm.publish(bus))]
    running += [asyncio.create_task(storm.come_and_go()) for _ in range(MEMBERS)]
    await asyncio.sleep(SECONDS)
    storm.over.set()
    await asyncio.gather(*running)
    seen = storm.seen
    await eventually(lambda: storm.published <= set(seen.done), "everything published is handled", timeout_s=60)
    assert len(storm.published) > 500
    assert not seen.overlapping
    for key in {key for key, _ in storm.published}:
        firsts = list(dict.fromkeys(seen.of(key)))
        assert firsts == sorted(firsts)
