"""Bad input against the running product: a clear refusal that says what to do, no traceback, nothing stored."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fixtures_product import Product, form

pytestmark = [pytest.mark.slow, pytest.mark.real]

MEGABYTE = 2**20
JSON = {"Content-Type": "application/json"}
STORED = "select (select count(*) from inbound_events), (select count(*) from outbox where published_at is null)"


def body(**changes: Any) -> bytes:
    return json.dumps({**form(), **changes}).encode()


SUBMISSIONS = {
    "no body": (b"", JSON, 400, "Send valid JSON"),
    "an empty object": (b"{}", JSON, 422, "Correct the fields"),
    "ten megabytes": (body(message="a" * 10 * MEGABYTE), JSON, 413, "Shorten the text"),
    "a long message": (body(message="a" * 5001), JSON, 422, "at most 5000 characters"),
    "only NUL bytes": (body(message="\x00" * 50), JSON, 422, "at least 10 characters"),
    "raw NUL bytes": (b"\x00" * 50, JSON, 400, "Send valid JSON"),
    "invalid UTF-8": (body().replace(b"invoice", b"\xff\xfe\xc3("), JSON, 400, "UTF-8"),
    "a lone surrogate": (body().replace(b"invoice", b"\\ud800"), JSON, 400, "Send valid JSON"),
    "an unknown category": (body(category="gossip"), JSON, 422, "'general', 'technical', 'billing'"),
    "an unknown priority": (body(priority="now!"), JSON, 422, "'low', 'medium' or 'high'"),
    "no email address": (body(email="ada at example"), JSON, 422, "name@example.com"),
    "blanks only": (body(message=" \n\t " * 10), JSON, 422, "at least 10 characters"),
    "a number for a text": (body(message=12345678901), JSON, 422, "message"),
    "cut-off JSON": (body()[:-20], JSON, 400, "Send valid JSON"),
    "a list": (b"[1, 2]", JSON, 400, "Send valid JSON"),
    "a hundred thousand brackets": (b"[" * 100_000, JSON, 400, "Send valid JSON"),
    "another media type": (body(), {"Content-Type": "text/plain"}, 415, "application/json"),
    "no media type": (body(), {}, 415, "application/json"),
    "a file upload": (
        b"--x\r\n\r\n--x--",
        {"Content-Type": "multipart/form-data; boundary=x"},
        415,
        "application/json",
    ),
    "an empty key": (body(), {**JSON, "Idempotency-Key": ""}, 422, "Fill it in."),
    "a long key": (body(), {**JSON, "Idempotency-Key": "k" * 201}, 422, "200 characters"),
    "a filled honeypot": (body(website="https://spam.example"), JSON, 422, "Leave this field empty"),
}


def assert_clear(product: Product, answer: httpx.Response, status: int, advice: str) -> None:
    """A problem document (RFC 9457) without a word of the machinery behind it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(problem)
    assert problem["status"] == status
    assert advice in json.dumps(problem, ensure_ascii=False), problem
    for word in ("Traceback", "psycopg", "pydantic", 'File \\"'):
        assert word not in answer.text


@pytest.mark.parametrize("case", SUBMISSIONS)
def test_a_submission_that_cannot_be_accepted_says_why(product: Product, case: str):
    content, headers, status, advice = SUBMISSIONS[case]
    before = product.rows(STORED)
    log_before = len(product.process.log())
    answer = product.http.post("/support/submit", content=content, headers=headers)
    assert_clear(product, answer, status, advice)
    assert product.rows(STORED) == before, "nothing is stored"
    log = product.process.log()[log_before:]
    assert "Traceback" not in log
    assert "[error" not in log


def test_ten_megabytes_that_hide_their_length_are_refused(product: Product):
    def pieces():
        for _ in range(10):
            yield b"a" * MEGABYTE

    try:
        answer = product.http.post("/support/submit", content=pieces(), headers=JSON)
    except (httpx.WriteError, httpx.RemoteProtocolError):
        return  # refused before we had finished speaking; what a client sees then is its own affair
    assert_clear(product, answer, 413, "Shorten the text")


@pytest.mark.parametrize(
    "path",
    [
        "/support/ticket/tkt_0000000000000000000000",
        "/support/ticket/unknown",
        "/support/ticket/tkt_%00",
        "/support/ticket/tkt_%ff%fe",
        "/support/ticket/" + "a" * 5000,
        "/support/ticket/%27%20or%201=1--",
        "/no/such/page",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/ticket/%00",
    ],
)
def test_an_address_of_nothing_is_not_found(product: Product, path: str):
    answer = product.http.get(path)
    assert answer.status_code == 404, answer.text[:500]
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text
    if path.startswith("/support"):
        assert_clear(product, answer, 404, "ticket")


def test_bad_requests_to_the_reviewers_door_say_why(product: Product):
    reviews, me = "/reviews", product.as_reviewer
    decision = f"{reviews}/{uuid4()}/decision"
    assert_clear(product, product.http.get(reviews), 401, "fte keys create")
    wrong = {"Authorization": "Bearer fte_wrong"}
    assert_clear(product, product.http.get(reviews, headers=wrong), 401, "unknown, revoked or expired")
    assert_clear(product, product.http.get(f"{reviews}?status=x", headers=me), 422, "'open', 'decided' or 'done'")
    unknown = product.http.post(decision, json={"decision": "reject", "version": 1, "note": "no"}, headers=me)
    assert_clear(product, unknown, 404, "review")
    empty = product.http.post(decision, json={"decision": "respond", "version": 1}, headers=me)
    assert_clear(product, empty, 422, "Write the text")
    broken = product.http.post(decision, content=b"{", headers={**me, **JSON})
    assert_clear(product, broken, 400, "Send valid JSON")


def test_unsigned_webhooks_are_refused(product: Product):
    before = product.rows(STORED)
    whatsapp = product.http.post("/webhooks/whatsapp", data={"From": "whatsapp:+15550001111", "Body": "hi"})
    assert whatsapp.status_code in (401, 403), whatsapp.text
    gmail = product.http.post("/webhooks/gmail", json={"message": {"data": "e30=", "messageId": "1"}})
    assert gmail.status_code in (401, 403), gmail.text
    assert product.rows(STORED) == before


def test_the_product_still_answers(product: Product):
    product.until_replied(product.submit())
    assert "Traceback" not in product.process.log()
