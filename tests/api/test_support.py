from __future__ import annotations

import asyncio
import re

import pytest

from core.ids import is_ticket_id
from crm.pool import transaction
from tests.api.conftest import PUBLIC, assert_problem, submission
from tests.crm.story import Story


async def test_a_question_is_stored_and_its_ticket_can_be_read_at_once(client, pool, count_rows) -> None:
    response = await client.post("/support/submit", json=submission())
    receipt = response.json()
    assert response.status_code == 200
    assert is_ticket_id(receipt["ticket_id"])
    assert receipt["estimated_response_time"].endswith("if a person is needed, within four hours")
    assert receipt["status_url"] == f"{PUBLIC}/support/ticket/{receipt['ticket_id']}"
    assert "Ada Osei" in receipt["message"]
    assert (await count_rows("inbound_events"), await count_rows("outbox")) == (1, 1)
    ticket = (await client.get(f"/support/ticket/{receipt['ticket_id']}")).json()
    assert (ticket["status"], ticket["channel"], ticket["category"]) == ("open", "web_form", "technical")
    assert [m["body"] for m in ticket["messages"]] == [submission()["message"]]


async def test_the_stored_body_is_what_the_web_form_reads(client, pool) -> None:
    await client.post("/support/submit", json=submission(name=" Ada \n Osei ", message="A\r\nlong\x00 enough text"))
    async with transaction(pool) as conn:
        row = await (await conn.execute("select body, channel, kind, ticket_id from inbound_events")).fetchone()
    assert row[0] == {
        "name": "Ada Osei",
        "email": "ada@example.com",
        "subject": "Exports stop at row 10,000",
        "category": "technical",
        "priority": "high",
        "message": "A\nlong enough text",
    }
    assert row[1:3] == ("web_form", "message")


async def test_category_and_priority_have_defaults(client) -> None:
    body = {name: value for name, value in submission().items() if name not in ("category", "priority", "website")}
    ticket_id = (await client.post("/support/submit", json=body)).json()["ticket_id"]
    ticket = (await client.get(f"/support/ticket/{ticket_id}")).json()
    assert (ticket["category"], ticket["priority"]) == ("general", "medium")
    assert "within one day" in ticket["estimated_response_time"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  \x00 "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": None}, "name"),
        ({"email": "ada"}, "email"),
        ({"email": "ada@example"}, "email"),
        ({"email": "a\x00da@example.com"}, "email"),
        ({"email": "ada@example.com\nBcc: all@example.com"}, "email"),
        ({"email": "x" * 250 + "@example.com"}, "email"),
        ({"subject": "hi"}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"category": "refunds"}, "category"),
        ({"priority": "urgent"}, "priority"),
        ({"message": "too short"}, "message"),
        ({"message": "x" * 5001}, "message"),
        ({"message": ["a"] * 20}, "message"),
        ({"message": {"$ne": ""}}, "message"),
        ({"website": "https://spam.example"}, "website"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(client, count_rows, changes, field) -> None:
    response = await client.post("/support/submit", json=submission(**changes))
    problem = assert_problem(response, 422, "invalid-fields")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert len(problem["errors"][0]["message"]) > 5
    assert await count_rows("inbound_events") == 0


async def test_every_wrong_field_is_named_and_choices_are_listed(client) -> None:
    problem = assert_problem(await client.post("/support/submit", json={"category": "refunds"}), 422)
    errors = {error["field"]: error["message"] for error in problem["errors"]}
    assert set(errors) == {"name", "email", "subject", "category", "message"}
    assert "'bug_report'" in errors["category"]
    assert "refunds" not in str(problem)


@pytest.mark.parametrize(
    "email", ["o'neil+tag@mail.example.co.uk", "ünïcode@exämple.de", "a.b@xn--bcher-kva.example", "A@EXAMPLE.COM"]
)
async def test_unusual_addresses_are_accepted(client, email) -> None:
    assert (await client.post("/support/submit", json=submission(email=email))).status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"name": NaN}',
        b'{"name": "\xff\xfe"}',
        b'{"name": "\\ud800"}',
        b"[" * 45_000,
        b'{"a":' * 9_000,
        b'{"name": ' + b"9" * 5_000 + b"}",
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_in_clear_words(client, count_rows, raw) -> None:
    response = await client.post("/support/submit", content=raw, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, "unreadable-body")
    assert await count_rows("inbound_events") == 0


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x", "nonsense"])
async def test_another_media_type_is_refused(client, content_type) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert_problem(await client.post("/support/submit", content=b"{}", headers=headers), 415)


async def test_the_same_key_is_the_same_ticket_also_when_five_arrive_at_once(client, count_rows) -> None:
    headers = {"Idempotency-Key": "4f8c"}
    answers = await asyncio.gather(
        *(client.post("/support/submit", json=submission(), headers=headers) for _ in range(5))
    )
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.json()["ticket_id"] for answer in answers}) == 1
    assert (await count_rows("inbound_events"), await count_rows("outbox")) == (1, 1)


async def test_without_a_key_every_submit_is_a_ticket_of_its_own(client, count_rows) -> None:
    answers = [(await client.post("/support/submit", json=submission())).json()["ticket_id"] for _ in range(2)]
    assert answers[0] != answers[1]


async def test_the_same_key_with_another_body_is_refused(client, count_rows) -> None:
    headers = {"Idempotency-Key": "4f8c"}
    await client.post("/support/submit", json=submission(), headers=headers)
    other = await client.post("/support/submit", json=submission(subject="Something else"), headers=headers)
    problem = assert_problem(other, 422)
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert await count_rows("inbound_events") == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "caf\u00e9", "tab\tkey"])
async def test_a_key_that_cannot_be_compared_is_refused(client, key) -> None:
    headers = [(b"idempotency-key", key.encode())]
    response = await client.post("/support/submit", json=submission(), headers=headers)
    problem = assert_problem(response, 422)
    assert problem["errors"][0]["field"].lower() == "idempotency-key"


async def test_too_many_from_one_address_are_slowed_down(client_for, count_rows) -> None:
    client = client_for(submit_rate_per_minute=2)
    answers = [await client.post("/support/submit", json=submission()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert_problem(answers[2], 429)
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert await count_rows("inbound_events") == 2


async def test_the_ticket_page_shows_nothing_internal(client, pool) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin(status="escalated")
        turn_id = await story.turn(finished_at=None, outcome="handed_over")
        await story.wrote("Give me my money back.", turn_id=turn_id, sentiment=0.2, outcome_reason="rule:refund")
        notice = await story.replied("A colleague takes over.", turn_id, kind="handover_notice", author="system")
        await story.cited(notice, "Refunds", "https://docs.example.com/refunds")
        await story.handed_over(turn_id, draft="Internal draft")
    response = await client.get(f"/support/ticket/{story.ticket_id}")
    ticket = response.json()
    assert set(ticket) == {
        "ticket_id", "subject", "status", "channel", "category", "priority",
        "created_at", "updated_at", "estimated_response_time", "messages",
    }  # fmt: skip
    assert [set(message) for message in ticket["messages"]] == [{"id", "author", "body", "created_at", "sources"}] * 2
    for internal in ("Internal draft", "refund_request", "rule:refund", "ada@example.com", "secret thought", "slug"):
        assert internal not in response.text
    assert ticket["messages"][1]["sources"] == [{"title": "Refunds", "url": "https://docs.example.com/refunds"}]
    assert ticket["estimated_response_time"] == "within four hours"
    assert ticket["created_at"].endswith("Z")
    assert response.headers["cache-control"] == "no-store"


async def test_unknown_and_malformed_tickets_answer_alike(client) -> None:
    ids = ["tkt_" + "a" * 22, "tkt_1", "1", "%00", "x" * 3000, "%E2%80%AE"]
    answers = [await client.get(f"/support/ticket/{ticket_id}") for ticket_id in ids]
    documents = [assert_problem(answer, 404, "not-found") for answer in answers]
    assert len({document["detail"] for document in documents}) == 1


async def test_a_form_without_javascript_leads_to_its_ticket_page(client) -> None:
    answer = await client.post("/support/submit", data=submission(idempotency_key="once"))
    again = await client.post("/support/submit", data=submission(idempotency_key="once"))
    assert answer.status_code == 303
    assert again.headers["location"] == answer.headers["location"]
    page = await client.get(answer.headers["location"], headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "Exports stop at row 10,000" in page.text
    assert 'http-equiv="refresh"' in page.text
    assert "Accept" in page.headers["vary"]


async def test_the_plain_form_keeps_what_was_typed_and_says_what_is_wrong(client) -> None:
    answer = await client.post("/support/submit", data=submission(email="ada", message='<script>alert("x")</script>'))
    assert answer.status_code == 422
    assert 'aria-describedby="email-wrong"' in answer.text
    assert "Enter an email address" in answer.text
    assert "&lt;script&gt;alert(&quot;x&quot;)" in answer.text
    assert "<script>" not in answer.text
    assert 'value="Exports stop at row 10,000"' in answer.text
    assert re.search(r'name="idempotency_key" value="[0-9a-f]{32}"', answer.text)


async def test_the_plain_form_keeps_what_was_typed_when_the_database_is_away(client, pool) -> None:
    await pool.close()
    answer = await client.post("/support/submit", data=submission())
    assert answer.status_code == 503
    assert submission()["message"] in answer.text
    assert "retry-after" in answer.headers


async def test_what_a_customer_wrote_is_escaped_on_the_ticket_page(client) -> None:
    evil = '</p><script>alert(1)</script><img src=x onerror="alert(2)">'
    answer = await client.post("/support/submit", data=submission(message=evil, subject=evil))
    page = await client.get(answer.headers["location"], headers={"Accept": "text/html"})
    assert "<script>" not in page.text
    assert "<img" not in page.text


async def test_an_unknown_ticket_is_a_page_for_a_browser(client) -> None:
    page = await client.get("/support/ticket/tkt_1", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "There is no such ticket" in page.text


async def test_a_marked_text_is_in_no_log(client, logs, capfd) -> None:
    mark = "zq7marker"
    body = submission(name=mark, subject=f"{mark} subject", message=f"{mark} message", email=f"{mark}@example.com")
    headers = {"Idempotency-Key": "k", "User-Agent": mark}
    ticket_id = (await client.post("/support/submit", json=body, headers=headers)).json()["ticket_id"]
    await client.post("/support/submit", json=body | {"subject": f"{mark} other"}, headers=headers)
    await client.post("/support/submit", json=body | {"email": mark}, headers=headers)
    await client.post("/support/submit", data=body | {"email": mark})
    await client.get(f"/support/ticket/{ticket_id}")
    await client.get(f"/support/ticket/{mark}")
    await client.get(f"/customers/lookup?email={mark}@example.com")
    assert len(logs) > 6
    written = str(logs) + "".join(capfd.readouterr())
    assert mark not in written
    assert ticket_id not in written
    assert {entry["route"] for entry in logs if entry["event"] == "request.finished"} >= {
        "/support/submit",
        "/support/ticket/{ticket_id}",
        "/customers/lookup",
    }
