"""The real product as its own process: started as a person starts it, watched from outside, stopped or killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import httpx
import psycopg

from core.ids import new_id
from crm.embedded_process import read_dsn, read_pid
from crm.ledger import Ledger, read_ledger

FTE = Path(sys.executable).with_name("fte")
START_TIMEOUT_S = 240.0  # for a busy machine; an idle one needs about ten seconds
STOP_TIMEOUT_S = 60.0
QUESTION = "Where can I download last month's invoice as a PDF?"
REFUND = "I was charged twice in October. Please give me a refund for one of the two payments."
# An outage leaves turns with a lease that nobody holds; the default waits two minutes for it to run out.
QUICK = {"FTE_TURN_LEASE_S": "5", "FTE_SWEEP_INTERVAL_S": "1", "FTE_SWEEP_AFTER_S": "5"}
KNOWLEDGE: LiteralString = "select id, xmin::text from knowledge_chunks order by id"  # xmin: by whom it was written

T = TypeVar("T")


def new_folder(prefix: str) -> Path:
    """A folder of this test run that the account of root's server can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=os.environ["FTE_TEST_RUN_DIR"]))
    folder.chmod(0o711)
    return folder


def copy_of(data_dir: Path) -> Path:
    """The data of a stopped product once more, with its owners."""
    folder = new_folder("copy")
    subprocess.run(["cp", "-a", f"{data_dir}/.", folder], check=True)
    (folder / "postgres" / "port").unlink()  # with the port of the first it would join the first's server
    return folder


def environment(**more: str) -> dict[str, str]:
    """What a newcomer's shell has: no setting of ours, nothing of this run's."""
    foreign = re.compile(r"FTE_|OPENAI_|KAFKA_|DATABASE_URL|PYTHONDONTWRITEBYTECODE|\w+_proxy", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not foreign.match(name)} | more


def run_fte(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command of `fte`, in a folder without an `.env`."""
    return subprocess.run(
        [FTE, *arguments], cwd=cwd, env=environment(**env), capture_output=True, text=True, timeout=START_TIMEOUT_S
    )


def eventually(question: Callable[[], T | None], what: str, timeout_s: float = 90) -> T:
    """Ask until the answer is there; say what did not come."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


def is_running(pid: int) -> bool:
    """Also false for a process that has ended and that nobody has waited for."""
    with suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def form(message: str = QUESTION, **changes: str) -> dict[str, str]:
    fields = {"name": "Ada Osei", "email": "ada@example.org", "subject": "A question", "message": message}
    return {**fields, "category": "general", "priority": "medium", **changes}


class Process:
    """A part of the product that says on its standard error when it is at work."""

    def __init__(self, *arguments: str, cwd: Path, ready: str, **env: str) -> None:
        self.log_file = cwd / f"{'-'.join(arguments[:1])}-{new_id()}.log"
        with self.log_file.open("wb") as log:
            self.popen = subprocess.Popen(
                [FTE, *arguments], cwd=cwd, env=environment(**env), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            eventually(lambda: ready in self.log() or self.popen.poll() is not None, "the start", START_TIMEOUT_S)
        finally:
            if ready not in self.log():
                self.kill()
                raise AssertionError(f"`fte {' '.join(arguments)}` did not start:\n{self.log()[-3000:]}")

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9."""
        self.popen.kill()
        self.popen.wait(STOP_TIMEOUT_S)

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.popen.send_signal(signal.SIGINT)
        return self.popen.wait(STOP_TIMEOUT_S)


@dataclass
class Product:
    """A running `fte up`, and what its people would do with it."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()

    def start(self) -> Product:
        env = {"FTE_SUBMIT_RATE_PER_MINUTE": "100000", **self.settings}
        arguments = ("up", "--port", "0", "--data-dir", str(self.data_dir), *self.arguments)
        self.process = Process(*arguments, cwd=self.data_dir.parent, ready="Stop with Ctrl-C.", **env)
        greeting = self.process.log()
        self.key = found(r"Bearer (fte_\S+?)'", greeting)
        self.articles = int(found(r"Knowledge: (\d+) articles", greeting))
        return self.at(found(r"Write as a customer\s+(http://\S+)/\s", greeting))

    def at(self, base: str) -> Product:
        self.base = base
        self.http = httpx.Client(base_url=base, timeout=60, trust_env=False)
        return self

    @property
    def dsn(self) -> str:
        dsn = self.settings.get("DATABASE_URL") or read_dsn(self.data_dir / "postgres")
        assert dsn is not None
        return dsn

    @property
    def postgres_pid(self) -> int | None:
        return read_pid(self.data_dir / "postgres" / "cluster" / "postmaster.pid")

    @property
    def as_reviewer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def stop(self) -> None:
        """Ctrl-C, and nothing of it is left."""
        postgres = self.postgres_pid
        assert self.process.interrupt() == 0, self.process.log()[-3000:]
        assert "Nothing is lost" in self.process.log()
        if postgres is not None:
            assert not is_running(postgres)
            assert self.postgres_pid is None

    def kill(self) -> None:
        self.process.kill()

    def submit(self, message: str = QUESTION, key: str | None = None, **changes: str) -> str:
        """Through the form; the ticket id."""
        headers = {"Idempotency-Key": key or str(new_id())}
        answer = self.http.post("/support/submit", json=form(message, **changes), headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["ticket_id"]

    def ticket(self, ticket_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/support/ticket/{ticket_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def replies(self, ticket_id: str) -> list[dict[str, Any]]:
        return [message for message in self.ticket(ticket_id)["messages"] if message["author"] != "customer"]

    def until_replied(self, ticket_id: str, replies: int = 1) -> dict[str, Any]:
        """The ticket when it has that many replies and nobody works on it."""

        def replied() -> dict[str, Any] | None:
            ticket = self.ticket(ticket_id)
            count = sum(message["author"] != "customer" for message in ticket["messages"])
            return ticket if count >= replies and ticket["status"] in ("resolved", "escalated") else None

        return eventually(replied, f"{replies} replies to {ticket_id}")

    def rows(self, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as conn:
            return conn.execute(query, values).fetchall()

    def ledger(self) -> Ledger:
        async def read() -> Ledger:
            async with await psycopg.AsyncConnection.connect(self.dsn) as conn:
                return await read_ledger(conn)

        return asyncio.run(read())

    def until_idle(self) -> Ledger:
        """The books when nothing is under way any more."""

        def idle() -> Ledger | None:
            books = self.ledger()
            return None if books.in_progress or books.undelivered or books.unpublished else books

        return eventually(idle, f"an end of all work, now {self.ledger()}", timeout_s=120)

    def fte(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command in another terminal."""
        return run_fte(*arguments, cwd=self.data_dir.parent, FTE_DATA_DIR=str(self.data_dir), **self.settings)


@dataclass(frozen=True)
class First:
    """What a product that was started once, on nothing, and stopped, left behind."""

    data_dir: Path
    ticket: dict[str, Any]
    knowledge: list[tuple[Any, ...]]


class StubbornCustomer:
    """Sends each message under a key of its own, and again under the same key until a 200 says that it is stored."""

    def __init__(self) -> None:
        self.unsure: dict[str, str] = {}
        self.tickets: dict[str, str] = {}
        self.refusals: list[httpx.Response] = []
        self._leave = threading.Event()

    def write(self, message: str) -> None:
        self.unsure[str(new_id())] = message

    def send(self, base: str) -> None:
        """Everything unsure once; silence and refusals leave it unsure."""
        with httpx.Client(base_url=base, timeout=60, trust_env=False) as http:
            for key, message in list(self.unsure.items()):
                with suppress(httpx.TransportError):
                    self._take(key, http.post("/support/submit", json=form(message), headers={"Idempotency-Key": key}))

    def _take(self, key: str, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            self.refusals.append(answer)
            return
        assert self.tickets.setdefault(key, answer.json()["ticket_id"]) == answer.json()["ticket_id"]
        del self.unsure[key]

    @contextmanager
    def keeps_writing(self, product: Product, message: str = QUESTION) -> Iterator[None]:
        """One message after the other while the block runs; at its end all are accepted."""

        def write() -> None:
            while not self._leave.is_set():
                self.write(message)
                self.send(product.base)

        self._leave.clear()
        writing = threading.Thread(target=write)
        writing.start()
        try:
            yield
        finally:
            self._leave.set()
            writing.join()
        self.send(product.base)
        assert not self.unsure

    def assert_each_was_answered_once(self, product: Product) -> None:
        """Accepted here and there are the same, and every ticket has one reply, no more."""
        books = product.until_idle()
        assert books.balanced, books
        ours = list(self.tickets.values())
        assert len(set(ours)) == len(ours)
        outcomes = product.rows(
            "select outcome from messages where direction = 'inbound' and ticket_id = any(%s)", ours
        )
        assert len(outcomes) == len(ours)
        assert {outcome for (outcome,) in outcomes} <= {"answered", "handed_over"}
        for ticket_id in ours:
            assert len(product.replies(ticket_id)) == 1, product.ticket(ticket_id)
        assert (
            product.rows("select 1 from messages where direction = 'outbound' group by turn_id having count(*) > 1")
            == []
        )
        assert product.rows("select 1 from turns where status = 'running'") == []


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, f"{pattern} is not in:\n{text}"
    return match[1]
