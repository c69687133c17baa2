"""A real Apache Kafka for the tests, from Maven Central: needs java 17+ and mvn, no Docker.

The jars are fetched once into `.cache/kafka/`. A broker lives in a directory of its own, survives `kill` and `start`,
and dies with the process that started it (on Linux even if that one is killed).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "kafka"
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class KafkaMissing(Exception):
    """A real Kafka cannot be had here."""


def what_is_missing() -> str | None:
    """Why there can be no broker on this machine, or None."""
    absent = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if absent:
        return f"a real Kafka needs {' and '.join(absent)} (Debian: openjdk-17-jre-headless, maven)"
    version = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    major = re.search(r'version "(\d+)', version)
    if major is None or int(major[1]) < 17:
        return f"Kafka 4 needs Java 17 or later, found {version.splitlines()[0] if version else 'none'}"
    return None


def fetch_jars() -> Path:
    """The directory of the broker's jars; fetched on the first call on this machine. Raises KafkaMissing."""
    pom = HERE / "pom.xml"
    version = re.search(r"<kafka.version>(.+?)<", pom.read_text())
    assert version is not None
    lib = CACHE / version[1]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want them at once
        if lib.is_dir():
            return lib
        half = lib.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        command = ["mvn", "-q", "-B", "-f", str(pom), COPY_DEPENDENCIES]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={half}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not half.is_dir():
            raise KafkaMissing(f"Maven could not fetch Kafka {version[1]}: {done.stdout[-500:]}{done.stderr[-500:]}")
        half.rename(lib)
    return lib


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, timeout_s: float, dead: Callable[[], bool] = lambda: False) -> bool:
    """Until something listens on loopback; False when it is dead before, or the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and not dead():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


class KafkaBroker:
    """One node in KRaft mode on loopback."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, controller = free_port(), free_port()
        self.bootstrap_servers = f"127.0.0.1:{self.port}"
        self._classpath = f"{fetch_jars()}/*"
        self._config = directory / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        text = (HERE / "server.properties.tmpl").read_text()
        for name, value in {"PORT": self.port, "CONTROLLER_PORT": controller, "DIR": directory}.items():
            text = text.replace(f"@{name}@", str(value))
        self._config.write_text(text)
        storage_id = self._tool("random-uuid").split()[-1]
        self._tool("format", "--standalone", "-t", storage_id, "-c", str(self._config))

    def start(self, timeout_s: float = 60) -> None:
        """Start the broker and wait until it takes connections."""
        command = ["java", "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", self._classpath, "kafka.Kafka"]
        with (self.directory / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*command, str(self._config)],
                stdout=output,
                stderr=output,
                cwd=self.directory,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        process = self._process
        if not wait_for_port(self.port, timeout_s, dead=lambda: process.poll() is not None):
            self.kill()
            raise KafkaMissing(f"the broker did not come up:\n{self._log()[-2000:]}")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, timeout_s: float = 20) -> None:
        """Shut down in order; a kill where that takes too long."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def _log(self) -> str:
        return (self.directory / "broker.log").read_text(errors="replace")

    def _tool(self, *arguments: str) -> str:
        command = ["java", "-Xmx128m", "-cp", self._classpath, "kafka.tools.StorageTool", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        if done.returncode:
            raise KafkaMissing(f"StorageTool {arguments[0]} failed: {done.stdout[-500:]}{done.stderr[-1000:]}")
        return done.stdout


def _die_with_parent() -> None:
    """In the child, before exec: SIGKILL when the parent ends (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
