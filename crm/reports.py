"""What providers report about messages that we sent: kept by message, joined to deliveries as soon as both are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.delivery_status import ORDER, higher, overall
from core.vocabulary import Channel, DeliveryStatus

# One row a message at the provider, and it only moves up: late, double and mixed-up reports change nothing.
_KEEP = """
insert into provider_reports as r (channel, provider_message_id, delivery_id, part, status, error_code, error)
values (%(channel)s, %(message_id)s, (select id from deliveries where id = %(delivery_id)s), %(part)s, %(status)s,
        %(error_code)s, %(error)s)
on conflict (channel, provider_message_id) do update set
    status = excluded.status, error_code = excluded.error_code, error = excluded.error, updated_at = now(),
    delivery_id = coalesce(r.delivery_id, excluded.delivery_id), part = coalesce(r.part, excluded.part)
where array_position(%(order)s::text[], excluded.status) > array_position(%(order)s::text[], r.status)
"""
_DELIVERY = """
select coalesce(r.delivery_id, d.id) from provider_reports r
left join deliveries d on d.provider_message_id = r.provider_message_id and d.channel = r.channel
where r.channel = %(channel)s and r.provider_message_id = %(message_id)s
"""
_JOIN = """
update provider_reports r set delivery_id = d.id, part = sent.part - 1
from deliveries d, jsonb_array_elements_text(d.progress -> 'sids') with ordinality as sent (sid, part)
where d.id = %(id)s and r.channel = d.channel and r.provider_message_id = sent.sid and r.delivery_id is null
"""
_LOCK = """
select d.status, jsonb_array_length(m.parts), coalesce(jsonb_array_length(d.progress -> 'sids'), 0)
from deliveries d join messages m on m.id = d.message_id where d.id = %(id)s for update of d
"""
_REPORTS = """
select part, status, error_code, error from provider_reports where delivery_id = %(id)s and part is not null order by part
"""
_RAISE = """
update deliveries set status = %(status)s, last_error = coalesce(%(error)s, last_error),
       sent_at = case when %(status)s = 'failed' then sent_at else coalesce(sent_at, now()) end,
       delivered_at = case when %(status)s in ('delivered', 'read') then coalesce(delivered_at, now()) else delivered_at end
where id = %(id)s
"""
_ORDER: Final = list(ORDER)


@dataclass(frozen=True, slots=True)
class PartReport:
    part: int
    status: DeliveryStatus
    error_code: str | None
    error: str | None


async def keep_report(
    conn: AsyncConnection,
    channel: Channel,
    provider_message_id: str,
    status: DeliveryStatus,
    *,
    delivery_id: UUID | None = None,
    part: int | None = None,
    error_code: str | None = None,
    error: str | None = None,
) -> UUID | None:
    """Keep the highest status of a message; the delivery that it belongs to, None while nobody knows that."""
    values = {
        "channel": channel,
        "message_id": provider_message_id,
        "status": status,
        "delivery_id": delivery_id,
        "part": part,
        "error_code": error_code,
        "error": error,
        "order": _ORDER,
    }
    await conn.execute(_KEEP, values)
    row = await (await conn.execute(_DELIVERY, values)).fetchone()
    return row[0] if row else None


async def settle_delivery(conn: AsyncConnection, delivery_id: UUID) -> PartReport | None:
    """Raise a delivery to what is reported of its parts; the report that has just failed it, if one did."""
    await conn.execute(_JOIN, {"id": delivery_id})
    row = await (await conn.execute(_LOCK, {"id": delivery_id})).fetchone()
    if row is None:
        return None
    status, parts, taken = row
    reports = await _list_reports(conn, delivery_id)
    known: dict[int, DeliveryStatus] = {report.part: report.status for report in reports}
    sent: dict[int, DeliveryStatus] = dict.fromkeys(range(taken), "sent")
    new = overall([(sent | known).get(part) for part in range(parts)])
    if not reports or new is None or higher(status, new) == status:
        return None
    failed = next((report for report in reports if report.status == "failed"), None) if new == "failed" else None
    await conn.execute(_RAISE, {"id": delivery_id, "status": new, "error": failed.error if failed else None})
    return failed


async def _list_reports(conn: AsyncConnection, delivery_id: UUID) -> list[PartReport]:
    async with conn.cursor(row_factory=class_row(PartReport)) as cursor:
        await cursor.execute(_REPORTS, {"id": delivery_id})
        return await cursor.fetchall()
