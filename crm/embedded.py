"""The embedded PostgreSQL: started, watched and stopped by us, so that a laptop needs no server.

`postgres` is a direct child in a session of its own (Ctrl-C does not reach it). Should this process die, even by
kill -9, the kernel closes its end of a pipe and a small shell at the other end stops the server. A pipe works on Linux
and macOS and from any thread; Linux's PDEATHSIG is bound to the *thread* that forked and needs code between fork and
exec.
"""

# ruff: noqa: S603  (argument lists made here, no shell parses them)

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from crm.embedded_files import (
    MAJOR,
    EmbeddedPostgresError,
    find_binaries,
    make_home,
    require_space,
    unprivileged_account,
)
from crm.embedded_process import (
    USER,
    DataDirInUse,
    answers,
    any_free_port,
    is_free,
    is_server_of,
    read_dsn,
    read_pid,
    take_supervisor_lock,
    unused,
    using,
    write_private,
)

__all__ = ["DataDirInUse", "EmbeddedPostgres", "EmbeddedPostgresError", "attach_or_start", "running_dsn"]

START_TIMEOUT_S = 120.0  # crash recovery after a long day may take a while
STOP_TIMEOUT_S = 60.0
CRASH_PATIENCE_S = 10.0  # what a killed server's own children need to notice and to let go of its memory
WATCH_S = 0.5
POLL_S = 0.03
LOG_ROTATE_BYTES = 5 * 2**20
_ENVIRONMENT = {"PATH": os.defpath, "TZ": "UTC"}  # no key of ours, no PG* of the user's reaches the server

# The log must not tell what customers wrote: DETAIL lines quote rows, STATEMENT lines quote literals.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}

# Waits for the end of its standard input, then for the server's pid file, and asks for a fast shutdown.
_WATCHDOG = """
while read -r _; do :; done
for _ in 1 2 3 4 5 6 7 8 9 10; do
    if read -r pid < "$1" && kill -INT "$pid"; then exit 0; fi
    sleep 0.5
done 2>/dev/null
"""


class EmbeddedPostgres:
    """The one supervisor of the cluster in data_dir; `settings` are added to the server's command line."""

    def __init__(self, data_dir: Path, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = Path(data_dir).absolute()
        self._wanted_port = port
        self._settings = {**_SETTINGS, **(settings or {})}
        self._server: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._busy = threading.RLock()
        self._leaving = threading.Event()

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def dsn(self) -> str:
        """The address of the running server, password included."""
        dsn = read_dsn(self._home)
        if dsn is None:
            raise EmbeddedPostgresError(f"The database in {self._home} was never started, or its password file is gone")
        return dsn

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def start(self) -> str:
        """Make the cluster if there is none, start it, and return its DSN once it answers."""
        if self.pid:
            return self.dsn
        self.stop()  # what a crashed server of ours left
        self._account = unprivileged_account()
        self._home = make_home(self.data_dir, self._account)
        self._cluster = self._home / "cluster"
        self._lock = take_supervisor_lock(self._home)
        try:
            self._binaries = find_binaries(self._home, self._account)
            self._make_cluster()
            self._check_version()
            self._launch(crashed=self._end_orphan())
        except BaseException:
            self.stop()
            raise
        return self.dsn

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, a checkpoint is written. Harmless when not started."""
        self._leaving.set()
        with self._busy:
            self._stop()

    def _stop(self) -> None:
        server, self._server = self._server, None
        if self._watchdog:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None
        if server and server.poll() is None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.send_signal(signal.SIGQUIT)  # no checkpoint: the next start recovers from the log
                server.wait()
        if self._lock:
            self._lock.close()
            self._lock = None

    def keep_running(self) -> None:
        """Start the server again whenever it ends by itself, until `stop`; its port stays, so pools find it again."""
        self._leaving.clear()
        threading.Thread(target=self._watch_over, name="fte-postgres", daemon=True).start()

    def _watch_over(self) -> None:
        while not self._leaving.wait(WATCH_S):
            with self._busy:
                if self._leaving.is_set() or self._server is None or self._server.poll() is None:
                    continue
                with suppress(EmbeddedPostgresError):  # tried again at the next look; its log says why
                    self._launch(crashed=self._end_orphan())

    def _make_cluster(self) -> None:
        if self._cluster.exists():
            return
        require_space(self._home)
        part = self._home / "cluster.part"  # renamed when whole: a kill in between leaves nothing half-made
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        password_file = part.with_name("password.part")
        write_private(password_file, password)
        if self._account:
            self._account.own(part)
            self._account.own(password_file)
        self._run_initdb(part, password_file)
        write_private(self._home / "password", password)
        password_file.unlink()
        part.rename(self._cluster)

    def _run_initdb(self, cluster: Path, password_file: Path) -> None:
        locale = ["--locale=C", "--lc-ctype=UTF-8"] if sys.platform == "darwin" else ["--locale=C.UTF-8"]
        sync = ["--no-sync"] if self._settings.get("fsync") == "off" else []
        command = [self._binaries / "initdb", "-D", cluster, "-U", USER, "--pwfile", password_file]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions", *locale, *sync]
        done = subprocess.run(command, capture_output=True, text=True, **self._as_account())
        if done.returncode:
            raise EmbeddedPostgresError(f"initdb failed in {self._home}: {done.stderr.strip()[-800:]}")

    def _check_version(self) -> None:
        found = (self._cluster / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise EmbeddedPostgresError(
                f"{self._cluster} was made by PostgreSQL {found}, this release runs {MAJOR}: "
                "choose another --data-dir, or dump it with its own version and load it here"
            )

    def _end_orphan(self) -> bool:
        """Clear what a killed supervisor or a crash left; whether there was anything.

        We hold the lock, so a server still here has no master.
        """
        pid_file = self._cluster / "postmaster.pid"
        end = time.monotonic() + STOP_TIMEOUT_S
        while (pid := read_pid(pid_file)) and is_server_of(pid, self._cluster):
            if time.monotonic() > end:
                raise EmbeddedPostgresError(f"PostgreSQL {pid} in {self._cluster} does not stop; look after it first")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            time.sleep(0.1)
        crashed = pid_file.exists()
        pid_file.unlink(missing_ok=True)  # its number may by now belong to any process; that one is left alone
        return crashed

    def _launch(self, *, crashed: bool = False) -> None:
        """Start the server. After a crash it refuses to for as long as a child of the old one still holds its memory."""
        end = time.monotonic() + (CRASH_PATIENCE_S if crashed else 0)
        for tries in itertools.count(1):
            port = self._choose_port()
            self._spawn(port)
            if self._wait_until_ready():
                return
            port_was_taken = tries < 3 and not self._wanted_port and not is_free(port)
            if not port_was_taken and time.monotonic() >= end:
                break
            time.sleep(POLL_S)
        raise EmbeddedPostgresError(self._failure())

    def _choose_port(self) -> int:
        """The port asked for, else the last one while it is free (so that a DSN noted down stays true), else any."""
        port_file = self._home / "port"
        if self._wanted_port:
            port = self._wanted_port
            if not is_free(port):
                raise EmbeddedPostgresError(f"Port {port} is in use; give another one or none")
        else:
            port = int(port_file.read_text()) if port_file.exists() else 0
            if not port or not is_free(port):
                port = any_free_port()
        write_private(port_file, str(port))
        return port

    def _spawn(self, port: int) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        pid_file = self._cluster / "postmaster.pid"
        if self._watchdog is None:  # first, so that no moment is unwatched
            watch = ["/bin/sh", "-c", _WATCHDOG, "fte-watchdog", pid_file]
            self._watchdog = self._popen(watch, stdin=subprocess.PIPE, **quiet)
        command = [self._binaries / "postgres", "-D", self._cluster, "-p", str(port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with _open_log(self._home) as log:
            self._log_start = log.tell()
            self._server = self._popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _popen(self, command: list[Any], **streams: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen[bytes](command, start_new_session=True, **self._as_account(), **streams)

    def _wait_until_ready(self) -> bool:
        """False when the server ended instead."""
        end = time.monotonic() + START_TIMEOUT_S
        while self.pid:
            if answers(self.dsn):
                return True
            if time.monotonic() > end:
                raise EmbeddedPostgresError(f"PostgreSQL is not ready after {START_TIMEOUT_S:.0f} s; {self._failure()}")
            time.sleep(POLL_S)
        return False

    def _failure(self) -> str:
        with (self._home / "postgres.log").open("rb") as log:
            log.seek(self._log_start)
            tail = log.read()[-800:].decode(errors="replace").strip()
        return f"PostgreSQL did not start in {self._cluster}. Its log ends: {tail}"

    def _as_account(self) -> dict[str, Any]:
        common: dict[str, Any] = {"cwd": "/", "env": _ENVIRONMENT}
        if self._account:
            common |= {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        return common


def running_dsn(data_dir: Path) -> str | None:
    """The DSN of the server that another process runs in data_dir, if it answers."""
    dsn = read_dsn(Path(data_dir) / "postgres")
    return dsn if dsn and answers(dsn) else None


@contextmanager
def attach_or_start(
    data_dir: Path, port: int | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield a DSN: of the server that already runs in data_dir, or of one that runs as long as anybody is in here."""
    home = make_home(Path(data_dir).absolute(), unprivileged_account())
    server = EmbeddedPostgres(data_dir, port, settings)
    end = time.monotonic() + START_TIMEOUT_S
    while True:
        with using(home):
            if dsn := running_dsn(data_dir):
                yield dsn
                return
        try:
            dsn = server.start()
            break
        except DataDirInUse:  # the other one is just starting or stopping
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    with server:
        server.keep_running()
        try:
            yield dsn
        finally:
            with unused(home):
                server.stop()


def _open_log(home: Path) -> IO[bytes]:
    path = home / "postgres.log"
    if path.exists() and path.stat().st_size > LOG_ROTATE_BYTES:
        path.rename(home / "postgres.log.1")
    return path.open("ab")
