"""Messages a second and CPU a message through the whole graph, beside LangGraph's defaults, in one run.

Both styles run the same six nodes in this process on the same server, block by block in ever new order; judging, search
and the agent's model are scripted, so that no model's time is in the figures. `BenchReport.measured` says what exactly is compared.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from crm.pool import Pool, open_pool, transaction
from evals.bench_crm import Thread, open_crowd, open_thread, receive, unfiled_thread
from evals.bench_meter import Meter, Tally
from evals.bench_report import BenchReport, Cell
from evals.bench_styles import LOADS, STYLES, Employee, Load, Style, make_employees
from evals.bench_world import REFUND, Prose

TURNS = (1, 100, 1000)
HISTORIES = (10, 1_000, 10_000)
CROWD = 50_000
BLOCK = 10
CONNECTIONS = 10
# A thread of this length is used again in the next round: a few turns more do not change what it is.
_LONG = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds are begun until the time is up, one at least."""

    seconds: float = 35.0
    turns: tuple[int, ...] = TURNS
    histories: tuple[int, ...] = HISTORIES
    crowd: int = CROWD
    block: int = BLOCK

    @property
    def cells(self) -> list[Cell]:
        new = [Cell("new", load, style, 0, self.block, 8) for load in LOADS for style in STYLES]
        long = [
            Cell("long", "orchestration", style, 2 * (turn - 1), self.block // 2, 1)
            for turn in self.turns
            for style in STYLES
        ]
        flat = [Cell("history", "whole", "ours", messages, self.block // 2, 1) for messages in self.histories]
        return new + long + flat


@dataclass(slots=True)
class Bench:
    pool: Pool
    employees: dict[tuple[Load, Style], Employee]
    meter: Meter
    prose: Prose
    kept: dict[Cell, Thread]

    async def fill(self, messages: int) -> None:
        """A CRM that has been used."""
        async with transaction(self.pool) as conn:
            await open_crowd(conn, messages=messages, texts=[self.prose.paragraph() for _ in range(1000)])

    async def run_block(self, cell: Cell) -> Tally:
        """Answer one block of messages; filing them and making up their past is not counted."""
        tally = Tally()
        threads = await self._threads(cell)
        if cell.at_once == 1:
            for thread in threads:
                await self._work(cell, [(thread, self.prose.paragraph())], tally)
        else:
            work = [
                (thread, REFUND if number == 0 else self.prose.paragraph()) for number, thread in enumerate(threads)
            ]
            await self._work(cell, work, tally)
        return tally

    async def _work(self, cell: Cell, work: list[tuple[Thread, str]], tally: Tally) -> None:
        employee = self.employees[cell.load, cell.style]
        gate = asyncio.Semaphore(cell.at_once)
        if cell.load != "orchestration":
            async with transaction(self.pool) as conn:
                for thread, text in work:
                    await receive(conn, thread, text)

        async def answer(thread: Thread, text: str) -> None:
            async with gate:
                await employee.answer(thread, text)

        async with self.meter.measuring(tally, messages=len(work)):
            await asyncio.gather(*(answer(thread, text) for thread, text in work))

    async def _threads(self, cell: Cell) -> list[Thread]:
        """A thread a message where conversations are new; one for all where a long one goes on."""
        if cell.messages_before == 0:
            return [await self._open(cell) for _ in range(cell.block)]
        if cell not in self.kept or cell.messages_before < _LONG:
            self.kept[cell] = await self._open(cell)
        return [self.kept[cell]] * cell.block

    async def _open(self, cell: Cell) -> Thread:
        past = [self.prose.paragraph() for _ in range(min(cell.messages_before, 2000))]
        if cell.load == "orchestration":
            thread = unfiled_thread()
            if past:
                await self.employees[cell.load, cell.style].remember(thread, past)
            return thread
        async with transaction(self.pool) as conn:
            return await open_thread(conn, messages=cell.messages_before, texts=past)


async def run_bench(dsn: str, dossier: Path, plan: Plan | None = None) -> BenchReport:
    """Measure on a migrated database that may be thrown away afterwards."""
    plan = plan or Plan()
    tallies: dict[Cell, list[Tally]] = defaultdict(list)
    load_before = os.getloadavg()[0]
    async with _bench(dsn, dossier) as bench:
        await bench.fill(plan.crowd)
        order, cells = Random(1), plan.cells
        for cell in cells:  # caches, prepared statements, the long threads: not counted
            await bench.run_block(cell)
        gc.collect()
        gc.freeze()  # what is loaded now stays: the meter collects before each stretch, and would walk all of it
        end = time.monotonic() + plan.seconds
        while not tallies or time.monotonic() < end:
            order.shuffle(cells)
            for cell in cells:
                tallies[cell].append(await bench.run_block(cell))
        version = await (await bench.meter.connection.execute("show server_version")).fetchone()
    return BenchReport(
        cells={cell: tuple(tallies[cell]) for cell in plan.cells},
        load_average=(round(load_before, 2), round(os.getloadavg()[0], 2)),
        postgres=str(version[0]) if version else "unknown",
        crowd=plan.crowd,
    )


@asynccontextmanager
async def _bench(dsn: str, dossier: Path) -> AsyncIterator[Bench]:
    prose = Prose(dossier / "docs")
    pool = await open_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, name="fte-bench")
    saver_pool: AsyncConnectionPool = AsyncConnectionPool(
        dsn,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        min_size=CONNECTIONS,
        max_size=CONNECTIONS,
        open=False,
    )
    try:
        await saver_pool.open(wait=True)
        async with await AsyncConnection.connect(dsn, autocommit=True) as conn:
            yield Bench(pool, make_employees(pool, saver_pool, dossier, prose), Meter(conn), prose, {})
    finally:
        gc.unfreeze()
        await saver_pool.close()
        await pool.close()
