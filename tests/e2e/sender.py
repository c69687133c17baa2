"""Deliveries in processes of their own, each of which ends by kill -9 at a chosen step.

A step is a word with the outside: the moment before and the moment after each exchange with the database or a provider.
`python -m tests.e2e.sender` reads jobs as JSON lines and forks a process for each, so that imports are paid once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import httplib2
import httpx
import psycopg

from cli.deps import build_adapters
from core.clock import SystemClock
from core.profile import load_profile
from core.settings import Settings
from crm.pool import open_pool
from events.bus import Delivered
from events.envelope import Envelope
from workers.context import WorkerContext
from workers.delivery import DeliveryWorker


class Steps:
    """Counts what is said to the outside, once `counting`, and dies at `kill_at`."""

    def __init__(self, kill_at: int | None) -> None:
        self.kill_at, self.count, self.counting = kill_at, 0, False

    def step(self) -> None:
        if self.counting:
            self.count += 1
            if self.count == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def stepping(*args: Any, **options: Any) -> Any:
            self.step()
            result = await function(*args, **options)
            self.step()
            return result

        return stepping

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **options: Any) -> Any:
            self.step()
            result = function(*args, **options)
            self.step()
            return result

        return stepping


async def deliver(job: dict[str, Any], steps: Steps) -> None:
    """What the delivery worker does when it is told of a conversation."""
    settings = Settings(_env_file=None, pace_whatsapp_s=0, **job["settings"])  # pyright: ignore[reportCallIssue]
    pool = await open_pool(job["dsn"], max_size=3)
    deps: Any = type("Deps", (), {"clock": SystemClock(), "profile": load_profile(settings.dossier_dir)})
    unused: Any = None
    context = WorkerContext(settings, pool, unused, deps, unused, "test", build_adapters(settings, pool))
    payload = {"conversation_id": job["conversation_id"]}
    envelope = Envelope(type="delivery.queued", key=job["conversation_id"], payload=payload)
    steps.counting = True
    await DeliveryWorker(context).handle(Delivered("t", 0, 0, attempt=1, envelope=envelope))
    steps.counting = False
    await pool.close()


def run(job: dict[str, Any]) -> int:
    """The steps of a whole delivery; never returns where one of them is the last."""
    steps = Steps(job["kill_at"])
    psycopg.AsyncConnection.wait = steps.around_async(psycopg.AsyncConnection.wait)
    httpx.AsyncClient.send = steps.around_async(httpx.AsyncClient.send)
    httplib2.Http.request = steps.around(httplib2.Http.request)
    asyncio.run(deliver(job, steps))
    return steps.count


def in_a_process(job: dict[str, Any]) -> dict[str, Any]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, str(run(job)).encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(pid, 0)[1]
    with os.fdopen(reader) as told:
        steps = told.read()
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return {"killed": killed, "steps": int(steps) if steps else None}


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the log is no answer
    for line in sys.stdin:
        answers.write(json.dumps(in_a_process(json.loads(line))) + "\n")
        answers.flush()
