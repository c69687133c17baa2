"""One bus contract, three brokers: the process itself, the noida-db emulator, and a real Kafka."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))  # tests are no package; this is how they share kafka_broker

from kafka_broker.broker import KafkaBroker, free_port, wait_for_port, what_is_missing
from kafka_broker.world import World


@pytest.fixture(scope="session")
def noida(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's address."""
    # the binary itself: `bin/noida-db` is a wrapper that leaves it behind when it is terminated
    program = Path(pytest.importorskip("noida_db").__file__).with_name("noida-db")
    program.chmod(0o755)
    port, directory = free_port(), tmp_path_factory.mktemp("noida")
    command = [str(program), "start", "--only", "kafka", "--kafka-port", str(port), "--data-dir", str(directory)]
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for_port(port, timeout_s=10)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A real broker, running."""
    if reason := what_is_missing():
        pytest.skip(reason)
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.stop()


REAL = (pytest.mark.real, pytest.mark.enable_socket)
BROKERS = [
    "memory",
    pytest.param("noida", marks=REAL),
    pytest.param("kafka", marks=(*REAL, pytest.mark.slow)),
]


@pytest.fixture(params=BROKERS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    address = {"memory": lambda: None, "noida": lambda: request.getfixturevalue("noida")}.get(
        request.param, lambda: request.getfixturevalue("kafka").bootstrap_servers
    )()
    world = World(request.param, address)
    yield world
    await world.close()
