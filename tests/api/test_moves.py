from __future__ import annotations

import pytest

from crm.merges import merge_customers
from crm.pool import transaction
from tests.api.conftest import assert_problem
from tests.crm.story import Story


@pytest.fixture
async def headers(key_for) -> dict[str, str]:
    return await key_for("customers:read", "conversations:read", "reviews:write")


@pytest.fixture
async def story(pool) -> Story:
    async with transaction(pool) as conn:
        story = await Story(conn, "whatsapp").begin(status="escalated")
        await story.identify("phone", "+491701234567", "verified")
        await story.handed_over(await story.turn(finished_at=None, outcome="handed_over"), draft="Hi! Short.")
    return story


async def _move(client, headers, story, channel):
    return await client.post(f"/conversations/{story.conversation_id}/move", json={"channel": channel}, headers=headers)


async def _prove_mail(pool, story, evidence="verified") -> None:
    async with transaction(pool) as conn:
        story.conn = conn
        await story.identify("email", "ada@example.com", evidence)


async def test_a_conversation_moves_to_a_proved_address_and_back(client_for, pool, headers, story) -> None:
    client = client_for(mailbox="support@example.com")
    await _prove_mail(pool, story)
    moved = (await _move(client, headers, story, "email")).json()
    assert (moved["channel"], moved["reply_channel"]) == ("whatsapp", "email")
    view = (await client.get(f"/conversations/{story.conversation_id}", headers=headers)).json()
    assert view["reply_channel"] == "email"
    assert (await _move(client, headers, story, "whatsapp")).json()["reply_channel"] == "whatsapp"
    async with transaction(pool) as conn:
        acts = await (
            await conn.execute(
                "select actor, action, detail ->> 'channel' from audit_log where action <> 'key.created' order by id"
            )
        ).fetchall()
    assert acts == [("tester", "conversation.moved", "email"), ("tester", "conversation.moved", "whatsapp")]


@pytest.mark.parametrize("evidence", [None, "claimed"])
async def test_it_never_moves_to_an_address_that_is_not_proved(client_for, pool, headers, story, evidence) -> None:
    if evidence:
        await _prove_mail(pool, story, evidence)
    client = client_for(mailbox="support@example.com")
    assert "proved no address" in assert_problem(await _move(client, headers, story, "email"), 409)["detail"]


async def test_it_does_not_move_to_a_channel_that_is_not_configured(client, pool, headers, story) -> None:
    await _prove_mail(pool, story)
    assert "not configured" in assert_problem(await _move(client, headers, story, "email"), 409)["detail"]


async def test_a_draft_held_for_the_old_channel_is_kept_to_read_and_not_to_send(
    client_for, pool, headers, story
) -> None:
    await _prove_mail(pool, story)
    await _move(client_for(mailbox="support@example.com"), headers, story, "email")
    async with transaction(pool) as conn:
        [(draft, summary, version, channel)] = await (
            await conn.execute("select draft, summary, version, channel from reviews")
        ).fetchall()
    assert (draft, version, channel) == (None, 2, "email")
    assert "Hi! Short." in summary


async def test_moving_wants_the_reviewers_scope(client, key_for, story) -> None:
    headers = await key_for("conversations:read", "customers:read")
    assert_problem(await _move(client, headers, story, "web_form"), 403, "missing-scope")


async def test_a_merged_customer_is_found_as_the_survivor_by_either_address(client, pool, headers, story) -> None:
    async with transaction(pool) as conn:
        other = await Story(conn, "email").begin(name="A. Osei")
        await other.identify("email", "ada@example.com", "verified")
        await other.identify("email", "ada@example.com", "claimed")
        await merge_customers(conn, story.customer_id, other.customer_id, reason="one person", by="me")
    by_mail = (await client.get("/customers/lookup?email=ada@example.com", headers=headers)).json()["customers"]
    by_phone = (await client.get("/customers/lookup?phone=%2B491701234567", headers=headers)).json()["customers"]
    assert by_mail == by_phone
    [customer] = by_mail
    assert (customer["id"], customer["evidence"], len(customer["conversations"])) == (
        str(story.customer_id),
        "verified",
        2,
    )
