"""The cursor under every order of arrivals, crashes, forgotten histories and pushes: nothing lost, nothing twice."""

import contextlib
from collections.abc import Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from channels.email.gmail import CursorExpired
from channels.email.sync import sync_mailbox

BOX = "support@acme.example"
T = TypeVar("T")


class Killed(Exception):
    """The process is gone before its transaction was committed."""


class MemoryStore:
    """What the CRM does, in memory: ids are unique, the cursor moves forward only, both or none."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.position: int | None = None
        self.crash = False
        self.locked = False

    @asynccontextmanager
    async def lock(self, mailbox: str):
        assert not self.locked
        self.locked = True
        try:
            yield
        finally:
            self.locked = False

    async def cursor(self, mailbox: str) -> int | None:
        return self.position

    async def record(self, mailbox: str, ids: Sequence[str], cursor: int) -> int:
        assert self.locked
        if self.crash:
            self.crash = False
            raise Killed
        new = [i for i in dict.fromkeys(ids) if i not in self.events]
        self.events += new
        self.position = max(self.position or 0, cursor)
        return len(new)


class MemoryGmail:
    """An inbox with a history: what arrived since a cursor, deleted mail included, until it is forgotten."""

    def __init__(self) -> None:
        self.now = 100
        self.floor = 0
        self.arrived: list[tuple[int, str]] = []
        self.deleted: set[str] = set()
        self.arrive_while_listing = False

    def arrive(self) -> str:
        self.now += 3
        self.arrived.append((self.now, f"m{self.now}"))
        return self.arrived[-1][1]

    @property
    def inbox(self) -> set[str]:
        return {i for _, i in self.arrived} - self.deleted

    async def profile_history_id(self) -> int:
        return self.now

    async def list_history(self, cursor: int) -> tuple[list[str], int]:
        if cursor < self.floor:
            raise CursorExpired(code="404")
        return [i for at, i in self.arrived if at > cursor], self.now

    async def list_inbox(self, days: int) -> list[str]:
        found = [i for _, i in self.arrived if i not in self.deleted]
        if self.arrive_while_listing:
            self.arrive_while_listing = False
            self.arrive()
        return found


class Synchronising(RuleBasedStateMachine):
    """The real `sync_mailbox` between an inbox and a store, whatever happens in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.gmail, self.store = MemoryGmail(), MemoryStore()
        self.pushes: list[int] = [1]
        self.highest = 0

    def sync(self, **options) -> None:
        """Without a loop: the store and the inbox never wait."""
        with contextlib.suppress(Killed):
            run(sync_mailbox(self.gmail, self.store, BOX, **options))

    @rule()
    def mail_arrives_and_a_push_says_so_later_or_never(self) -> None:
        self.gmail.arrive()
        self.pushes.append(self.gmail.now)

    @rule(chance=st.randoms())
    def a_mail_is_deleted(self, chance) -> None:
        if self.gmail.inbox:
            self.gmail.deleted.add(chance.choice(sorted(self.gmail.inbox)))

    @rule(chance=st.randoms())
    def some_push_comes_old_new_or_again(self, chance) -> None:
        self.sync(pushed=chance.choice(self.pushes))

    @rule()
    def a_push_comes_early(self) -> None:
        self.sync(pushed=self.gmail.now + 1000)

    @rule(full=st.booleans())
    def the_keeper_looks(self, full: bool) -> None:
        self.sync(full=full)

    @rule()
    def gmail_forgets_its_history(self) -> None:
        self.gmail.floor = self.gmail.now

    @rule()
    def the_process_will_die_between_fetch_and_commit(self) -> None:
        self.store.crash = True

    @rule()
    def mail_will_arrive_while_the_inbox_is_listed(self) -> None:
        self.gmail.arrive_while_listing = True

    @invariant()
    def nothing_is_recorded_twice_and_the_cursor_never_goes_back(self) -> None:
        assert len(set(self.store.events)) == len(self.store.events)
        assert set(self.store.events) <= {i for _, i in self.gmail.arrived}
        assert self.highest <= (self.store.position or 0) <= self.gmail.now
        self.highest = self.store.position or 0

    def teardown(self) -> None:
        """In the end a quiet look finds what is still in the inbox; of what was deleted it may know or not."""
        self.store.crash = False
        self.sync()
        self.sync()
        assert self.gmail.inbox <= set(self.store.events)
        assert self.store.position == self.gmail.now


Synchronising.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_every_mail_of_the_inbox_is_recorded_once_whatever_happens = Synchronising.TestCase


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """A coroutine that never waits, to its end."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


async def test_a_push_that_is_older_than_the_cursor_asks_nothing():
    gmail, store = MemoryGmail(), MemoryStore()
    store.position = 500
    gmail.floor = 1000
    assert await sync_mailbox(gmail, store, BOX, pushed=400) == 0


async def test_the_cursor_is_never_taken_from_the_push():
    gmail, store = MemoryGmail(), MemoryStore()
    store.position = 100
    gmail.arrive()
    assert await sync_mailbox(gmail, store, BOX, pushed=10_000) == 1
    assert store.position == gmail.now
