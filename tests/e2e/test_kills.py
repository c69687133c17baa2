"""kill -9 at any moment between submit and answer: what was accepted is answered after the next start, once."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.fixtures_product import QUESTION, QUICK, REFUND, Product, StubbornCustomer, eventually, is_running

pytestmark = [pytest.mark.slow, pytest.mark.real]

ROUNDS = 10
MESSAGES = [QUESTION, REFUND, "How do I move stock from one location to another?", QUESTION]


def test_what_was_accepted_before_a_kill_is_answered_after_it_once(new_product: Callable[..., Product]):
    seed = int(os.environ.get("FTE_TEST_SEED", time.time_ns() % 10**6))
    print(f"FTE_TEST_SEED={seed}")
    dice = random.Random(seed)
    product, customer = new_product(), StubbornCustomer()
    resumed = 0
    for round_no in range(ROUNDS):
        product.start()
        resumed += "work.republished" in product.process.log()
        accepted = len(customer.tickets)
        for message in MESSAGES:
            customer.write(message)
        sending = threading.Thread(target=customer.send, args=(product.base,))
        sending.start()
        eventually(lambda at=accepted: len(customer.tickets) > at, "the first 200 of the round")
        time.sleep(dice.choice([0, dice.uniform(0, 0.3), dice.uniform(0, 1.5)]))
        postgres = product.postgres_pid
        assert postgres is not None
        product.kill()
        if round_no % 2:  # the whole machine, as it were: nobody asks the database to stop
            os.kill(postgres, signal.SIGKILL)
        sending.join()
        assert customer.refusals == []

    product.start()
    assert resumed > 0, "no kill met work under way: this has shown nothing"
    customer.send(product.base)
    assert not customer.unsure
    assert len(customer.tickets) == ROUNDS * len(MESSAGES)
    customer.assert_each_was_answered_once(product)
    product.stop()


def test_a_database_process_that_is_killed_under_load_is_outlived(new_product: Callable[..., Product]):
    """When a backend is killed, PostgreSQL ends every connection and recovers by itself."""
    product, customer = new_product(**QUICK).start(), StubbornCustomer()
    with customer.keeps_writing(product):
        eventually(lambda: len(customer.tickets) > 2, "the first tickets")
        [(backend,)] = product.rows(
            "select pid from pg_stat_activity where application_name = 'fte-up' order by random() limit 1"
        )
        os.kill(backend, signal.SIGKILL)
        before = len(customer.tickets)
        eventually(lambda: len(customer.tickets) > before + 5, "tickets after the crash")
    assert all(refusal.status_code == 503 and refusal.headers["Retry-After"] for refusal in customer.refusals)
    customer.assert_each_was_answered_once(product)
    product.stop()


def test_a_database_server_that_is_killed_is_started_again(new_product: Callable[..., Product]):
    product = new_product(**QUICK).start()
    first = product.submit()
    killed = product.postgres_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not is_running(killed), "the end of the server")
    eventually(lambda: product.http.get("/health").status_code == 200, "a healthy product", timeout_s=15)
    product.until_replied(first)
    product.until_replied(product.submit())
    product.stop()
