"""What the supervisor of the embedded PostgreSQL asks the operating system: processes, ports, locks, secrets."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psycopg

from crm.embedded_files import EmbeddedPostgresError

USER = "fte"
ANSWER_TIMEOUT_S = 3
# The server of a killed holder may be gone before the system has closed all that the holder had open, its lock among them.
LETTING_GO_S = 2.0


class DataDirInUse(EmbeddedPostgresError):
    """Another process runs the database in this data folder."""


def take_supervisor_lock(home: Path) -> IO[str]:
    """Lock the cluster for this process; the kernel lets go when the process ends, however it ends."""
    lock = (home / "supervisor.lock").open("a+")
    if not _locked(lock, within_s=LETTING_GO_S):
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise DataDirInUse(
            f"The database in {home} is already run by process {holder}: stop that one, or choose another --data-dir",
            pid=holder,
        )
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _locked(lock: IO[str], *, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        else:
            return True


@contextmanager
def using(home: Path) -> Iterator[None]:
    """Be counted as a user of the server, for which a temporary owner waits before it stops it."""
    with (home / "users.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def unused(home: Path) -> Iterator[None]:
    """Wait until nobody uses the server, and keep it so for the block."""
    with (home / "users.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_pid(pid_file: Path) -> int | None:
    """The first line of a postmaster.pid; None when there is no such file or no number in it."""
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def is_server_of(pid: int, cluster: Path) -> bool:
    """Whether pid is a postgres of ours that was started on this very cluster."""
    command = _command_line(pid)
    return bool(command) and Path(command[0]).name == "postgres" and str(cluster) in command


def _command_line(pid: int) -> list[str]:
    if sys.platform == "linux":
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return []
    found = subprocess.run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)  # noqa: S603
    return found.stdout.split()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does: TIME_WAIT is no obstacle
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_private(path: Path, text: str) -> None:
    """Replace the file at once; nobody but its owner may read it."""
    part = path.with_name(f"{path.name}.new")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def read_dsn(home: Path) -> str | None:
    """The address of the server by its files, whether it runs or not; None before the first start."""
    try:
        password, port = (home / "password").read_text(), (home / "port").read_text()
    except FileNotFoundError:
        return None
    except PermissionError as exc:
        raise EmbeddedPostgresError(f"The database in {home} belongs to another user; run this as that user") from exc
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres?sslmode=disable"


def answers(dsn: str) -> bool:
    """Whether the server lets us in; the random password makes sure that it is the right one."""
    try:
        psycopg.connect(dsn, connect_timeout=ANSWER_TIMEOUT_S).close()
    except psycopg.OperationalError:
        return False
    return True
