"""The two servers of `fte bench --edge`: the product's API, and the bare handler that it is held against."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigurationError
from evals.bench_edge import PUBLIC_URL, Door

AUTH_TOKEN = "token-of-the-benchmark"  # noqa: S105 - signs webhooks that never leave this machine
_START_S = 60.0
_PORT = re.compile(r"port=(\d+)")


@contextmanager
def two_doors(dsn: str) -> Iterator[tuple[Door, Door]]:
    """`fte api` and the bare handler on the same database, each a process of its own while the block runs."""
    ours = {
        "DATABASE_URL": dsn,
        "FTE_TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
        "FTE_TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "FTE_TWILIO_WHATSAPP_FROM": "whatsapp:+15550001111",
        "FTE_PUBLIC_BASE_URL": PUBLIC_URL,
    }
    fte = str(Path(sys.executable).with_name("fte"))
    with (
        tempfile.TemporaryDirectory(prefix="fte-edge-") as folder,
        _door([fte, "api", "--port", "0"], Path(folder) / "ours", ours) as product,
        _door([sys.executable, "-m", "evals.bare_edge", dsn], Path(folder) / "bare", {}) as bare,
    ):
        yield product, bare


@contextmanager
def _door(command: Sequence[str], log: Path, settings: Mapping[str, str]) -> Iterator[Door]:
    """In a folder without an `.env`, so that no setting of this machine's reaches it."""
    foreign = ("FTE_", "OPENAI_", "KAFKA_", "DATABASE_URL")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - an argument list made here
            command, cwd=log.parent, env=env | dict(settings), stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        yield Door(_port(process, log), process.pid)
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    end = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end:
        if found := _PORT.search(log.read_text(errors="replace")):
            return int(found[1])
        time.sleep(0.05)
    raise ConfigurationError(f"A server of the benchmark did not start: {log.read_text(errors='replace')[-500:]}")
