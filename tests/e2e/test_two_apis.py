"""One webhook, delivered five times at once to two API processes: one message, one reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from twilio.request_validator import RequestValidator

from crm.embedded import EmbeddedPostgres
from crm.embedded_process import any_free_port
from simulation.serve import serve
from simulation.twilio import TwilioFake
from tests.fixtures_product import QUICK, First, Process, Product, copy_of, eventually, new_folder

pytestmark = [pytest.mark.slow, pytest.mark.real]

DELIVERIES = 5
QUESTION = "How do I print labels for one item?"
CUSTOMER = "whatsapp:+4917012345678"
PATH = "/webhooks/whatsapp"


@pytest.fixture
def dsn(first: First) -> Iterator[str]:
    """A database that knows the documents."""
    with EmbeddedPostgres(copy_of(first.data_dir)) as server:
        yield server.dsn


@pytest.fixture
async def twilio() -> AsyncIterator[tuple[TwilioFake, str]]:
    fake = TwilioFake()
    async with serve(fake.app()) as base:
        yield fake, base


async def test_five_deliveries_at_once_to_two_processes_are_one_message_and_one_reply(
    dsn: str, twilio: tuple[TwilioFake, str]
) -> None:
    fake, provider = twilio
    ports = [any_free_port(), any_free_port()]
    public = f"http://127.0.0.1:{ports[0]}"
    settings = {
        "DATABASE_URL": dsn,
        "FTE_TWILIO_ACCOUNT_SID": fake.account_sid,
        "FTE_TWILIO_AUTH_TOKEN": fake.auth_token,
        "FTE_TWILIO_WHATSAPP_FROM": fake.number,
        "FTE_TWILIO_BASE_URL": provider,
        "FTE_PUBLIC_BASE_URL": public,
        "FTE_PAUSE_WHATSAPP_S": "0",
        **QUICK,
    }
    folder = new_folder("two-apis")
    processes: list[Process] = []
    try:
        for port in ports:
            started = await asyncio.to_thread(
                Process, "api", "--port", str(port), cwd=folder, ready="api.started", **settings
            )
            processes.append(started)
        processes.append(await asyncio.to_thread(Process, "worker", cwd=folder, ready="worker.started", **settings))
        assert await deliver(fake, public, ports) == [200] * DELIVERIES
        product = Product(folder, {"DATABASE_URL": dsn})
        await asyncio.to_thread(product.until_idle)
        await asyncio.to_thread(eventually, lambda: fake.sent, "the reply")
        [(events, messages, replies)] = product.rows(
            "select (select count(*) from inbound_events where channel = 'whatsapp' and kind = 'message'),"
            " count(*) filter (where direction = 'inbound'), count(*) filter (where direction = 'outbound')"
            " from messages where channel = 'whatsapp'"
        )
    finally:
        for process in processes:
            process.kill()
    assert (events, messages, replies) == (1, 1, 1)
    assert [message["to"] for message in fake.sent] == [CUSTOMER]
    assert "Open Labels > Print" in fake.sent[0]["body"]


async def deliver(fake: TwilioFake, public: str, ports: list[int]) -> list[int]:
    """The same signed webhook to both processes in turn, all under way at once; the answers' status codes."""
    form = {"MessageSid": "SM" + "7" * 32, "From": CUSTOMER, "To": fake.number, "Body": QUESTION, "NumMedia": "0"}
    signature = RequestValidator(fake.auth_token).compute_signature(f"{public}{PATH}", form)
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        urls = [f"http://127.0.0.1:{ports[number % len(ports)]}{PATH}" for number in range(DELIVERIES)]
        posts = [http.post(url, data=form, headers={"X-Twilio-Signature": signature}) for url in urls]
        return [answer.status_code for answer in await asyncio.gather(*posts)]
