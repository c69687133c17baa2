"""What may belong to a conversation, what hung on its messages and how a copy fared: for whoever may read it."""

from __future__ import annotations

import asyncio

from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from cli.main import build_app
from crm.pool import transaction
from tests.crm.story import Story

FILE = {"name": "photo.pdf.exe", "content_type": "application/pdf", "bytes": 9, "inline": False, "dangerous": True}


async def test_reviewers_see_the_related_conversation_in_the_api_and_in_the_terminal(
    client, pool, db, key_for, monkeypatch
) -> None:
    async with transaction(pool) as conn:
        first = await Story(conn, "email").begin()
        other = await Story(conn, "email").begin(status="escalated")
        related = {"first": first.conversation_id, "other": other.conversation_id}
        await conn.execute("update conversations set related_to = %(first)s where id = %(other)s", related)
        turn = await other.turn(finished_at=None, outcome="handed_over")
        await other.wrote("My money back!", turn_id=turn, attachments=Jsonb([FILE]))
        review = await other.handed_over(turn)
    headers = await key_for("reviews:read", "conversations:read")
    view = (await client.get(f"/conversations/{other.conversation_id}", headers=headers)).json()
    assert view["related_to"] == str(first.conversation_id)
    [file] = view["messages"][0]["attachments"]
    assert (file["name"], file["bytes"], file["dangerous"], file["within_limits"]) == ("photo.pdf.exe", 9, True, True)
    assert (await client.get(f"/reviews/{review}", headers=headers)).json()["related_to"] == view["related_to"]
    monkeypatch.setenv("DATABASE_URL", db)
    shown = await asyncio.to_thread(CliRunner().invoke, build_app(), ["reviews", "show", str(review)])
    assert f"Possibly related: conversation {first.conversation_id}" in shown.stdout


async def test_a_reply_with_a_copy_is_one_message_with_two_statuses(client, pool, key_for) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        reply = await story.replied("Here you are.", await story.turn())
        copy = "insert into deliveries (message_id, channel, recipient, status) values (%s, 'email', 'x', 'queued')"
        await conn.execute(copy, [reply])
        await conn.execute("update tickets set status = 'resolved', sentiment = 0.5, resolved_at = now()")
    headers = await key_for("conversations:read")
    view = (await client.get(f"/conversations/{story.conversation_id}", headers=headers)).json()
    assert [(m["delivery_status"], m["copy_status"]) for m in view["messages"]] == [("delivered", "queued")]
    page = (await client.get(f"/support/ticket/{story.ticket_id}")).json()
    assert (page["status"], len(page["messages"])) == ("resolved", 1)
