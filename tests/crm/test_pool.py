from __future__ import annotations

import asyncio
from contextlib import suppress

import numpy as np
import psycopg
import pytest

from core.errors import DatabaseUnavailable
from crm import pool as module
from crm.outbox import add_event
from crm.pool import RELAY_CHANNEL, Pool, open_pool, single_statements, transaction


async def value(pool: Pool, query: bytes) -> object:
    async with transaction(pool) as conn:
        row = await (await conn.execute(query)).fetchone()
        assert row
        return row[0]


async def do(pool: Pool, *steps: bytes | float | Exception) -> None:
    """In one transaction: run queries, sleep for numbers, raise errors."""
    async with transaction(pool) as conn:
        for step in steps:
            if isinstance(step, Exception):
                raise step
            await (conn.execute(step) if isinstance(step, bytes) else asyncio.sleep(step))


async def test_a_transaction_is_kept_at_its_end_and_undone_by_an_error(pool: Pool) -> None:
    await do(pool, b"CREATE TABLE thing (id int)", b"INSERT INTO thing VALUES (1)")
    with pytest.raises(ZeroDivisionError):
        await do(pool, b"INSERT INTO thing VALUES (2)", ZeroDivisionError())
    assert await value(pool, b"SELECT count(*) FROM thing") == 1


@pytest.mark.parametrize("ticks", range(12))
async def test_a_cancellation_that_meets_a_free_connection_is_not_swallowed(db: str, ticks: int) -> None:
    async with await open_pool(db, max_size=1) as pool:
        taken = await pool.getconn()
        waiting = asyncio.create_task(do(pool, 60.0))
        await asyncio.sleep(0.01)
        await pool.putconn(taken)
        for _ in range(ticks):
            await asyncio.sleep(0)
        waiting.cancel()
        assert await asyncio.wait([waiting], timeout=5) == ({waiting}, set())
        assert waiting.cancelled()
        assert await value(pool, b"SELECT 1") == 1


async def test_vectors_travel_in_binary(empty_db: str) -> None:
    with psycopg.connect(empty_db, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION vector")
    async with await open_pool(empty_db, name="vectors") as pool, transaction(pool) as conn:
        sent = np.array([1.0, 2.5, -3.0], dtype=np.float32)
        row = await (await conn.execute("SELECT %s, %s::vector", (sent, sent))).fetchone()
        assert row
        assert [got.to_list() for got in row] == [[1.0, 2.5, -3.0]] * 2


async def test_a_pool_opens_on_a_database_without_pgvector(empty_db: str) -> None:
    async with await open_pool(empty_db, name="plain") as pool:
        assert await value(pool, b"SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 0


async def test_connections_are_named_and_bounded_in_time_and_the_dsn_has_the_last_word(db: str) -> None:
    dsn = f"{db} options='-c statement_timeout=7s'"
    async with await open_pool(dsn, name="fte-api") as pool:
        assert await value(pool, b"SELECT current_setting('application_name')") == "fte-api"
        assert await value(pool, b"SHOW statement_timeout") == "7s"
        assert await value(pool, b"SHOW idle_in_transaction_session_timeout") == "1min"
        assert await value(pool, b"SHOW timezone") == "UTC"


async def test_a_statement_that_takes_too_long_is_given_up(pool: Pool) -> None:
    with pytest.raises(DatabaseUnavailable):
        await do(pool, b"SET LOCAL statement_timeout = '50ms'", b"SELECT pg_sleep(5)")


async def test_a_transaction_that_idles_too_long_is_given_up(pool: Pool) -> None:
    with pytest.raises(DatabaseUnavailable):
        await do(pool, b"SET LOCAL idle_in_transaction_session_timeout = '50ms'", 0.3, b"SELECT 1")


async def test_after_the_server_dropped_all_connections_one_caller_is_told_and_the_next_is_served(db: str) -> None:
    async with await open_pool(db, min_size=4, max_size=4, name="victims") as pool:
        with psycopg.connect(db, autocommit=True) as conn:
            conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victims'")
        with pytest.raises(DatabaseUnavailable) as caught:
            await value(pool, b"SELECT 1")
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        assert [await value(pool, b"SELECT 1") for _ in range(8)] == [1] * 8


async def test_an_exhausted_pool_says_that_the_database_is_unavailable(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POOL_TIMEOUT_S", 0.1)
    async with await open_pool(db, min_size=1, max_size=1, name="narrow") as pool, transaction(pool):
        with pytest.raises(DatabaseUnavailable):
            await value(pool, b"SELECT 1")


async def test_a_mistake_in_the_query_is_not_called_unavailability(pool: Pool) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await value(pool, b"SELECT * FROM nowhere")


async def test_a_pool_on_no_server_fails_soon_and_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 1)
    monkeypatch.setattr(module, "POOL_TIMEOUT_S", 0.2)
    with pytest.raises(DatabaseUnavailable, match="No connection to PostgreSQL for nobody"):
        await open_pool("postgresql://fte@127.0.0.1:1/none", name="nobody")


async def hears(listener: psycopg.AsyncConnection) -> int:
    """How many notices have come within a moment."""
    return len([notice async for notice in listener.notifies(timeout=0.3)])


async def test_events_wake_the_relay_once_they_are_committed_and_only_then(pool: Pool, db: str) -> None:
    async with await psycopg.AsyncConnection.connect(db, autocommit=True) as listener:
        await listener.execute(f"listen {RELAY_CHANNEL}".encode())
        with suppress(ZeroDivisionError):
            async with transaction(pool) as conn:
                await add_event(conn, "fte.metrics", "k", "undone", {})
                raise ZeroDivisionError
        async with transaction(pool) as conn:
            await conn.execute(b"SELECT 1")
        assert await hears(listener) == 0
        async with transaction(pool) as conn:
            await add_event(conn, "fte.metrics", "k", "done", {})
            assert await hears(listener) == 0
        assert await hears(listener) == 1


async def test_events_committed_side_by_side_wake_the_relay_together(pool: Pool, db: str) -> None:
    async def write() -> None:
        async with transaction(pool) as conn:
            await add_event(conn, "fte.metrics", "k", "done", {})

    async with await psycopg.AsyncConnection.connect(db, autocommit=True) as listener:
        await listener.execute(f"listen {RELAY_CHANNEL}".encode())
        await asyncio.gather(*(write() for _ in range(40)))
        assert 1 <= await hears(listener) < 40


async def test_single_statements_are_kept_each_and_leave_the_connection_as_it_was(db: str) -> None:
    async with await open_pool(db, max_size=1) as pool:
        with suppress(ZeroDivisionError):
            async with single_statements(pool) as conn:
                await conn.execute(b"CREATE TABLE thing (id int)")
                raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError):
            await do(pool, b"INSERT INTO thing VALUES (1)", ZeroDivisionError())
        assert await value(pool, b"SELECT count(*) FROM thing") == 0
