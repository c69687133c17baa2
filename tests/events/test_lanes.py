"""Contiguous commits over every order of finishing, and lanes that give partitions away."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka_broker.world import eventually

from events.bus import Limits
from events.lanes import Lanes, OffsetTracker, Record, Turn

PARTITION = ("t", 0)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[tuple[str, int]]]:
    """Offsets with gaps, and an interleaving of taking them in order with finishing them in any order."""
    offsets = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=25)))
    untaken, unfinished, steps = list(offsets), [], []
    while untaken or unfinished:
        if untaken and (not unfinished or draw(st.booleans())):
            unfinished.append(untaken[0])
            steps.append(("take", untaken.pop(0)))
        elif draw(st.integers(0, 20)) == 0:
            break  # some are never finished
        else:
            steps.append(("finish", unfinished.pop(draw(st.integers(0, len(unfinished) - 1)))))
    return offsets, steps


@given(histories())
def test_the_position_never_passes_what_is_not_done_and_never_lags_behind_what_is(history):
    _, steps = history
    tracker, taken, done = OffsetTracker(), [], set()
    for step, offset in steps:
        before = tracker.position
        if step == "take":
            assert tracker.take(offset)
            taken.append(offset)
        else:
            tracker.finish(offset)
            done.add(offset)
        waiting = [one for one in taken if one not in done]
        in_a_row = [one for one in taken if not waiting or one < waiting[0]]
        assert tracker.position == (in_a_row[-1] + 1 if in_a_row else taken[0])
        assert before is None or tracker.position >= before
        assert tracker.unfinished == len(waiting)
        assert tracker.window == len(taken) - len(in_a_row)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40))
def test_an_offset_that_was_read_before_is_not_taken_again(offsets):
    tracker, accepted = OffsetTracker(), []
    for offset in offsets:
        if tracker.take(offset):
            accepted.append(offset)
    assert accepted == sorted(set(accepted))
    assert tracker.unfinished == len(accepted)


def record(offset: int, key: str | None = "k") -> Record:
    return Record(*PARTITION, offset=offset, key=key.encode() if key else None, value=b"")


def lanes(work, concurrency: int = 4, limits: Limits = Limits(queued=10, window=20)) -> Lanes:  # noqa: B008
    made = Lanes(work, concurrency=concurrency, limits=limits)
    made.assign([PARTITION])
    return made


async def test_records_without_a_key_have_no_order_and_do_not_wait_for_each_other():
    running: list[int] = []

    async def stall(record: Record, turn: Turn) -> None:
        async with turn.slot():
            running.append(record.offset)
            await asyncio.Event().wait()

    tested = lanes(stall, concurrency=3)
    for offset in range(5):
        tested.push(record(offset, key=None))
    await eventually(lambda: len(running) == 3, "as many as there are slots")
    await tested.drain([PARTITION], grace_s=0)


async def test_room_shrinks_with_what_is_queued_and_with_what_cannot_be_committed():
    gate = asyncio.Event()

    async def work(record: Record, turn: Turn) -> None:
        if record.key == b"stuck":
            await gate.wait()

    tested = lanes(work)
    assert tested.room(PARTITION) == 10
    tested.push(record(0, "stuck"))
    for offset in range(1, 18):
        tested.push(record(offset, f"k{offset}"))
    await eventually(lambda: tested.room(PARTITION) == 2, "18 of the window of 20 are not committable")
    assert tested.uncommitted() == {}
    gate.set()
    await eventually(lambda: tested.uncommitted() == {PARTITION: 18}, "all done")
    assert tested.room(PARTITION) == 10
    tested.committed({PARTITION: 18})
    assert tested.uncommitted() == {}
    assert tested.room(("t", 1)) == 0


async def test_draining_waits_for_what_runs_and_takes_no_more():
    finished: list[int] = []

    async def work(record: Record, turn: Turn) -> None:
        async with turn.slot():
            await asyncio.sleep(0.1)
            finished.append(record.offset)

    tested = lanes(work, concurrency=1)
    for offset in range(3):
        tested.push(record(offset))
    await asyncio.sleep(0.02)
    await tested.drain([PARTITION], grace_s=5)
    tested.push(record(3, "late"))
    assert finished == [0]
    assert tested.uncommitted() == {PARTITION: 1}
    tested.drop([PARTITION])
    assert tested.partitions == []


async def test_a_partition_that_comes_back_begins_anew():
    worked: list[int] = []

    async def work(record: Record, turn: Turn) -> None:
        worked.append(record.offset)

    tested = lanes(work)
    tested.push(record(5))
    await eventually(lambda: worked == [5], "the first time")
    await tested.drain([PARTITION], grace_s=1)
    tested.assign([PARTITION])
    tested.push(record(5))
    await eventually(lambda: worked == [5, 5], "the second time")


async def test_nothing_overtakes_a_record_whose_work_broke():
    worked: list[int] = []

    async def work(record: Record, turn: Turn) -> None:
        if record.offset == 0:
            raise ZeroDivisionError
        worked.append(record.offset)

    tested = lanes(work)
    for offset, key in enumerate(["broken", "broken", "sound"]):
        tested.push(record(offset, key))
    await eventually(lambda: worked == [2], "the sound key")
    tested.push(record(3, "broken"))
    await asyncio.sleep(0.02)
    assert worked == [2]
    assert tested.uncommitted() == {}
    await tested.drain([PARTITION], grace_s=1)


async def test_lanes_without_slots_are_refused():
    with pytest.raises(ValueError, match="concurrency"):
        Lanes(lambda record, turn: asyncio.sleep(0), concurrency=0, limits=Limits())
