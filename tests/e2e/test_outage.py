"""A PostgreSQL that goes away in mid-request and comes back: 503 meanwhile, and nobody restarts the product."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from crm.embedded import EmbeddedPostgres
from tests.fixtures_product import (
    QUICK,
    First,
    Product,
    StubbornCustomer,
    copy_of,
    eventually,
    form,
    new_folder,
    run_fte,
)

pytestmark = [pytest.mark.slow, pytest.mark.real]

FORM_GIVES_UP_S = 20.0  # SUBMIT_TIMEOUT_MS of the web form: an answer after it is read by nobody


@pytest.fixture(scope="module")
def server(first: First) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that is not the product's own."""
    with EmbeddedPostgres(copy_of(first.data_dir)) as running:
        yield running


@pytest.fixture(scope="module")
def product(server: EmbeddedPostgres) -> Iterator[Product]:
    """The product on that server, without the built pages."""
    running = Product(new_folder("outage") / "data", {"DATABASE_URL": server.dsn, **QUICK}, ["--no-web"])
    migrated = run_fte("migrate", cwd=running.data_dir.parent, DATABASE_URL=server.dsn)
    assert migrated.returncode == 0, migrated.stderr
    running.start()
    yield running
    running.stop()


def assert_says_come_back(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert "Nothing was stored" in answer.json()["detail"]


def test_a_database_that_stops_in_mid_request_is_waited_for(product: Product, server: EmbeddedPostgres):
    customer = StubbornCustomer()
    with customer.keeps_writing(product):
        eventually(lambda: len(customer.tickets) > 3, "the first tickets")
        server.stop()
        eventually(lambda: customer.refusals, "a refusal")
        assert product.http.get("/health").json()["database"] == "unavailable"
        assert product.http.get("/health").status_code == 503
        assert product.http.get("/health/live").status_code == 200
        assert_says_come_back(product.http.get(f"/support/ticket/{next(iter(customer.tickets.values()))}"))
        typed = product.http.post("/support/submit", data=form("These words took me a while."))
        assert typed.status_code == 503
        assert "These words took me a while." in typed.text, "the form without scripts keeps what was typed"
        before = len(customer.tickets)
        server.start()
        eventually(lambda: len(customer.tickets) > before + 3, "tickets after the outage")
    for refusal in customer.refusals:
        assert_says_come_back(refusal)
    assert product.http.get("/health").json()["status"] == "ok"
    customer.assert_each_was_answered_once(product)
    assert "Traceback" not in product.process.log()


def test_a_database_that_hangs_is_not_waited_for_without_end(product: Product, server: EmbeddedPostgres):
    """Every process of it is stopped: connections stay open and nothing answers, as behind a lost network."""
    hung = [
        server.pid,
        *(pid for (pid,) in product.rows("select pid from pg_stat_activity where pid <> pg_backend_pid()")),
    ]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert_says_come_back(product.http.post("/support/submit", json=form(), timeout=FORM_GIVES_UP_S))
        assert product.http.get("/health").status_code == 503
    finally:
        for pid in reversed(hung):
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: product.http.get("/health").status_code == 200, "a healthy product")
    product.until_replied(product.submit())
