"""Everything the product keeps about a customer: told in one document, or erased.

`TABLES` is the whole list. What customers write is in no other table: documents alone are embedded, and a test looks into
every column of the database after an erase. A new table with customer data is one more line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from core.errors import NotFound
from crm.audit import record_act
from crm.merges import find_living, hold_joining, list_tree, lock_tree

GONE: Final = "[erased]"


@dataclass(frozen=True, slots=True)
class Table:
    """Which rows of a table are about a customer, and what becomes of them; without `erase` they are deleted.

    `where` and `erase` may use, as arrays of text: customers, conversations, tickets, turns, messages, reviews, events,
    addresses; keys (of events on the bus), named (ids in payloads), objects (of the audit log); and spoken (a pattern
    that finds an address in bytes), gone, by.
    """

    name: LiteralString
    where: LiteralString
    erase: LiteralString | None = None
    exported: bool = True


_CONVERSATION: Final = "conversation_id = any(%(conversations)s::uuid[])"
_MESSAGE: Final = "message_id = any(%(messages)s::uuid[])"
_THREAD: Final = "thread_id = any(%(turns)s)"

# In this order: what refers comes before what it refers to. Rows that count (the ledger, the metrics) stay, empty.
TABLES: Final[tuple[Table, ...]] = (
    Table("checkpoint_writes", _THREAD, exported=False),
    Table("checkpoint_blobs", _THREAD, exported=False),
    Table("checkpoints", _THREAD, exported=False),
    Table("reply_sources", _MESSAGE, "sentence = %(gone)s"),
    Table("reply_sentences", _MESSAGE, "sentence = %(gone)s, rules = ''"),
    Table(
        "provider_reports",
        f"delivery_id in (select id from deliveries where {_MESSAGE})",
        "error = case when error is null then null else %(gone)s end",
    ),
    Table("recipient_slots", "recipient = any(%(addresses)s)", exported=False),
    Table("consents", "address = any(%(addresses)s)"),
    Table(
        "deliveries",
        _MESSAGE,
        """recipient = '', subject = null, parts = null, progress = '{}', lease_until = null,
           last_error = case when last_error is null then null else %(gone)s end,
           status = case when status in ('queued', 'sending') then 'failed' else status end""",
    ),
    Table(
        "reviews",
        _CONVERSATION,
        """evidence = %(gone)s, counterfactual = %(gone)s, summary = %(gone)s, draft = null, decision_text = null,
           decision_note = null, version = version + (status = 'open')::integer, decision = coalesce(decision, 'reject'),
           decided_by = coalesce(decided_by, %(by)s), decided_at = coalesce(decided_at, now()), status = 'done'""",
    ),
    Table(
        "messages",
        _CONVERSATION,
        """subject = null, body = %(gone)s, full_body = null, attachments = '[]', headers = '{}', provider_message_id = null,
           parts = case when parts is null then null else '[]'::jsonb end,
           outcome_reason = case when direction = 'inbound' and outcome is null then 'erased' else outcome_reason end,
           outcome = case when direction = 'inbound' then coalesce(outcome, 'silent') else outcome end""",
    ),
    Table(
        "turns",
        _CONVERSATION,
        """state = '{}', reason = case when status = 'done' then reason else 'erased' end, outcome = coalesce(outcome, 'silent'),
           status = 'done', finished_at = coalesce(finished_at, now())""",
    ),
    Table("tickets", _CONVERSATION, "subject = null, status = 'closed', resolved_at = coalesce(resolved_at, now())"),
    Table(
        "conversations",
        "id = any(%(conversations)s::uuid[])",
        "subject = null, thread = '{}', thread_key = null, reply_channel = null, reply_recipient = null",
    ),
    Table(
        "inbound_events",
        "id = any(%(events)s::uuid[])",
        """body = '{}', body_hash = '', raw = null, status = case when status = 'accepted' then 'dead' else status end,
           processed_at = coalesce(processed_at, now())""",
    ),
    Table(
        "outbox",
        "key = any(%(keys)s) or payload ->> 'inbound_event_id' = any(%(events)s)",
        exported=False,
    ),
    Table(
        "dead_letters",
        """key = any(%(keys)s) or event_id = any(%(events)s::uuid[])
           or encode(raw, 'escape') ~* %(spoken)s
           or exists (select from regexp_matches(encode(raw, 'escape'), '[0-9a-f]{8}-[0-9a-f-]{27}', 'g') as found (id)
                      where found.id[1] = any(%(named)s))""",
        """raw = '', key = null, error = %(gone)s, status = case when status = 'open' then 'dropped' else status end,
           resolved_at = coalesce(resolved_at, now()), resolved_by = coalesce(resolved_by, %(by)s)""",
    ),
    Table("merge_suggestions", "one_id = any(%(customers)s::uuid[]) or other_id = any(%(customers)s::uuid[])"),
    Table("customer_match_keys", "customer_id = any(%(customers)s::uuid[])", exported=False),
    Table(
        "customer_merges",
        "survivor_id = any(%(customers)s::uuid[]) or merged_id = any(%(customers)s::uuid[])",
        "reason = %(gone)s",
    ),
    Table("customer_identifiers", "customer_id = any(%(customers)s::uuid[])"),
    # What people noted about it goes, the fact stays.
    Table("audit_log", "object = any(%(objects)s)", "detail = detail - 'note'"),
    Table("customers", "id = any(%(customers)s::uuid[])", "name = null, erased_at = coalesce(erased_at, now())"),
)

_SCOPE: Final[tuple[tuple[str, LiteralString], ...]] = (
    ("conversations", "select id::text from conversations where customer_id = any(%(customers)s::uuid[])"),
    ("tickets", f"select id from tickets where {_CONVERSATION}"),
    ("turns", f"select id::text from turns where {_CONVERSATION}"),
    ("messages", f"select id::text from messages where {_CONVERSATION}"),
    ("reviews", f"select id::text from reviews where {_CONVERSATION}"),
    ("addresses", "select value from customer_identifiers where customer_id = any(%(customers)s::uuid[])"),
    (
        "events",
        f"""select inbound_event_id::text from messages where {_CONVERSATION} and inbound_event_id is not null
            union select id::text from inbound_events where ticket_id = any(%(tickets)s)
               or lower(body ->> 'email') = any(%(addresses)s)
               or replace(body ->> 'From', 'whatsapp:', '') = any(%(addresses)s)
               or replace(body ->> 'To', 'whatsapp:', '') = any(%(addresses)s)
               or body ->> 'ExternalUserId' = any(%(addresses)s)""",
    ),
)
# The whole of a busy database is looked through.
_PATIENCE = "set local statement_timeout = '10min'"


async def export_customer(conn: AsyncConnection, customer_id: UUID, *, by: str) -> dict[str, Any]:
    """Every row about a customer and whoever was merged into them, by table. Raises NotFound."""
    scope = await _scope_of(conn, await _require_customer(conn, customer_id), by=by)
    await record_act(conn, by, "customer.exported", scope["customers"][0])
    document: dict[str, Any] = {"customer_id": scope["customers"][0]}
    for table in TABLES:
        if table.exported:
            document[table.name] = await _column(
                conn, f"select to_jsonb(t) from {table.name} t where {table.where}", scope
            )
    return document


async def erase_customer(conn: AsyncConnection, customer_id: UUID, *, by: str) -> dict[str, int]:
    """Erase a customer and whoever was merged into them; rows reached, by table. Erasing again changes nothing.

    Work in hand for them ends here: turns and reviews are closed, what is unsent stays unsent. Raises NotFound.
    """
    await hold_joining(conn)
    await lock_tree(conn, await _require_customer(conn, customer_id))
    scope = await _scope_of(conn, await _require_customer(conn, customer_id), by=by)
    await record_act(conn, by, "customer.erased", scope["customers"][0])
    reached = {}
    for table in TABLES:
        if table.erase is None:
            done = await conn.execute(f"delete from {table.name} where {table.where}", scope)
        else:
            done = await conn.execute(f"update {table.name} set {table.erase} where {table.where}", scope)
        reached[table.name] = done.rowcount
    return reached


async def _require_customer(conn: AsyncConnection, customer_id: UUID) -> UUID:
    living = await find_living(conn, customer_id)
    if living is None:
        raise NotFound(f"There is no customer {customer_id}", customer_id=customer_id)
    return living


async def _scope_of(conn: AsyncConnection, living: UUID, *, by: str) -> dict[str, Any]:
    """The ids by which a customer's rows are found, the living customer first."""
    await conn.execute(_PATIENCE)
    scope: dict[str, Any] = {"customers": [str(one) for one in await list_tree(conn, living)], "gone": GONE, "by": by}
    for name, query in _SCOPE:
        scope[name] = await _column(conn, query, scope)
    conversations = scope["conversations"]
    return {
        **scope,
        "keys": [*conversations, *scope["tickets"]],
        "named": [*conversations, *scope["events"]],
        "objects": [*scope["customers"], *conversations, *scope["reviews"]],
        "spoken": _spoken(scope),
    }


def _spoken(scope: dict[str, Any]) -> str:
    """A pattern for any of the addresses as a word of its own: +49170123 is not found in +491701234."""
    if not scope["addresses"]:
        return "(?!)"
    choices = "|".join(re.sub(r"([^A-Za-z0-9])", r"\\\1", address) for address in scope["addresses"])
    return rf"(^|[^A-Za-z0-9._+-])({choices})($|[^A-Za-z0-9_-])"


async def _column(conn: AsyncConnection, query: LiteralString, values: dict[str, Any]) -> Sequence[Any]:
    return [row[0] for row in await (await conn.execute(query, values)).fetchall()]
