"""What every test gets: the shared fixtures and the rule about sockets."""

from __future__ import annotations

import pytest
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

pytest_plugins = ["tests.fixtures_db", "tests.fixtures_spine"]

LOOPBACK = ["127.0.0.1", "::1", "localhost"]
SLOW_TIMEOUT_S = 900  # starts of the whole product, on a busy machine
DATABASE_FIXTURES = {"postgres", "empty_db", "db", "pool", "spine"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A unit test opens no socket; one with a database or marked `real` or `slow` stays on this machine."""
    markers = {marker.name for marker in item.iter_markers()}
    if "model" in markers:
        enable_socket()
    elif markers & {"real", "slow"} or DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())):
        enable_socket()
        socket_allow_hosts(LOOPBACK, allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)
