from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from channels.email.push import decode_push
from crm.pool import transaction
from tests.api.conftest import assert_problem

SUBSCRIPTION = "projects/p/subscriptions/s"
TOKEN = {"Authorization": "Bearer good"}


async def only_good(token: str) -> str | None:
    return {"good": None, "later": "keys_unavailable"}.get(token, "invalid_token")


@pytest.fixture
def client(client_for):
    return client_for(push_verifier=only_good, mailbox="Support@example.com", push_subscription=SUBSCRIPTION)


def push(data: Any = None, **changes: Any) -> dict[str, Any]:
    notice = data if data is not None else {"emailAddress": "support@example.com", "historyId": 12345}
    encoded = base64.b64encode(json.dumps(notice).encode()).decode()
    message = {"data": encoded, "messageId": "m-1", "message_id": "m-1", "publishTime": "2026-11-23T08:00:00Z"}
    return {"message": message, "subscription": SUBSCRIPTION, **changes}


async def test_a_push_is_stored_with_its_event_and_acknowledged(client, pool, count_rows) -> None:
    response = await client.post("/webhooks/gmail", json=push(), headers=TOKEN)
    assert (response.status_code, response.content) == (204, b"")
    async with transaction(pool) as conn:
        row = await (await conn.execute("select channel, kind, source_key, body from inbound_events")).fetchone()
    assert row[:3] == ("email", "push", "m-1")
    assert decode_push(row[3]) == decode_push(push())
    assert await count_rows("outbox") == 1


async def test_five_deliveries_of_one_push_at_once_are_one_row(client, count_rows) -> None:
    bodies = [push(deliveryAttempt=number) for number in range(5)]
    answers = await asyncio.gather(*(client.post("/webhooks/gmail", json=body, headers=TOKEN) for body in bodies))
    assert [answer.status_code for answer in answers] == [204] * 5
    assert (await count_rows("inbound_events"), await count_rows("outbox")) == (1, 1)


@pytest.mark.parametrize("history_id", [12345, "12345"])
async def test_the_history_id_may_be_a_number_or_text(client, count_rows, history_id) -> None:
    notice = {"emailAddress": "support@example.com", "historyId": history_id}
    assert (await client.post("/webhooks/gmail", json=push(notice), headers=TOKEN)).status_code == 204
    assert await count_rows("inbound_events") == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer bad"}, {"Authorization": "Basic good"}])
async def test_what_google_did_not_sign_is_refused(client, count_rows, headers) -> None:
    response = await client.post("/webhooks/gmail", json=push(), headers=headers)
    assert_problem(response, 401, "unauthorised")
    assert await count_rows("inbound_events") == 0


async def test_without_googles_keys_the_push_is_asked_for_again(client, count_rows) -> None:
    response = await client.post("/webhooks/gmail", json=push(), headers={"Authorization": "Bearer later"})
    assert_problem(response, 503, "temporarily-unavailable")
    assert response.headers["retry-after"]
    assert await count_rows("inbound_events") == 0


@pytest.mark.parametrize(
    "body",
    [push({"emailAddress": "other@example.com", "historyId": 1}), push(subscription="projects/p/subscriptions/other")],
)
async def test_a_mailbox_or_subscription_that_is_not_ours_is_acknowledged_and_not_stored(
    client, count_rows, logs, body
) -> None:
    assert (await client.post("/webhooks/gmail", json=body, headers=TOKEN)).status_code == 204
    assert await count_rows("inbound_events") == 0
    assert any(entry["event"] == "webhook.ignored" for entry in logs)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": {}},
        push({"emailAddress": "support@example.com"}),
        push({"emailAddress": "support@example.com", "historyId": "x"}),
        push({"emailAddress": "support@example.com", "historyId": "9" * 5000}),
        push({"emailAddress": "support@example.com", "historyId": 1}, subscription="s\x00"),
        push([]),
        push(message={"data": "***", "messageId": "m"}),
        push(message={"data": "", "messageId": "m"}),
        push(message={"data": "\u00e9", "messageId": "m"}),
        push(message={"data": "e30=", "messageId": "a\x00b"}),
    ],
)
async def test_a_push_that_is_none_is_refused_so_that_it_is_kept(client, count_rows, body) -> None:
    assert_problem(await client.post("/webhooks/gmail", json=body, headers=TOKEN), 400, "unreadable-push")
    assert await count_rows("inbound_events") == 0


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 40_000])
async def test_a_body_that_cannot_be_read_is_refused(client, raw) -> None:
    headers = {**TOKEN, "Content-Type": "application/json"}
    assert_problem(await client.post("/webhooks/gmail", content=raw, headers=headers), 400)


async def test_no_address_is_in_the_logs(client, logs) -> None:
    await client.post("/webhooks/gmail", json=push(), headers=TOKEN)
    assert "support@" not in str(logs).lower()
