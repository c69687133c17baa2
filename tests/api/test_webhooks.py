from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from crm.pool import transaction
from tests.api.conftest import PUBLIC, assert_problem

MESSAGE = [
    ("MessageSid", "SM1"),
    ("AccountSid", "AC1"),
    ("From", "whatsapp:+491701234567"),
    ("To", "whatsapp:+15550001111"),
    ("Body", "  Where is my export? \u2603  "),
    ("ProfileName", ""),
    ("NumMedia", "0"),
]
STATUS = [("MessageSid", "SM9"), ("MessageStatus", "delivered"), ("To", "whatsapp:+491701234567")]
FORM = "application/x-www-form-urlencoded"


def sign(path: str, params: list[tuple[str, str]], token: str = "the-token", base: str = PUBLIC) -> dict[str, str]:
    signature = RequestValidator(token).compute_signature(base + path, _multi(params))
    return {"X-Twilio-Signature": signature, "Content-Type": FORM}


class _multi(dict):
    """Twilio's validator reads every value of a name from a multi-dict."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def getlist(self, name: str) -> list[str]:
        return [value for known, value in self.pairs if known == name]


async def post(client, path: str, params: list[tuple[str, str]], **headers: str):
    return await client.post(path, content=urlencode(params), headers={**sign(path, params), **headers})


async def stored(pool):
    async with transaction(pool) as conn:
        return await (
            await conn.execute("select channel, kind, source_key, body, raw from inbound_events order by received_at")
        ).fetchall()


async def test_a_signed_message_is_stored_to_the_letter_and_answered_with_empty_twiml(client, pool) -> None:
    response = await post(client, "/webhooks/whatsapp", MESSAGE)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/xml")
    assert response.text.endswith("<Response/>")
    [(channel, kind, source_key, body, raw)] = await stored(pool)
    assert (channel, kind, source_key) == ("whatsapp", "message", "SM1")
    assert body == dict(MESSAGE)
    assert raw == urlencode(MESSAGE).encode()


async def test_five_deliveries_of_one_message_at_once_are_one_row(client, pool, count_rows) -> None:
    answers = await asyncio.gather(*(post(client, "/webhooks/whatsapp", MESSAGE) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert (await count_rows("inbound_events"), await count_rows("outbox")) == (1, 1)


async def test_a_redelivery_that_differs_keeps_the_first(client, pool) -> None:
    await post(client, "/webhooks/whatsapp", MESSAGE)
    assert (await post(client, "/webhooks/whatsapp", [*MESSAGE, ("New", "field")])).status_code == 200
    assert [row[3] for row in await stored(pool)] == [dict(MESSAGE)]


async def test_the_previous_token_is_good_during_a_rotation(client) -> None:
    headers = sign("/webhooks/whatsapp", MESSAGE, token="the-token-before")
    response = await client.post("/webhooks/whatsapp", content=urlencode(MESSAGE), headers=headers)
    assert response.status_code == 200


async def test_duplicate_and_blank_parameters_and_the_query_are_signed(client) -> None:
    path = "/webhooks/whatsapp?tenant=a%20b"
    params = [*MESSAGE, ("Tag", "b"), ("Tag", "a"), ("Empty", "")]
    assert (await post(client, path, params)).status_code == 200
    response = await client.post("/webhooks/whatsapp", content=urlencode(params), headers=sign(path, params))
    assert response.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "\u00e9".encode()},
        sign("/webhooks/whatsapp", MESSAGE, token="wrong"),
        sign("/webhooks/whatsapp/status", MESSAGE),
        sign("/webhooks/whatsapp", MESSAGE, base="http://help.example.com"),
        sign("/webhooks/whatsapp", MESSAGE[1:]),
    ],
)
async def test_what_twilio_did_not_sign_is_refused_with_nothing_said(client, count_rows, headers) -> None:
    response = await client.post(
        "/webhooks/whatsapp", content=urlencode(MESSAGE), headers={"Content-Type": FORM, **headers}
    )
    assert (response.status_code, response.content) == (403, b"")
    assert await count_rows("inbound_events") == 0


async def test_nul_is_taken_out_of_the_stored_fields_and_kept_in_the_raw_body(client, pool) -> None:
    params = [*MESSAGE[:4], ("Body", "a\x00b"), ("Na\x00me", "x")]
    assert (await post(client, "/webhooks/whatsapp", params)).status_code == 200
    [(_, _, _, body, raw)] = await stored(pool)
    assert (body["Body"], body["Name"]) == ("ab", "x")
    assert b"a%00b" in raw


async def test_a_message_without_an_id_or_a_sender_is_stored_for_a_person_to_look_at(client, pool) -> None:
    assert (await post(client, "/webhooks/whatsapp", [("Body", "Hello?")])).status_code == 200
    [(_, _, source_key, body, _)] = await stored(pool)
    assert source_key.startswith("sha256:")
    assert body == {"Body": "Hello?"}


async def test_the_key_of_the_event_is_no_phone_number(client, pool) -> None:
    await post(client, "/webhooks/whatsapp", MESSAGE)
    async with transaction(pool) as conn:
        row = await (await conn.execute("select key, payload::text, trace::text from outbox")).fetchone()
    assert "491701234567" not in "".join(row)


async def test_a_status_is_stored_once_with_the_fields_of_our_callback_address(client, pool) -> None:
    path = "/webhooks/whatsapp/status?oid=5f0d7c0e-8f5c-4f39-9c51-6f8f4f5b7a11&part=1"
    for _ in range(2):
        assert (await post(client, path, STATUS)).status_code == 200
    [(channel, kind, source_key, body, _)] = await stored(pool)
    assert (channel, kind, source_key) == ("whatsapp", "status", "SM9:delivered:")
    assert body == {**dict(STATUS), "oid": "5f0d7c0e-8f5c-4f39-9c51-6f8f4f5b7a11", "part": "1"}


async def test_a_status_that_nobody_knows_is_a_problem(client, count_rows) -> None:
    response = await post(client, "/webhooks/whatsapp/status", [("MessageSid", "SM9"), ("MessageStatus", "lost")])
    assert_problem(response, 422, "unknown-status")
    assert await count_rows("inbound_events") == 0


@pytest.mark.parametrize("path", ["/webhooks/whatsapp", "/webhooks/whatsapp/status", "/webhooks/gmail"])
async def test_a_channel_that_is_not_configured_says_what_to_set(client_for, path) -> None:
    client = client_for(whatsapp_secrets=None, push_verifier=None)
    problem = assert_problem(await client.post(path, content=b"a=b", headers={"Content-Type": FORM}), 503)
    assert "FTE_" in problem["detail"]


@pytest.mark.parametrize("raw", [b"Body=%ff%fe", b"\xff\xfe", b"&".join(b"a%d=1" % n for n in range(300))])
async def test_a_form_that_cannot_be_read_is_a_problem(client, raw) -> None:
    response = await client.post("/webhooks/whatsapp", content=raw, headers={"Content-Type": FORM})
    assert_problem(response, 400)


async def test_nothing_is_accepted_while_the_database_is_away(client, pool) -> None:
    await pool.close()
    response = await post(client, "/webhooks/whatsapp", MESSAGE)
    assert_problem(response, 503, "temporarily-unavailable")
    assert int(response.headers["retry-after"]) > 0


async def test_no_address_and_no_text_is_in_the_logs(client, logs) -> None:
    await post(client, "/webhooks/whatsapp", MESSAGE)
    await post(client, "/webhooks/whatsapp", [*MESSAGE, ("New", "field")])
    await client.post("/webhooks/whatsapp", content=urlencode(MESSAGE), headers={"Content-Type": FORM})
    assert {entry["event"] for entry in logs} >= {"webhook.accepted", "webhook.differs", "webhook.refused"}
    for mark in ("491701234567", "export?", "field"):
        assert mark not in str(logs)
