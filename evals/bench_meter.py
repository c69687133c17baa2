"""What a stretch of work cost: wall clock, CPU of this process and of PostgreSQL's backends, WAL and checkpoint rows."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import AsyncConnection

_COUNTERS = """
select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as wal_bytes,
       (select count(*) from checkpoints) + (select count(*) from checkpoint_blobs)
       + (select count(*) from checkpoint_writes) as checkpoint_rows
"""
_BACKENDS = """
select pid from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


@dataclass(slots=True)
class Tally:
    """Sums over the messages of one block. `postgres_s` is None where the server's processes cannot be seen."""

    messages: int = 0
    wall_s: float = 0.0
    python_s: float = 0.0
    postgres_s: float | None = 0.0
    wal_bytes: int = 0
    checkpoint_rows: int = 0

    @property
    def cpu_ms(self) -> float:
        """CPU a message, this process and the database together."""
        return (self.python_s + (self.postgres_s or 0.0)) * 1000 / self.messages


class Meter:
    """Reads the counters on a connection of its own, outside the measured stretch."""

    def __init__(self, conn: AsyncConnection) -> None:
        self.connection = conn

    @asynccontextmanager
    async def measuring(self, tally: Tally, *, messages: int) -> AsyncIterator[None]:
        wal, rows = await self._counters()
        pids = [pid for (pid,) in await (await self.connection.execute(_BACKENDS)).fetchall()]
        gc.collect()
        postgres, wall, python = backend_cpu_s(pids), time.perf_counter(), time.process_time()
        yield
        tally.python_s += time.process_time() - python
        tally.wall_s += time.perf_counter() - wall
        after = backend_cpu_s(pids)
        tally.postgres_s = None if postgres is None or after is None else (tally.postgres_s or 0.0) + after - postgres
        wal_after, rows_after = await self._counters()
        tally.wal_bytes += wal_after - wal
        tally.checkpoint_rows += rows_after - rows
        tally.messages += messages

    async def _counters(self) -> tuple[int, int]:
        row = await (await self.connection.execute(_COUNTERS)).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


def backend_cpu_s(pids: Iterable[int]) -> float | None:
    """CPU seconds of these processes. Linux only, and only for a server on this machine; else None."""
    try:
        return sum(_cpu_s(pid) for pid in pids)
    except OSError:
        return None


def _cpu_s(pid: int) -> float:
    """`schedstat` counts nanoseconds; where the kernel lacks it `stat` counts ticks of 10 ms (see proc(5))."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
