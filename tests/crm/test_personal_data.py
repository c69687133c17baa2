"""Erase reaches everything. Which columns there are is asked of the database, so a new table cannot be forgotten."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from core.errors import Conflict, NotFound
from core.models import Sender
from crm.customers import recognise_customer
from crm.ledger import read_ledger
from crm.merges import merge_customers, unmerge
from crm.personal_data import erase_customer, export_customer
from crm.pool import Pool, transaction
from tests.crm.inbox import write
from tests.crm.story import Story

MARK = "zqmarker"
MAIL = Sender("email", f"{MARK}.ada@example.org", "verified", f"{MARK} Ada")
PHONE = Sender("phone", "+491701234567", "verified", f"{MARK} A.")
CONSENT = {"channel": "email", "word": "stop", "source": "customer", "reference": "x", "said_at": "now"}

# Tables in which no customer is ever named: documents, keys, cursors, figures, the schema's own.
NOT_ABOUT_CUSTOMERS = {
    "knowledge_versions", "knowledge_articles", "knowledge_chunks", "knowledge_phrasings", "knowledge_lexemes",
    "api_keys", "agent_metrics", "channel_configs", "mailboxes", "provider_cursors", "model_calls",
    "schema_migrations", "checkpoint_migrations",
}  # fmt: skip
# Columns of the other tables that hold ids, names of things of ours, or the names of colleagues. A column that is not
# here and has no fixed set of values is marked before the erase and looked into after it.
NOT_PERSONAL = {
    "audit_log": {"actor", "action", "object"},
    "checkpoint_blobs": {"thread_id", "checkpoint_ns", "channel", "version", "type"},
    "checkpoint_writes": {"thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "channel", "type", "task_path"},
    "checkpoints": {"thread_id", "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "type"},
    "customer_merges": {"merged_by", "undone_by"},
    "dead_letters": {"topic", "key", "type", "error_class", "resolved_by"},
    "deliveries": {"provider_message_id"},
    "provider_reports": {"provider_message_id", "error_code"},
    "reply_sentences": {"judged_by"},
    "inbound_events": {"source_key", "ticket_id"},  # the provider's id, by which a redelivery is known
    "merge_suggestions": {"decided_by"},
    "messages": {"ticket_id", "automatic", "outcome_reason"},
    "outbox": {"topic", "type", "trace", "key"},
    "reply_sources": {"passage_hash", "slug", "title", "url"},
    "reviews": {"ticket_id", "reason", "rule", "decided_by"},
    "tickets": {"id", "escalation_reason"},
    "turns": {"ticket_id", "reason", "graph_version", "intent"},
}
# Columns by which rows are found from an address: the story writes them with the mark in the address itself.
ADDRESSES = {"customer_identifiers.value", "consents.address", "recipient_slots.recipient"}
_COLUMNS = """
select c.table_name, c.column_name, c.udt_name from information_schema.columns c
join information_schema.tables t using (table_schema, table_name)
where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
  and c.udt_name in ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'bytea', '_text', '_varchar')
  and not exists (select from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
                  where k.contype = 'c' and k.conrelid = c.table_name::regclass and a.attname = c.column_name
                    and cardinality(k.conkey) = 1 and pg_get_constraintdef(k.oid) like '%%= ANY (ARRAY[%%')
order by 1, 2
"""
_VALUE = {"json": "jsonb_build_object('x', %(m)s::text)::json", "jsonb": "jsonb_build_object('note', %(m)s::text)",
          "bytea": "convert_to(%(m)s::text, 'UTF8')", "_text": "array[%(m)s::text]", "_varchar": "array[%(m)s::text]"}  # fmt: skip


async def _personal_columns(conn: Any) -> list[tuple[str, str, str]]:
    rows = await (await conn.execute(_COLUMNS)).fetchall()
    return [
        (table, column, type_)
        for table, column, type_ in rows
        if table not in NOT_ABOUT_CUSTOMERS and column not in NOT_PERSONAL.get(table, set())
    ]


async def _plant(conn: Any) -> list[str]:
    """Put a mark into every column that may hold personal data; the columns that had no row to put it into."""
    bare = []
    for table, column, type_ in await _personal_columns(conn):
        if f"{table}.{column}" in ADDRESSES:
            continue
        value = sql.SQL(_VALUE.get(type_, "%(m)s::text || ctid::text"))  # pyright: ignore[reportArgumentType]
        statement = sql.SQL("update {} set {} = {} where true").format(
            sql.Identifier(table), sql.Identifier(column), value
        )
        if (await conn.execute(statement, {"m": MARK})).rowcount == 0:
            bare.append(f"{table}.{column}")
    return bare


async def _leftovers(conn: Any) -> list[str]:
    """Every column of every table, whatever is said above, in which the mark stands."""
    rows = await (await conn.execute(_COLUMNS)).fetchall()
    found = []
    for table, column, type_ in rows:
        text = "encode({}, 'escape')" if type_ == "bytea" else "{}::text"
        query = sql.SQL("select 1 from {} where " + text + " like %s limit 1").format(  # pyright: ignore[reportArgumentType]
            sql.Identifier(table), sql.Identifier(column)
        )
        if await (await conn.execute(query, [f"%{MARK}%"])).fetchone():
            found.append(f"{table}.{column}")
    return found


async def _whole_story(conn: Any) -> tuple[UUID, UUID]:
    """A customer with a row in every table, answered, handed over, merged, failed and queued; and one who looks alike."""
    story = await Story(conn, "whatsapp").begin(status="escalated")
    await story.identify("phone", "+491701234567", "verified")
    answered, waiting = await story.turn(), await story.turn(finished_at=None, outcome="handed_over")
    await story.wrote("Why?", turn_id=answered, outcome="answered", outcome_reason="how_to")
    reply = await story.replied("Because.", answered, delivery="queued")
    await story.cited(reply, "Limits", None)
    await story.wrote("My money back!", turn_id=waiting)
    await story.handed_over(waiting)
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        await _checkpoint(conn, table, waiting)
    key = str(story.conversation_id)
    await story._insert("outbox", {"event_id": uuid4(), "topic": "t", "key": key, "type": "x", "payload": "{}"})
    letter = {"topic": "t", "key": key, "raw": b"", "error_class": "E", "error": "", "attempts": 1}
    await story._insert("dead_letters", letter)
    await story._insert("consents", {**CONSENT, "address": MAIL.value})
    await story._insert("recipient_slots", {"channel": "email", "recipient": MAIL.value, "free_at": "now"})
    delivery = await (await conn.execute("select id from deliveries where message_id = %s", [reply])).fetchone()
    report = {"channel": "whatsapp", "provider_message_id": "SM1", "delivery_id": delivery[0], "status": "failed"}
    await story._insert("provider_reports", {**report, "error": "blocked"})
    sentence = {
        "message_id": reply,
        "sentence_no": 0,
        "sentence": "Because.",
        "kind": "courtesy",
        "score": 1,
        "rules": "ok",
    }
    await story._insert("reply_sentences", sentence)
    await story._insert("customer_match_keys", {"customer_id": story.customer_id, "key": "name:a"})
    await conn.execute("update conversations set reply_channel = 'email', reply_recipient = 'x'")
    mail = await recognise_customer(conn, MAIL)
    alike = await recognise_customer(conn, Sender("email", MAIL.value, "claimed", MAIL.name))
    await merge_customers(conn, story.customer_id, mail, reason="one person", by="me")
    assert await (await conn.execute("select from merge_suggestions where status = 'open'")).fetchall()
    return story.customer_id, alike


async def _checkpoint(conn: Any, table: str, turn_id: UUID) -> None:
    columns = await (
        await conn.execute(
            "select column_name, udt_name from information_schema.columns where table_name = %s and is_nullable = 'NO'",
            [table],
        )
    ).fetchall()
    plain: dict[str, Any] = {"text": "x", "int4": 0, "jsonb": "{}", "bytea": b""}
    values = {name: plain[type_] for name, type_ in columns} | {"thread_id": str(turn_id)}
    if table == "checkpoint_blobs":
        values["blob"] = b"x"
    names = ", ".join(values)
    await conn.execute(f"insert into {table} ({names}) values ({', '.join(f'%({name})s' for name in values)})", values)


async def test_after_an_erase_no_column_of_the_database_holds_what_was_planted(pool: Pool) -> None:
    """Fails for a new table or column too: give it a line in TABLES and a row in the story, or say why it needs none."""
    async with transaction(pool) as conn:
        customer, alike = await _whole_story(conn)
        assert await _plant(conn) == []
        assert await _leftovers(conn) == [f"{table}.{column}" for table, column, _ in await _personal_columns(conn)]
        before = await read_ledger(conn)
        reached = await erase_customer(conn, customer, by="grace")
        await erase_customer(conn, alike, by="grace")
        assert await _leftovers(conn) == []
        after = await read_ledger(conn)
        acts = await (await conn.execute("select actor, action from audit_log order by id desc limit 1")).fetchall()
    assert 0 not in reached.values()
    assert after.balanced
    assert (after.accepted, after.answered) == (before.accepted, before.answered)
    assert (after.in_progress, after.undelivered, after.unpublished, after.dead_letters_open) == (0, 0, 0, 0)
    assert acts == [("grace", "customer.erased")]


async def test_a_table_that_nobody_thought_of_is_noticed(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await conn.execute("create table notes (customer_id uuid, body text)")
        customer, alike = await _whole_story(conn)
        assert await _plant(conn) == ["notes.body"]
        await conn.execute("insert into notes (customer_id) values (%s)", [customer])
        assert await _plant(conn) == []
        await erase_customer(conn, customer, by="grace")
        await erase_customer(conn, alike, by="grace")
        assert await _leftovers(conn) == ["notes.body"]


async def test_erasing_again_changes_nothing(pool: Pool) -> None:
    async with transaction(pool) as conn:
        customer, _ = await _whole_story(conn)
        await erase_customer(conn, customer, by="grace")
        once = await _picture(conn)
        await erase_customer(conn, customer, by="grace")
        assert await _picture(conn) == once


async def _picture(conn: Any) -> list[Any]:
    tables = ("customers", "conversations", "messages", "tickets", "turns", "reviews", "deliveries", "inbound_events")
    return [await (await conn.execute(f"select * from {table} order by 1")).fetchall() for table in tables]


@pytest.mark.parametrize(
    ("mine", "his"),
    [
        (PHONE, Sender("phone", "+4917012345678", "verified", "Kofi")),
        (MAIL, Sender("email", f"k.{MAIL.value}", "verified", "Kofi")),
    ],
    ids=["begins alike", "ends alike"],
)
async def test_others_are_left_alone_even_with_an_address_that_holds_mine(
    pool: Pool, mine: Sender, his: Sender
) -> None:
    async with transaction(pool) as conn:
        await write(conn, mine, "mine")
        await write(conn, his, "his")
        for address in (mine.value, his.value):
            raw = f'{{"From": "whatsapp:{address}"'.encode()
            await conn.execute(
                "insert into dead_letters (topic, raw, error_class, error, attempts) values ('t', %s, 'E', 'e', 1)",
                [raw],
            )
        other = await recognise_customer(conn, his)
        before = {**await export_customer(conn, other, by="me"), "audit_log": None}
        await erase_customer(conn, await recognise_customer(conn, mine), by="me")
        assert {**await export_customer(conn, other, by="me"), "audit_log": None, "merge_suggestions": []} == before
        assert [row["status"] for row in before["dead_letters"]] == ["open"]


async def test_an_event_that_nobody_has_filed_yet_is_reached_and_ends(pool: Pool) -> None:
    body = {"From": f"whatsapp:{PHONE.value}", "Body": MARK}
    async with transaction(pool) as conn:
        customer = await recognise_customer(conn, PHONE)
        await Story(conn, "whatsapp")._insert(
            "inbound_events",
            {"id": uuid4(), "channel": "whatsapp", "kind": "message", "source_key": "SM1", "body_hash": "", "raw": MARK.encode(),
             "body": str(body).replace("'", '"')},
        )  # fmt: skip
        await erase_customer(conn, customer, by="me")
        assert await _leftovers(conn) == []
        assert await (await conn.execute("select status from inbound_events")).fetchall() == [("dead",)]


async def test_who_writes_again_after_an_erase_is_a_new_customer(pool: Pool) -> None:
    async with transaction(pool) as conn:
        erased = await recognise_customer(conn, MAIL)
        merge = await merge_customers(conn, await recognise_customer(conn, PHONE), erased, reason="x", by="me")
        await erase_customer(conn, erased, by="me")
        assert await recognise_customer(conn, MAIL) not in (erased, merge.survivor_id)
        with pytest.raises(Conflict, match="was erased"):
            await unmerge(conn, merge.id, by="me")
        with pytest.raises(Conflict, match="was erased"):
            await merge_customers(conn, await recognise_customer(conn, MAIL), merge.survivor_id, reason="x", by="me")


async def test_an_export_tells_everything_of_the_merged_customer_too(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await write(conn, MAIL, "by mail")
        await write(conn, PHONE, "by phone")
        mail, phone = await recognise_customer(conn, MAIL), await recognise_customer(conn, PHONE)
        await merge_customers(conn, phone, mail, reason="one person", by="me")
        document = await export_customer(conn, mail, by="grace")
    assert document["customer_id"] == str(phone)
    assert {m["body"] for m in document["messages"]} == {"by mail", "by phone"}
    assert {i["value"] for i in document["customer_identifiers"]} == {MAIL.value, PHONE.value}
    assert [len(document[t]) for t in ("customers", "conversations", "tickets", "inbound_events")] == [2, 2, 2, 2]
    assert document["audit_log"][-1]["action"] == "customer.exported"


async def test_nobody_is_erased_or_exported_by_mistake(pool: Pool) -> None:
    async with transaction(pool) as conn:
        for act in (erase_customer, export_customer):
            with pytest.raises(NotFound, match="There is no customer"):
                await act(conn, UUID(int=1), by="me")
