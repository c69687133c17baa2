from __future__ import annotations

import pytest

from crm.pool import transaction
from tests.api.conftest import assert_problem
from tests.crm.story import Story


@pytest.fixture
async def headers(key_for) -> dict[str, str]:
    return await key_for("customers:read", "conversations:read")


@pytest.fixture
async def story(pool) -> Story:
    async with transaction(pool) as conn:
        story = await Story(conn, "whatsapp").begin()
        await story.identify("phone", "+491701234567", "verified")
        await story.identify("email", "ada@example.com", "confirmed")
        turn_id = await story.turn()
        await story.wrote("Why?", turn_id=turn_id, outcome="answered", outcome_reason="grounded")
        reply = await story.replied("Because.", turn_id)
        await story.cited(reply, "Limits", None)
    return story


@pytest.mark.parametrize(
    "params",
    [{"email": "Ada@Example.com"}, {"phone": "+491701234567"}, {"phone": " 49170 123-4567"}],
)
async def test_a_customer_is_found_by_email_or_phone(client, headers, story, params) -> None:
    response = await client.get("/customers/lookup", params=params, headers=headers)
    [customer] = response.json()["customers"]
    assert (customer["id"], customer["name"]) == (str(story.customer_id), "Ada Osei")
    assert customer["evidence"] in ("verified", "confirmed")
    assert [c["ticket_id"] for c in customer["conversations"]] == [story.ticket_id]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("email=ada@example.com&phone=%2B491701234567", 422),
        ("email=", 422),
        ("email=%00%00%00", 422),
        ("email=" + "x" * 300, 422),
        ("phone=12", 422),
        ("phone=\u0661\u0662\u0663\u0664\u0665\u0666\u0667", 422),
        ("email=nobody@example.com", 404),
    ],
)
async def test_a_question_without_an_answer_is_a_problem(client, headers, story, query, status) -> None:
    problem = assert_problem(await client.get(f"/customers/lookup?{query}", headers=headers), status)
    assert "nobody" not in str(problem)


async def test_the_query_is_in_no_log(client, headers, logs, capfd) -> None:
    await client.get("/customers/lookup?email=zq7marker@example.com", headers=headers)
    await client.get("/customers/lookup?phone=%2B4917012345678", headers=headers)
    written = str(logs) + "".join(capfd.readouterr())
    assert "/customers/lookup" in written
    assert "zq7marker" not in written
    assert "17012345678" not in written


async def test_a_conversation_is_read_with_its_tickets_and_messages(client, headers, story) -> None:
    view = (await client.get(f"/conversations/{story.conversation_id}", headers=headers)).json()
    assert (view["channel"], view["customer_name"], view["next_before"]) == ("whatsapp", "Ada Osei", None)
    assert [ticket["ticket_id"] for ticket in view["tickets"]] == [story.ticket_id]
    assert [(m["author"], m["body"], m["outcome_reason"]) for m in view["messages"]] == [
        ("customer", "Why?", "grounded"),
        ("assistant", "Because.", None),
    ]
    assert view["messages"][1]["sources"] == [{"title": "Limits", "url": None}]
    assert [turn["turn_id"] for turn in view["turns"]] == [message["turn_id"] for message in view["messages"][:1]]
    assert view["tickets"][0]["cost"] == {
        "model_calls": 0,
        "input_tokens": 0,
        "cached_tokens": 0,
        "output_tokens": 0,
        "reasoning_tokens": 0,
        "cost_usd_micros": 0,
        "unpriced_calls": 0,
    }


async def test_a_long_conversation_is_read_in_pages(client, headers, story) -> None:
    url = f"/conversations/{story.conversation_id}"
    newest = (await client.get(f"{url}?limit=1", headers=headers)).json()
    older = (await client.get(f"{url}?limit=1&before={newest['next_before']}", headers=headers)).json()
    assert [m["body"] for m in newest["messages"] + older["messages"]] == ["Because.", "Why?"]
    assert older["next_before"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "before=0", "before=99999999999999999999", "limit=x"])
async def test_a_page_that_cannot_be_is_refused(client, headers, story, query) -> None:
    assert_problem(await client.get(f"/conversations/{story.conversation_id}?{query}", headers=headers), 422)
