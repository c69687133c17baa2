"""An app on a real database, asked over ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import LogCapture

from api.app import create_app
from api.context import ApiContext
from channels.whatsapp.signature import SignatureSecrets
from core.clock import SystemClock
from core.profile import CompanyProfile
from crm.keys import create_key
from crm.pool import Pool, transaction

PUBLIC = "https://help.example.com"
PROFILE = CompanyProfile(
    name="Tallyroot",
    product="Tallyroot Inventory",
    one_liner="Stock that adds up.",
    domain="example.com",
    support_email="support@example.com",
    help_centre_url="https://docs.example.com",
    signature="The Tallyroot team",
    response_times={"low": "within two days", "medium": "within one day", "high": "within four hours"},
    notices={"default": ("A colleague takes over.",)},
)


@pytest.fixture
def context(pool: Pool) -> ApiContext:
    return ApiContext(
        pool=pool,
        profile=PROFILE,
        clock=SystemClock(),
        version="1.2.3",
        public_base_url=PUBLIC,
        max_body_bytes=50_000,
        submit_rate_per_minute=100,
        whatsapp_secrets=SignatureSecrets(auth_tokens=("the-token", "the-token-before")),
    )


@pytest.fixture
async def client_for(context: ApiContext) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """A client of an app whose context differs from the usual in the given fields."""
    opened: list[httpx.AsyncClient] = []

    def make(**changes: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(create_app(replace(context, **changes)))
        opened.append(httpx.AsyncClient(transport=transport, base_url=PUBLIC))
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()


@pytest.fixture
def client(client_for: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    return client_for()


@pytest.fixture
def key_for(pool: Pool) -> Callable[..., Any]:
    """Headers with a fresh key of the given scopes."""

    async def make(*scopes: str, name: str = "tester") -> dict[str, str]:
        async with transaction(pool) as conn:
            new = await create_key(conn, name=name, scopes=scopes)
        return {"Authorization": f"Bearer {new.token}"}

    return make


@pytest.fixture
def logs() -> Any:
    """Every log line of the test, as dictionaries."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture.entries
    structlog.configure(**before)


@pytest.fixture
def count_rows(pool: Pool) -> Callable[..., Any]:
    async def count(table: str) -> int:
        async with transaction(pool) as conn:
            row = await (await conn.execute(f"select count(*) from {table}")).fetchone()  # pyright: ignore[reportArgumentType]
        assert row is not None
        return row[0]

    return count


def submission(**changes: Any) -> dict[str, Any]:
    """A question as the web form sends it."""
    return {
        "name": "Ada Osei",
        "email": "ada@example.com",
        "subject": "Exports stop at row 10,000",
        "category": "technical",
        "priority": "high",
        "message": "Since this morning my exports stop at row 10,000. Why?",
        "website": "",
        **changes,
    }


def assert_problem(response: httpx.Response, status: int, kind: str | None = None) -> dict[str, Any]:
    """The answer is a problem document that says what to do."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["instance"] == f"urn:fte:request:{response.headers['x-request-id']}"
    assert document["title"]
    assert len(document["detail"]) > 15
    if kind is not None:
        assert document["type"] == f"urn:fte:problem:{kind}"
    return document
