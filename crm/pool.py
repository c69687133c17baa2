"""Connections to PostgreSQL: a pool, a transaction for a unit of work, one error when the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from core.errors import DatabaseUnavailable

RELAY_CHANNEL = "fte_outbox"
# Nothing to keep on disk: a wake-up that a crash loses is found by the relay's next look.
_WAKE_RELAY = f"select set_config('synchronous_commit', 'off', true), pg_notify('{RELAY_CHANNEL}', '')"


class Connection(AsyncConnection[TupleRow]):
    """A connection that remembers whether its transaction wrote an event."""

    wrote_event = False


class Pool(AsyncConnectionPool[Connection]):
    """A pool whose users can be cancelled at any moment, and which wakes the relay when they have committed events."""

    _news = False
    _waking: asyncio.Task[None] | None = None

    def wake_relay(self) -> None:
        """One NOTIFY for all that committed meanwhile, in a transaction of its own.

        PostgreSQL lets transactions that notify commit one after the other only, each after the disk: inside the
        transactions it would cost a busy edge most of its speed (docs/adr/0019).
        """
        self._news = True
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())

    async def _wake(self) -> None:
        while self._news:
            self._news = False
            with suppress(psycopg.Error):
                async with self.connection() as conn:
                    await conn.execute(_WAKE_RELAY)

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109  (psycopg's signature)
        """As psycopg's. It waits with `wait_for`, which before Python 3.12 can swallow a cancellation that meets a
        connection's arrival: the task would live on, and whoever waits for its end would wait for ever."""
        task = asyncio.current_task()
        asked = task.cancelling() if task else 0
        conn = await super().getconn(timeout)
        if task and task.cancelling() > asked:
            await self.putconn(conn)
            raise asyncio.CancelledError
        return conn


CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 30
IDLE_IN_TRANSACTION_TIMEOUT_S = 60

# What PostgreSQL or the way to it can do to a transaction that was itself correct. Class 25P03 is no OperationalError.
_AWAY = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)


async def open_pool(dsn: str, *, min_size: int = 1, max_size: int = 10, name: str = "fte") -> Pool:
    """Open a pool whose connections know pgvector and give up in bounded time; `name` is shown in pg_stat_activity."""
    pool = Pool(
        dsn,
        connection_class=Connection,
        kwargs={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": name, "options": _options(dsn)},
        min_size=min_size,
        max_size=max_size,
        timeout=POOL_TIMEOUT_S,
        name=name,
        configure=_configure,
        open=False,
    )
    try:
        await pool.open(wait=True, timeout=CONNECT_TIMEOUT_S + POOL_TIMEOUT_S)
    except _AWAY as exc:
        await pool.close()
        raise DatabaseUnavailable(f"No connection to PostgreSQL for {name}: {exc}", pool=name) from exc
    return pool


@asynccontextmanager
async def transaction(pool: Pool, *, timeout_s: float | None = None) -> AsyncIterator[Connection]:
    """Yield a connection in a transaction: commits at the end, rolls back on any error.

    `timeout_s` bounds the whole of it, for whoever has somebody waiting: a server that hangs answers no time-out of its own.
    """
    async with _lent(pool, timeout_s) as conn, conn.transaction():
        yield conn


@asynccontextmanager
async def single_statements(pool: Pool, *, timeout_s: float | None = None) -> AsyncIterator[Connection]:
    """Yield a connection on which each statement is a transaction of its own: one round trip instead of three."""
    async with _lent(pool, timeout_s) as conn:
        await conn.set_autocommit(True)
        try:
            yield conn
        finally:
            if not conn.closed:
                await conn.set_autocommit(False)


@asynccontextmanager
async def _lent(pool: Pool, timeout_s: float | None) -> AsyncIterator[Connection]:
    """A connection of the pool; errors translated, and the relay woken for the events that were written with it."""
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit, pool.connection() as conn:
            conn.wrote_event = False
            yield conn
            news = conn.wrote_event
        if news:
            pool.wake_relay()
    except TimeoutError as exc:
        if limit.expired():
            raise DatabaseUnavailable(pool=pool.name) from exc
        raise
    except _AWAY as exc:
        await _drop_dead_connections(pool)
        raise DatabaseUnavailable(pool=pool.name) from exc


async def _drop_dead_connections(pool: Pool) -> None:
    """After a restart of the server every idle connection is dead: one caller finds out, the others need not."""
    if not pool.closed:
        await pool.check()


async def _configure(conn: Connection) -> None:
    try:
        await register_vector_async(conn)
    except psycopg.ProgrammingError:
        pass  # the extension comes with the first migration; a pool opened before it has no use for vectors
    finally:
        await conn.rollback()  # the pool takes back only connections outside a transaction


def _options(dsn: str) -> str:
    """Ours first, so that what the operator put into the DSN wins."""
    ours = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_S}s"
        f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_S}s"
        " -c timezone=UTC"
    )
    return f"{ours} {conninfo_to_dict(dsn).get('options') or ''}".strip()
