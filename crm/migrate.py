"""Bring a database to the newest schema: plain SQL files, forward only, each applied once, two at once are safe."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from core.errors import DatabaseUnavailable, SupportError

MIGRATIONS_DIR = Path(__file__).parent / "migrations"
CONNECT_TIMEOUT_S = 10
LOCK_WAIT_S = 300.0
LOCK_POLL_S = 0.2
_LOCK_KEY = 0x6674655F6D696772  # "fte_migr"
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9]+(?:_[a-z0-9]+)+\.sql")
_NO_TRANSACTION = b"-- migrate: no-transaction"


class MigrationError(SupportError):
    """The database cannot be brought to the newest schema."""


@dataclass(frozen=True)
class Migration:
    """One file; `sha256` is of its text with Unix line ends, so that a checkout on Windows is the same file."""

    version: int
    name: str
    sql: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql).hexdigest()

    @property
    def in_transaction(self) -> bool:
        return _NO_TRANSACTION not in self.sql.splitlines()


def migrate(dsn: str, directory: Path = MIGRATIONS_DIR) -> list[str]:
    """Apply what is missing, then LangGraph's own tables; return the names applied. Blocks: not for an event loop."""
    with _connected(dsn) as conn, _only_one(conn):
        conn.execute(_CREATE_TABLE)
        missing = _missing(conn, read_migrations(directory))
        for migration in missing:
            _apply(conn, migration)
        _set_up_checkpoints(dsn)
    return [migration.name for migration in missing]


def pending(dsn: str, directory: Path = MIGRATIONS_DIR) -> list[str]:
    """The names that `migrate` would apply now."""
    with _connected(dsn) as conn:
        return [migration.name for migration in _missing(conn, read_migrations(directory))]


def schema_version(dsn: str) -> int:
    """The number of the newest applied migration; 0 for an empty database."""
    with _connected(dsn) as conn:
        return max(_applied(conn), default=0)


def read_migrations(directory: Path) -> list[Migration]:
    """The files in order; their numbers must be 1, 2, 3, ... so that a lost or doubled file is noticed."""
    files = sorted(directory.glob("*.sql"))
    for number, path in enumerate(files, start=1):
        match = _FILE_NAME.fullmatch(path.name)
        if not match:
            raise MigrationError(f"{path.name} is not called NNNN_verb_noun.sql; rename it", name=path.name)
        if int(match[1]) != number:
            raise MigrationError(
                f"{path.name} stands where {number:04d} is expected: a file is missing or a number is used twice",
                name=path.name,
            )
    return [
        Migration(number, path.stem, path.read_bytes().replace(b"\r\n", b"\n"))
        for number, path in enumerate(files, start=1)
    ]


_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

_INVALID_INDEXES = """
SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1
"""


def _applied(conn: psycopg.Connection) -> dict[int, tuple[str, str]]:
    if conn.execute("SELECT to_regclass('schema_migrations')").fetchone() == (None,):
        return {}
    rows = conn.execute("SELECT version, name, sha256 FROM schema_migrations ORDER BY version")
    return {version: (name, sha256) for version, name, sha256 in rows}


def _missing(conn: psycopg.Connection, known: list[Migration]) -> list[Migration]:
    applied = _applied(conn)
    if len(applied) > len(known):
        name, _ = applied[len(known) + 1]
        raise MigrationError(
            f"The database already has {name}, which this release does not know; use the newer release", name=name
        )
    for migration in known[: len(applied)]:
        name, sha256 = applied.get(migration.version, ("nothing", ""))
        if sha256 != migration.sha256:
            raise MigrationError(
                f"{migration.name} differs from what was applied ({name}); an applied migration is never edited: "
                "restore the file and put the change into a new one",
                name=migration.name,
            )
    return known[len(applied) :]


def _apply(conn: psycopg.Connection, migration: Migration) -> None:
    try:
        if migration.in_transaction:
            with conn.transaction():
                conn.execute(migration.sql)
                _record(conn, migration)
        else:
            conn.execute(migration.sql)
            _refuse_invalid_indexes(conn, migration)
            _record(conn, migration)
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"PostgreSQL stopped answering in {migration.name}: {exc}") from exc
    except psycopg.Error as exc:
        raise MigrationError(f"{migration.name} was not applied: {exc}", name=migration.name) from exc


def _record(conn: psycopg.Connection, migration: Migration) -> None:
    conn.execute(
        "INSERT INTO schema_migrations (version, name, sha256) VALUES (%s, %s, %s)",
        (migration.version, migration.name, migration.sha256),
    )


def _refuse_invalid_indexes(conn: psycopg.Connection, migration: Migration) -> None:
    """An interrupted CREATE INDEX CONCURRENTLY leaves an index that IF NOT EXISTS takes for a good one."""
    invalid = [name for (name,) in conn.execute(_INVALID_INDEXES)]
    if invalid:
        raise MigrationError(
            f"{migration.name} left a half-built index; run DROP INDEX {', '.join(invalid)} and migrate again",
            name=migration.name,
        )


def _set_up_checkpoints(dsn: str) -> None:
    from langgraph.checkpoint.postgres import PostgresSaver  # here: the import takes over a second

    with PostgresSaver.from_conn_string(dsn) as saver:
        saver.setup()


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection]:
    try:
        conn = psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, application_name="fte-migrate")
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"No connection to PostgreSQL to migrate it: {exc}") from exc
    with conn:
        yield conn


@contextmanager
def _only_one(conn: psycopg.Connection) -> Iterator[None]:
    """Hold the advisory lock. Polled: a blocked pg_advisory_lock() has a snapshot, for which the other's CREATE INDEX
    CONCURRENTLY would wait while it is itself waited for."""
    end = time.monotonic() + LOCK_WAIT_S
    while conn.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK_KEY,)).fetchone() != (True,):
        if time.monotonic() > end:
            raise MigrationError(f"Another migration has been running for {LOCK_WAIT_S:.0f} s; look after it first")
        time.sleep(LOCK_POLL_S)
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))
