"""The cursor under every order of arrivals, crashes, forgotten histories and pushes: nothing lost, nothing twice."""

from collections.abc import Sequence
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.gmail import CursorExpired
from channels.email.sync import sync_mailbox

BOX = "support@acme.example"


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
            raise RuntimeError("killed before the commit")
        new = [i for i in dict.fromkeys(ids) if i not in self.events]
        self.events += new
        self.position = max(self.position or 0, cursor)
        return len(new)


class MemoryGmail:
    def __init__(self) -> None:
        self.now = 100
        self.floor = 0
        self.arrived: list[tuple[int, str]] = []
        self.arrive_while_listing = False

    def arrive(self) -> None:
        self.now += 3
        self.arrived.append((self.now, f"m{self.now}"))

    async def profile_history_id(self) -> int:
        return self.now

    async def list_history(self, cursor: int) -> tuple[list[str], int]:
        if cursor < self.floor:
            raise CursorExpired(code="404")
        return [i for at, i in self.arrived if at > cursor], self.now

    async def list_inbox(self, days: int) -> list[str]:
        found = [i for _, i in self.arrived]
        if self.arrive_while_listing:
            self.arrive_while_listing = False
            self.arrive()
        return found


STEPS = st.lists(st.sampled_from(["arrive", "push", "early push", "sweep", "crash", "forget", "race"]), max_size=25)


@settings(max_examples=300)
@given(STEPS)
async def run(steps):
    gmail, store = MemoryGmail(), MemoryStore()
    for step in steps:
        if step == "arrive":
            gmail.arrive()
        elif step == "forget":
            gmail.floor = gmail.now
        elif step == "crash":
            store.crash = True
        elif step == "race":
            gmail.arrive_while_listing = True
        else:
            pushed = {"push": gmail.now, "early push": 1, "sweep": None}[step]
            try:
                await sync_mailbox(gmail, store, BOX, pushed=pushed)
            except RuntimeError:
                assert step != "nothing"
    store.crash = False
    await sync_mailbox(gmail, store, BOX)
    await sync_mailbox(gmail, store, BOX)
    assert store.events == [i for _, i in gmail.arrived]


test_every_mail_is_recorded_once_and_in_order = run


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
