"""Databases for tests: one embedded server a run, shared by all xdist workers; a fresh migrated database a test.

`db` is the DSN of an empty, migrated database that belongs to the test alone; `pool` is an open pool on it.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from crm.embedded import attach_or_start
from crm.migrate import migrate
from crm.pool import Pool, open_pool

RUN_DIR = "FTE_TEST_RUN_DIR"  # workers inherit it from the process that started them
PREFIX = "fte-tests-"
TEMPLATE = "fte_template"

# A test server need not survive a power cut. What is shown about durability is shown on servers of its own.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "max_connections": "300",
}

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        base = _fast_folder()
        _remove_leftovers(base)
        run_dir = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base)
        os.chmod(run_dir, 0o711)  # root's server runs under an account that must get in
        os.environ[RUN_DIR] = run_dir


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(RUN_DIR), ignore_errors=True)


def _fast_folder() -> Path:
    """Memory where there is enough of it: cloning a database takes 20 ms there, 300 ms on an ext4 disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        found = os.statvfs(memory)
        if found.f_bavail * found.f_frsize > 2 * 2**30 and not found.f_flag & os.ST_NOEXEC:
            return memory
    return Path(tempfile.gettempdir())


def _remove_leftovers(base: Path) -> None:
    """A run that was killed could not remove its folder; its server ended with it."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            os.kill(int(folder.name.removeprefix(PREFIX).split("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (PermissionError, ValueError):
            continue


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The DSN of the run's server, its maintenance database; who asks first starts it and waits for the last."""
    with attach_or_start(Path(os.environ[RUN_DIR]), settings=SETTINGS) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def template_database(postgres: str) -> str:
    """The name of the migrated database from which each test's own is cloned."""
    with (Path(os.environ[RUN_DIR]) / "template.lock").open("a") as lock, _maintenance(postgres) as conn:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            conn.execute("DROP DATABASE IF EXISTS fte_template_part")
            conn.execute("CREATE DATABASE fte_template_part")
            migrate(make_conninfo(postgres, dbname="fte_template_part"))
            conn.execute("ALTER DATABASE fte_template_part RENAME TO fte_template")
    return TEMPLATE


@pytest.fixture
def empty_db(postgres: str) -> Iterator[str]:
    """The DSN of a database without any migration."""
    yield from _database(postgres, "template0")


@pytest.fixture
def db(postgres: str, template_database: str) -> Iterator[str]:
    """The DSN of a fresh migrated database of this test alone."""
    yield from _database(postgres, template_database)


@pytest.fixture
async def pool(db: str) -> AsyncIterator[Pool]:
    """An open pool of up to 10 connections on `db`."""
    opened = await open_pool(db, min_size=1, max_size=10, name="test")
    try:
        yield opened
    finally:
        await opened.close()


def _database(postgres: str, template: str) -> Iterator[str]:
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'gw')}_{os.getpid()}_{next(_numbers)}"
    identifier = sql.Identifier(name)
    with _maintenance(postgres) as conn:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(identifier, sql.Identifier(template))
        )
    yield make_conninfo(postgres, dbname=name)
    with _maintenance(postgres) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def _maintenance(postgres: str) -> psycopg.Connection:
    return psycopg.connect(postgres, autocommit=True)
