"""A scripted customer: writes, waits for what becomes of it, writes again; and the end state that the database then holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row, dict_row

from core.errors import SupportError
from core.ids import new_id, new_ticket_id
from core.vocabulary import Channel
from crm.inbound import accept_event
from crm.pool import Pool, transaction

_POLL_S: Final = 0.02
_DOMAIN: Final = "customers.invalid"
_SETTLED = """
select m.outcome, m.outcome_reason as reason, coalesce((select array_agg(o.body order by o.seq) from messages o
    where o.turn_id = m.turn_id and o.direction = 'outbound'), '{}') as replies
from messages m where m.inbound_event_id = %(event_id)s and m.outcome is not null
    and not exists (select from turns t where t.id = m.turn_id and t.status = 'running')
"""
_DEAD = "select 1 from inbound_events where id = %(event_id)s and status = 'dead'"
_END = """
with ours as (select distinct conversation_id as id from messages where inbound_event_id = any(%(events)s)),
said as (select m.* from messages m join ours on ours.id = m.conversation_id where m.direction = 'outbound')
select (select count(*) from tickets k join ours on ours.id = k.conversation_id) as tickets,
       (select k.status from tickets k join ours on ours.id = k.conversation_id order by k.created_at desc limit 1) as status,
       (select c.owner from conversations c join ours using (id) order by c.created_at desc limit 1) as owner,
       (select count(*) from reviews r join ours on ours.id = r.conversation_id where r.status = 'open') as open_reviews,
       (select count(*) from said where kind = 'reply') as replies,
       (select count(*) from said where kind = 'handover_notice') as notices,
       (select count(*) from (select from said group by turn_id having count(*) > 1) twice) as doubled
"""


class OurFailure(SupportError):
    """The product failed technically, so what it would have said was not seen."""


@dataclass(frozen=True, slots=True)
class Scripted:
    """Who writes what; every instance is a customer of its own, whom nobody knows."""

    channel: Channel
    name: str
    subject: str | None
    says: tuple[str, ...]
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """What became of a message, and what the customer read."""

    outcome: str
    reason: str | None
    replies: list[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """`doubled` counts turns with more than one message to the customer."""

    turns: tuple[TurnEnd, ...]
    facts: Mapping[str, Any]
    doubled: int


async def play(pool: Pool, script: Scripted, our_address: str) -> Ended:
    """Say everything in order, each after the last was settled. The workers must be at work. Raises OurFailure."""
    events: list[UUID] = []
    ends: list[TurnEnd] = []
    for number, text in enumerate(script.says):
        events.append(await _write(pool, script, number, text, our_address))
        ends.append(await _settled(pool, events[-1]))
        if ends[-1].reason == "system_error":
            raise OurFailure(f"turn {number + 1} went to a person because of an error of ours")
    async with transaction(pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_END, {"events": events})
        facts = await cursor.fetchone()
    assert facts is not None
    return Ended(tuple(ends), facts, facts["doubled"])


async def _write(pool: Pool, script: Scripted, number: int, text: str, our_address: str) -> UUID:
    """As the edge accepts it."""
    source_key = f"{script.id}-{number}"
    body, raw = _EVENTS[script.channel](script, source_key, text, our_address)
    ticket_id = new_ticket_id() if script.channel == "web_form" else None
    async with transaction(pool) as conn:
        accepted = await accept_event(
            conn,
            channel=script.channel,
            kind="message",
            source_key=source_key,
            body=body,
            key=str(script.id),
            raw=raw,
            ticket_id=ticket_id,
        )
    return accepted.event_id


async def _settled(pool: Pool, event_id: UUID) -> TurnEnd:
    """Wait until the message has its outcome; how long is the caller's business."""
    while True:
        async with transaction(pool) as conn, conn.cursor(row_factory=class_row(TurnEnd)) as cursor:
            await cursor.execute(_SETTLED, {"event_id": event_id})
            if end := await cursor.fetchone():
                return end
            if await (await conn.execute(_DEAD, {"event_id": event_id})).fetchone():
                raise OurFailure("the message could not be read")
        await asyncio.sleep(_POLL_S)


def _form(script: Scripted, source_key: str, text: str, _: str) -> tuple[dict[str, Any], bytes | None]:
    return {"name": script.name, "email": _address(script), "subject": script.subject or "", "message": text}, None


def _whatsapp(script: Scripted, source_key: str, text: str, _: str) -> tuple[dict[str, Any], bytes | None]:
    phone = f"+351{script.id.int % 10**9:09d}"
    return {"MessageSid": source_key, "From": f"whatsapp:{phone}", "Body": text, "ProfileName": script.name}, None


def _mail(script: Scripted, source_key: str, text: str, our_address: str) -> tuple[dict[str, Any], bytes | None]:
    mail = EmailMessage()
    mail["Authentication-Results"] = f"mx.google.com; dmarc=pass header.from={_DOMAIN}"
    mail["From"] = Address(script.name, addr_spec=_address(script))
    mail["To"], mail["Subject"] = our_address, script.subject or ""
    mail["Message-ID"] = f"<{source_key}@{_DOMAIN}>"
    if number := int(source_key.rpartition("-")[2]):
        mail["In-Reply-To"] = f"<{script.id}-{number - 1}@{_DOMAIN}>"
    mail.set_content(text)
    return {"thread_id": str(script.id)}, mail.as_bytes()


def _address(script: Scripted) -> str:
    return f"{script.id.hex}@{_DOMAIN}"


_EVENTS: Final = {"web_form": _form, "whatsapp": _whatsapp, "email": _mail}
