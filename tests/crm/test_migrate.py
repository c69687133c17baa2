from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from core.errors import DatabaseUnavailable
from crm import migrate as module
from crm.migrate import MigrationError, migrate, pending, read_migrations, schema_version


def write(directory: Path, **files: str) -> Path:
    for name, sql in files.items():
        (directory / f"{name.removeprefix('m')}.sql").write_text(sql)
    return directory


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        m0001_create_things="CREATE TABLE thing (id int PRIMARY KEY); INSERT INTO thing VALUES (1);",
        m0002_name_things="ALTER TABLE thing ADD COLUMN name text DEFAULT '100 %s';",
    )


def rows(dsn: str, query: bytes) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(query).fetchall()


def test_all_files_are_applied_in_order_once_and_recorded(empty_db: str, two: Path) -> None:
    assert pending(empty_db, two) == ["0001_create_things", "0002_name_things"]
    assert schema_version(empty_db) == 0
    assert migrate(empty_db, two) == ["0001_create_things", "0002_name_things"]
    assert migrate(empty_db, two) == []
    assert pending(empty_db, two) == []
    assert schema_version(empty_db) == 2
    assert rows(empty_db, b"SELECT * FROM thing") == [(1, "100 %s")]
    recorded = rows(empty_db, b"SELECT version, name, sha256, applied_at IS NOT NULL FROM schema_migrations ORDER BY 1")
    assert recorded == [(m.version, m.name, m.sha256, True) for m in read_migrations(two)]


def test_the_checkpoint_tables_come_with_the_first_migration(empty_db: str, tmp_path: Path) -> None:
    migrate(empty_db, tmp_path)
    indexes = rows(empty_db, b"SELECT indexname FROM pg_indexes WHERE tablename = 'checkpoints'")
    assert ("checkpoints_thread_id_idx",) in indexes


def test_a_failing_file_leaves_nothing_and_keeps_what_came_before(empty_db: str, two: Path) -> None:
    write(two, m0003_break_things="CREATE TABLE half (id int); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(MigrationError, match=r'0003_break_things was not applied: relation "nowhere"'):
        migrate(empty_db, two)
    assert schema_version(empty_db) == 2
    assert rows(empty_db, b"SELECT to_regclass('half')") == [(None,)]
    write(two, m0003_break_things="CREATE TABLE whole (id int);")
    assert migrate(empty_db, two) == ["0003_break_things"]


def test_two_migrations_at_once_apply_each_file_once(empty_db: str, two: Path) -> None:
    slow = "SELECT pg_sleep(0.5); INSERT INTO thing VALUES (2)"
    write(two, m0003_add_things=slow)
    together = threading.Barrier(4)

    def run(_: int) -> list[str]:
        together.wait()
        return migrate(empty_db, two)

    with ThreadPoolExecutor(4) as threads:
        applied = sorted(threads.map(run, range(4)), key=len)
    assert applied == [[], [], [], ["0001_create_things", "0002_name_things", "0003_add_things"]]
    assert rows(empty_db, b"SELECT count(*) FROM thing") == [(2,)]


def test_an_index_is_built_concurrently_while_another_migration_waits(empty_db: str, two: Path) -> None:
    """A waiting migration that held a snapshot would deadlock with CREATE INDEX CONCURRENTLY."""
    index = "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS thing_name ON thing (name)"
    write(two, m0003_await_others="SELECT pg_sleep(0.7)", m0004_index_things=index)
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(migrate, empty_db, two) for _ in range(2)]
        assert sorted(len(run.result(30)) for run in runs) == [0, 4]
    assert rows(empty_db, b"SELECT indisvalid FROM pg_index WHERE indexrelid = 'thing_name'::regclass") == [(True,)]


def test_an_invalid_index_is_not_taken_for_a_built_one(empty_db: str, two: Path) -> None:
    migrate(empty_db, two)
    with psycopg.connect(empty_db, autocommit=True) as conn:
        conn.execute("INSERT INTO thing VALUES (7, 'same'), (8, 'same')")
    index = "-- migrate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS thing_name ON thing (name)"
    write(two, m0003_index_things=index)
    with pytest.raises(MigrationError, match="could not create unique index"):
        migrate(empty_db, two)
    with pytest.raises(MigrationError, match="DROP INDEX thing_name"):
        migrate(empty_db, two)
    with psycopg.connect(empty_db, autocommit=True) as conn:
        conn.execute("DROP INDEX thing_name; DELETE FROM thing WHERE id = 8")
    assert migrate(empty_db, two) == ["0003_index_things"]


def test_an_edited_file_is_refused(empty_db: str, two: Path) -> None:
    migrate(empty_db, two)
    write(two, m0002_name_things="ALTER TABLE thing ADD COLUMN title text;")
    for ask in (migrate, pending):
        with pytest.raises(MigrationError, match="0002_name_things differs from what was applied"):
            ask(empty_db, two)


def test_windows_line_ends_are_no_edit(empty_db: str, two: Path) -> None:
    write(two, m0003_add_things="INSERT INTO thing\nVALUES (3);\n")
    migrate(empty_db, two)
    (two / "0003_add_things.sql").write_bytes(b"INSERT INTO thing\r\nVALUES (3);\r\n")
    assert pending(empty_db, two) == []


def test_a_database_newer_than_the_release_is_refused(empty_db: str, two: Path) -> None:
    migrate(empty_db, two)
    (two / "0002_name_things.sql").unlink()
    with pytest.raises(MigrationError, match="already has 0002_name_things, which this release does not know"):
        migrate(empty_db, two)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("0001_create_things", "0003_add_things"), "0003_add_things.sql stands where 0002 is expected"),
        (("0001_create_things", "0001_make_things"), "0001_make_things.sql stands where 0002 is expected"),
        (("0001_create_things", "next_thing"), "next_thing.sql is not called NNNN_verb_noun.sql"),
        (("0001_create",), "0001_create.sql is not called NNNN_verb_noun.sql"),
    ],
)
def test_a_gap_or_a_wrong_name_is_refused(tmp_path: Path, names: tuple[str, ...], complaint: str) -> None:
    write(tmp_path, **dict.fromkeys(names, "SELECT 1"))
    with pytest.raises(MigrationError, match=complaint):
        read_migrations(tmp_path)


def test_a_lock_held_too_long_is_reported(empty_db: str, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.3)
    refused = pytest.raises(MigrationError, match="Another migration has been running")
    with module._connected(empty_db) as conn, module._only_one(conn), refused:
        migrate(empty_db, two)
    assert len(migrate(empty_db, two)) == 2


def test_an_unreachable_server_is_said_to_be_one() -> None:
    with pytest.raises(DatabaseUnavailable, match="No connection to PostgreSQL"):
        migrate("postgresql://fte@127.0.0.1:1/none")


def test_the_project_s_own_migrations_create_no_extension_but_vector(db: str) -> None:
    assert set(rows(db, b"SELECT extname FROM pg_extension")) <= {("plpgsql",), ("vector",)}
    assert pending(db) == []
