"""The socket that the API listens on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from cli.server import bind


@pytest.mark.real
async def test_answers_do_not_wait_for_the_acknowledgement_of_their_first_packet() -> None:
    without_delay: list[int] = []

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        without_delay.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = bind("127.0.0.1", 0)
    async with await asyncio.start_server(accepted, sock=listener):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        await reader.read()
        writer.close()
    assert without_delay[0]
