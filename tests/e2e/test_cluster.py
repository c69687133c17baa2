"""The product in parts, as a cluster runs it: an API, two workers, a real Kafka. One worker is killed in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from crm.embedded import EmbeddedPostgres
from tests.fixtures_product import (
    QUESTION,
    QUICK,
    REFUND,
    First,
    Process,
    Product,
    StubbornCustomer,
    copy_of,
    eventually,
    found,
    new_folder,
    run_fte,
)
from tests.kafka_broker.broker import KafkaBroker, what_is_missing

pytestmark = [pytest.mark.slow, pytest.mark.real]

MESSAGES = 20


@pytest.fixture
def settings(first: First) -> Iterator[dict[str, str]]:
    """Where a real Kafka and a PostgreSQL answer."""
    if reason := what_is_missing():
        pytest.skip(reason)
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(copy_of(first.data_dir)))
        broker = KafkaBroker(new_folder("kafka"))
        stack.callback(broker.stop)
        broker.start()
        yield {"DATABASE_URL": server.dsn, "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, **QUICK}


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Whatever is put in here is killed in the end."""
    started: list[Process] = []
    yield started
    for process in started:
        process.kill()


def test_a_killed_worker_costs_no_message_and_doubles_none(settings: dict[str, str], processes: list[Process]):
    folder = new_folder("cluster")
    migrated = run_fte("migrate", cwd=folder, **settings)
    assert migrated.returncode == 0, migrated.stderr
    api = Process("api", "--port", "0", cwd=folder, ready="api.started", FTE_SUBMIT_RATE_PER_MINUTE="1000", **settings)
    processes.append(api)
    for _ in range(2):
        processes.append(Process("worker", cwd=folder, ready="worker.started", **settings))
    _, victim, survivor = processes
    port = found(r"api\.started +port=(\d+)", api.log())
    product = Product(folder, settings).at(f"http://127.0.0.1:{port}")

    customer = StubbornCustomer()
    for number in range(MESSAGES):
        customer.write(REFUND if number % 7 == 3 else QUESTION)
    customer.send(product.base)
    assert len(customer.tickets) == MESSAGES
    eventually(lambda: product.ledger().in_progress < MESSAGES, "the first outcome")
    at_the_kill = product.ledger()
    victim.kill()
    assert at_the_kill.in_progress > 0, "it was killed in the middle of the work"

    customer.assert_each_was_answered_once(product)
    books = product.ledger()
    assert (books.dead_letters_open, books.failed_deliveries) == (0, 0)
    assert "turn.finished" in survivor.log()
    assert survivor.interrupt() == 0
    assert api.interrupt() == 0
    for process in processes:
        assert "Traceback" not in process.log()
