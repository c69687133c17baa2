"""A product that runs for the whole session, and the data of one that has been started and stopped once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fixtures_product import KNOWLEDGE, First, Product, copy_of, new_folder


@pytest.fixture(scope="session")
def first() -> First:
    """A newcomer's first minute: started on nothing, one answered ticket, Ctrl-C."""
    product = Product(new_folder("first")).start()
    ticket = product.until_replied(product.submit())
    product.until_idle()
    knowledge = product.rows(KNOWLEDGE)
    product.stop()
    return First(product.data_dir, ticket, knowledge)


@pytest.fixture(scope="session")
def product(first: First) -> Iterator[Product]:
    """`fte up`, started again on the first one's data; who uses it leaves it running."""
    running = Product(copy_of(first.data_dir)).start()
    yield running
    running.stop()


@pytest.fixture
def new_product(first: First) -> Iterator[Callable[..., Product]]:
    """Makes products of a test's own, not started; whatever of them still runs is killed in the end."""
    made: list[Product] = []

    def make(**settings: str) -> Product:
        made.append(Product(copy_of(first.data_dir), settings))
        return made[-1]

    yield make
    for each in made:
        if hasattr(each, "process"):
            each.kill()
