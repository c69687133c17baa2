from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from crm.pool import transaction
from tests.api.conftest import assert_problem
from tests.crm.story import Story


@pytest.fixture
async def review_id(pool) -> str:
    return await _open_review(pool)


@pytest.fixture
async def headers(key_for) -> dict[str, str]:
    return await key_for("reviews:read", "reviews:write", name="Grace")


async def _open_review(pool, **changes) -> str:
    async with transaction(pool) as conn:
        story = await Story(conn).begin(status="escalated")
        turn_id = await story.turn(finished_at=None, outcome="handed_over")
        await story.wrote("My money back!", turn_id=turn_id)
        return str(await story.handed_over(turn_id, **changes))


async def test_what_waits_is_listed_with_what_the_person_needs(client, review_id, headers) -> None:
    [review] = (await client.get("/reviews", headers=headers)).json()["reviews"]
    assert review["id"] == review_id
    assert (review["reason"], review["evidence"], review["draft"]) == ("refund_request", "money back", "A draft.")
    assert (review["customer_text"], review["status"], review["version"]) == ("My money back!", "open", 1)
    assert (await client.get(f"/reviews/{review_id}", headers=headers)).json() == review
    assert (await client.get("/reviews?status=decided", headers=headers)).json() == {"reviews": []}


async def test_a_decision_is_stored_with_its_event_and_the_name_of_the_key(client, review_id, headers, pool) -> None:
    body = {"decision": "edit", "version": 1, "text": " Dear Ada,\x00 here you are. ", "note": "Polite."}
    response = await client.post(f"/reviews/{review_id}/decision", json=body, headers=headers)
    assert response.status_code == 202
    review = response.json()
    assert (review["status"], review["decided_by"], review["version"]) == ("decided", "Grace", 2)
    assert review["decision_text"] == "Dear Ada, here you are."
    async with transaction(pool) as conn:
        row = await (await conn.execute("select type, payload from outbox")).fetchone()
    assert row == ("review.decided", {"review_id": review_id})


async def test_of_two_reviewers_at_once_one_wins(client, review_id, headers, count_rows) -> None:
    body = {"decision": "approve", "version": 1}
    url = f"/reviews/{review_id}/decision"
    answers = await asyncio.gather(*(client.post(url, json=body, headers=headers) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert await count_rows("outbox") == 1


async def test_a_stale_version_is_a_conflict(client, review_id, headers) -> None:
    body = {"decision": "approve", "version": 7}
    response = await client.post(f"/reviews/{review_id}/decision", json=body, headers=headers)
    assert_problem(response, 409, "conflict")


async def test_without_a_draft_there_is_nothing_to_approve(client, pool, headers) -> None:
    review_id = await _open_review(pool, draft=None)
    body = {"decision": "approve", "version": 1}
    response = await client.post(f"/reviews/{review_id}/decision", json=body, headers=headers)
    assert "draft" in assert_problem(response, 409)["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision": "edit", "version": 1}, "text"),
        ({"decision": "respond", "version": 1, "text": " \x00 "}, "text"),
        ({"decision": "reject", "version": 1}, "note"),
        ({"decision": "delete", "version": 1}, "decision"),
        ({"decision": "approve"}, "version"),
        ({"decision": "approve", "version": 0}, "version"),
        ({"decision": "approve", "version": 10**30}, "version"),
        ({"decision": "approve", "version": 1, "txt": "x"}, "txt"),
        ({"decision": "respond", "version": 1, "text": "x" * 10_001}, "text"),
    ],
)
async def test_an_incomplete_decision_is_refused(client, review_id, headers, count_rows, body, field) -> None:
    response = await client.post(f"/reviews/{review_id}/decision", json=body, headers=headers)
    assert [error["field"] for error in assert_problem(response, 422)["errors"]] == [field]
    assert await count_rows("outbox") == 0


async def test_an_unknown_review_is_not_found(client, headers) -> None:
    assert_problem(await client.get(f"/reviews/{uuid4()}", headers=headers), 404)
    body = {"decision": "reject", "version": 1, "note": "No."}
    assert_problem(await client.post(f"/reviews/{uuid4()}/decision", json=body, headers=headers), 404)
    assert_problem(await client.get("/reviews/1", headers=headers), 422)


@pytest.mark.parametrize("raw", [b"{", b"[" * 40_000, b'{"version": NaN}', b"\xff"])
async def test_a_decision_that_cannot_be_read_is_a_problem(client, review_id, headers, raw) -> None:
    json_headers = {**headers, "Content-Type": "application/json"}
    response = await client.post(f"/reviews/{review_id}/decision", content=raw, headers=json_headers)
    assert response.status_code in (400, 422)
    assert_problem(response, response.status_code)


async def test_what_the_reviewer_wrote_is_in_no_log(client, review_id, headers, logs) -> None:
    body = {"decision": "respond", "version": 1, "text": "zq7marker", "note": "zq7marker"}
    await client.post(f"/reviews/{review_id}/decision", json=body, headers=headers)
    assert any(entry["event"] == "review.decided" for entry in logs)
    assert "zq7marker" not in str(logs)
