from __future__ import annotations

import asyncio
import socket

import pytest
from pytest_socket import SocketBlockedError, SocketConnectBlockedError


@pytest.mark.filterwarnings("ignore:A test tried to use")
def test_a_unit_test_can_open_no_socket() -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket()


async def test_a_unit_test_still_has_an_event_loop() -> None:
    assert await asyncio.to_thread(lambda: 7) == 7
    await asyncio.wait_for(asyncio.sleep(0), 1)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore:A test tried to use")
def test_a_real_test_stays_on_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with pytest.raises(SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 9), timeout=1)


def test_a_test_with_a_database_stays_on_this_machine_too(db: str) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        pass
