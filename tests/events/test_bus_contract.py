"""What events/bus.py promises, asked of every broker."""

from __future__ import annotations

import asyncio
import random

import pytest
from kafka_broker.world import Recorder, World, event, eventually, number

from events.bus import Delivered, Limits, Poison, Retry
from events.envelope import MAX_EVENT_BYTES, Envelope
from events.errors import EventTooLarge, UnknownTopic


async def test_a_key_keeps_its_order_while_keys_run_side_by_side(world: World):
    async def dawdle(_: Delivered) -> None:
        await asyncio.sleep(random.uniform(0, 0.01))

    bus, seen = await world.bus(), Recorder(dawdle)
    await world.join(bus, seen, world.many, concurrency=4)
    await bus.publish_many([(world.many, event(f"k{n % 20}", n)) for n in range(400)])
    await eventually(lambda: len(seen.done) >= 400, "all events handled")
    for k in range(20):
        assert seen.of(f"k{k}") == list(range(k, 400, 20))
    assert not seen.overlapping
    assert seen.most_at_once == 4


async def test_what_arrives_is_what_was_published(world: World):
    bus, seen = await world.bus(), Recorder()
    sent = Envelope(
        type="message.received", key="clé", trace={"traceparent": "00-ab-cd-01"}, payload={"n": 1, "a": ["é", None]}
    )
    await bus.publish(world.one, sent)
    await world.join(bus, seen, world.one)
    await eventually(lambda: len(seen.done) == 1, "the event that was there before the group")
    [delivered] = seen.started
    assert delivered.envelope == sent
    assert (delivered.topic, delivered.partition, delivered.offset, delivered.attempt) == (world.one, 0, 0, 1)


async def test_every_group_gets_every_event(world: World):
    bus, one, other = await world.bus(), Recorder(), Recorder()
    await world.join(bus, one, world.many, group="one")
    await world.join(bus, other, world.many, group="other")
    for n in range(30):
        await bus.publish(world.many, event(f"k{n}", n))
    await eventually(lambda: len(one.done) == len(other.done) == 30, "both groups have all")


async def test_a_handler_that_fails_is_tried_again_and_then_the_event_is_dead(world: World):
    async def refuse_the_first(delivered: Delivered) -> None:
        if number(delivered) == 0:
            raise LookupError(f"attempt {delivered.attempt}")

    bus, seen = await world.bus(), Recorder(refuse_the_first)
    await world.join(bus, seen, world.one)
    await bus.publish_many([(world.one, event("k", n)) for n in range(2)])
    await eventually(lambda: seen.done == [("k", 1)], "the key goes on behind its dead event")
    assert [(number(d), d.attempt) for d in seen.started] == [(0, 1), (0, 2), (0, 3), (1, 1)]
    [(delivered, error)] = seen.dead
    assert (number(delivered), delivered.attempt, str(error)) == (0, 3, "attempt 3")


async def test_a_handler_that_recovers_is_not_dead(world: World):
    async def fail_once(delivered: Delivered) -> None:
        if delivered.attempt == 1:
            raise asyncio.CancelledError  # a cancellation that is not ours is a failure like any other

    bus, seen = await world.bus(), Recorder(fail_once)
    await world.join(bus, seen, world.one)
    await bus.publish(world.one, event("k"))
    await eventually(lambda: seen.done == [("k", 0)], "handled at the second attempt")
    assert not seen.dead


async def test_the_key_waits_until_its_dead_event_is_taken(world: World):
    refusals: list[int] = []

    async def full(delivered: Delivered, _: Exception) -> None:
        refusals.append(number(delivered))
        if len(refusals) < 4:
            raise OSError("no room for the dead")

    async def refuse_the_first(delivered: Delivered) -> None:
        if number(delivered) == 0:
            raise LookupError

    bus, seen = await world.bus(), Recorder(refuse_the_first)
    await world.join(bus, seen, world.one, on_dead=full)
    await bus.publish_many([(world.one, event("k", n)) for n in range(2)])
    await eventually(lambda: len(seen.done) == 1, "the next event of the key")
    assert refusals == [0, 0, 0, 0]


async def test_poison_is_handed_over_and_blocks_nobody(world: World):
    refusals: list[str] = []

    async def reluctant(poison: Poison) -> None:
        refusals.append(poison.reason)
        if len(refusals) == 1:
            raise OSError("not now")
        await seen.on_poison(poison)

    bus, seen = await world.bus(), Recorder()
    await world.join(bus, seen, world.one, on_poison=reluctant)
    await bus.publish(world.one, event("k", 0))
    await world.put_bytes(bus, world.one, b"k", b"\xff not an event")
    await world.put_bytes(bus, world.one, None, b'{"version": 99}')
    await bus.publish(world.one, event("k", 1))
    await eventually(lambda: len(seen.done) == 2 and len(seen.poison) == 2, "two events and two poisons")
    assert seen.of("k") == [0, 1]
    by_offset = {poison.offset: poison for poison in seen.poison}
    assert by_offset[1].raw == b"\xff not an event"
    assert by_offset[1].reason == "it is not JSON"
    assert "version is 99" in by_offset[2].reason


async def test_a_slow_key_holds_up_nobody_else(world: World):
    release = asyncio.Event()

    async def stall_one(delivered: Delivered) -> None:
        if delivered.envelope.key == "slow":
            await release.wait()

    bus, seen = await world.bus(), Recorder(stall_one)
    await world.join(bus, seen, world.one, concurrency=2)
    keys = ["slow", *(f"k{n % 7}" for n in range(200)), "slow"]
    await bus.publish_many([(world.one, event(key, n)) for n, key in enumerate(keys)])
    await eventually(lambda: len(seen.done) == 200, "all but the slow key")
    assert seen.of("slow") == []
    release.set()
    await eventually(lambda: seen.of("slow") == [0, 201], "the slow key")


async def test_a_key_that_waits_for_its_next_attempt_holds_no_slot(world: World):
    async def refuse(delivered: Delivered) -> None:
        if delivered.envelope.key == "bad":
            raise LookupError

    bus, seen = await world.bus(), Recorder(refuse)
    member = await world.join(bus, seen, world.one, concurrency=1, retry=Retry(tries=9, base_s=1000, cap_s=1000))
    await bus.publish_many([(world.one, event(key)) for key in ("bad", "a", "b")])
    await eventually(lambda: len(seen.done) == 2, "the others pass the one slot")
    await asyncio.wait_for(member.stop(), 4)  # nor does it hold up the leaving, whose grace is 5 s


async def test_a_handler_that_fails_while_its_member_leaves_is_left_to_the_next(world: World):
    async def fail_slowly(_: Delivered) -> None:
        await asyncio.sleep(0.3)
        raise LookupError

    bus, first = await world.bus(), Recorder(fail_slowly)
    member = await world.join(bus, first, world.one, retry=Retry(tries=2, base_s=1000, cap_s=1000))
    await bus.publish(world.one, event("k"))
    await eventually(lambda: len(first.started) == 1, "in hand")
    await asyncio.wait_for(member.stop(), 4)
    assert (len(first.started), first.dead) == (1, [])
    second = Recorder()
    await world.join(await world.bus(), second, world.one)
    await eventually(lambda: second.of("k") == [0], "handled by the next member")


async def test_a_member_takes_in_only_so_much(world: World):
    release = asyncio.Event()

    async def stall(delivered: Delivered) -> None:
        if delivered.envelope.key == "stuck":
            await release.wait()

    world.limits = Limits(queued=20, window=50)
    bus, seen = await world.bus(), Recorder(stall)
    await world.join(bus, seen, world.one)
    keys = ["stuck"] + ["early"] * 10 + ["stuck"] * 200 + ["late"]
    for n, key in enumerate(keys):
        await bus.publish(world.one, event(key, n))
    await eventually(lambda: len(seen.of("early")) == 10, "what was within the limit")
    await asyncio.sleep(0.5)
    assert seen.of("late") == []
    release.set()
    await eventually(lambda: len(seen.done) == len(keys), "everything, once there is room")
    assert seen.of("stuck") == sorted(seen.of("stuck"))
    assert len(set(seen.done)) == len(seen.done)


async def test_what_was_in_hand_at_a_crash_comes_again_and_what_was_done_does_not(world: World):
    async def stall_from_five(delivered: Delivered) -> None:
        if number(delivered) >= 5:
            await asyncio.Event().wait()

    bus, first = await world.bus(), Recorder(stall_from_five)
    member = await world.join(bus, first, world.one)
    await bus.publish_many([(world.one, event("k", n)) for n in range(10)])
    await eventually(lambda: len(first.started) == 6, "the sixth is in hand")
    await member.stop(grace_s=0)
    second = Recorder()
    await world.join(await world.bus(), second, world.one)
    await eventually(lambda: len(second.done) == 5, "the rest by the next member")
    assert second.of("k") == [5, 6, 7, 8, 9]


async def test_an_offset_waits_for_everything_before_it(world: World):
    """A later key that is done while an earlier one is not must come again: the commit is contiguous."""

    async def stall_the_first(delivered: Delivered) -> None:
        if number(delivered) == 0:
            await asyncio.Event().wait()

    bus, first = await world.bus(), Recorder(stall_the_first)
    member = await world.join(bus, first, world.one)
    await bus.publish_many([(world.one, event(f"k{n}", n)) for n in range(4)])
    await eventually(lambda: len(first.done) == 3, "all but the first")
    await asyncio.sleep(0.3)  # longer than a commit takes
    await member.stop(grace_s=0)
    second = Recorder()
    await world.join(await world.bus(), second, world.one)
    await eventually(lambda: ("k0", 0) in second.done, "the first, by the next member")


async def test_stopping_lets_what_is_in_hand_finish_and_leaves_the_rest(world: World):
    async def take_a_while(_: Delivered) -> None:
        await asyncio.sleep(0.5)

    bus, first = await world.bus(), Recorder(take_a_while)
    member = await world.join(bus, first, world.one)
    await bus.publish_many([(world.one, event("k", n)) for n in range(3)])
    await eventually(lambda: len(first.started) == 1, "the first is in hand")
    await member.stop()
    assert first.of("k") == [0]
    second = Recorder()
    await world.join(await world.bus(), second, world.one)
    await eventually(lambda: len(second.done) == 2, "the rest by the next member")
    assert second.of("k") == [1, 2]


async def test_members_of_a_group_share_and_lose_nothing_when_one_leaves(world: World):
    if world.kind == "noida":
        pytest.skip("when a member leaves, noida-db lets the others rejoin only after their rebalance timeout")

    async def work(_: Delivered) -> None:
        await asyncio.sleep(0.005)

    one_bus, other_bus = await world.bus(), await world.bus()
    one, other = Recorder(work), Recorder(work)
    leaving = await world.join(one_bus, one, world.many, concurrency=2)
    await world.join(other_bus, other, world.many, concurrency=2)
    sent = 0
    async with asyncio.timeout(30):
        while not (len(one.done) > 20 and len(other.done) > 20):
            await one_bus.publish(world.many, event(f"k{sent % 30}", sent))
            sent += 1
            await asyncio.sleep(0.003)
    await leaving.stop()
    at_leaving = len(one.done)
    for n in range(sent, sent + 60):
        await one_bus.publish(world.many, event(f"k{n % 30}", n))
    everything = {(f"k{n % 30}", n) for n in range(sent + 60)}
    await eventually(lambda: set(one.done) | set(other.done) == everything, "every event by one of them")
    assert len(one.done) == at_leaving
    assert not one.overlapping | other.overlapping
    for k in range(30):
        assert one.of(f"k{k}") == sorted(one.of(f"k{k}"))
        firsts = list(dict.fromkeys(other.of(f"k{k}")))
        assert firsts == sorted(firsts)


async def test_health_tells_how_far_the_groups_are_behind(world: World):
    release = asyncio.Event()

    async def wait(_: Delivered) -> None:
        await release.wait()

    bus, seen = await world.bus(), Recorder(wait)
    await world.join(bus, seen, world.one)
    await bus.publish_many([(world.one, event("k", n)) for n in range(5)])
    await eventually(lambda: len(seen.started) == 1, "the first is in hand")
    health = await bus.health()
    assert health.ok, health.detail
    assert list(health.lag.values()) == [5]
    release.set()
    await eventually(lambda: len(seen.done) == 5, "all handled")
    async with asyncio.timeout(10):
        while any((await bus.health()).lag.values()):
            await asyncio.sleep(0.05)


async def test_what_cannot_be_carried_is_refused_in_clear_words(world: World):
    bus, seen = await world.bus(), Recorder()
    with pytest.raises(UnknownTopic, match=r"no topic 'nowhere'; known are .*test\.many"):
        await bus.publish("nowhere", event("k"))
    with pytest.raises(UnknownTopic, match="no topic 'nowhere'"):
        await world.join(bus, seen, "nowhere")
    fat = Envelope(type="test.happened", key="k", payload={"n": "x" * MAX_EVENT_BYTES})
    with pytest.raises(EventTooLarge, match="900000"):
        await bus.publish(world.one, fat)
    with pytest.raises(ValueError, match="concurrency"):
        await world.join(bus, seen, world.one, concurrency=0)
