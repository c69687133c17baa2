"""Work that was accepted and is not finished, published again: what makes the loss of the whole conveyor harmless.

Each statement skips what an event of the last `after_s` seconds already speaks of, so a slow worker is not flooded.
"""

from __future__ import annotations

from psycopg import AsyncConnection

from crm.outbox import note_event

_EVENTS = """
with stuck as (
    select case e.channel when 'web_form' then 'fte.channels.webform.inbound' else 'fte.channels.' || e.channel || '.inbound' end as topic,
           e.id::text as key, e.kind || '.accepted' as type, jsonb_build_object('inbound_event_id', e.id) as payload
    from inbound_events e where e.status = 'accepted' and e.received_at <= now() - make_interval(secs => %(after_s)s)
    union all
    select 'fte.tickets.incoming', m.conversation_id::text, 'message.received',
           jsonb_build_object('conversation_id', m.conversation_id)
    from messages m left join turns t on t.id = m.turn_id
    where m.direction = 'inbound' and m.outcome is null and m.created_at <= now() - make_interval(secs => %(after_s)s)
      and (t.id is null or (t.status = 'running' and t.lease_until <= now()))
    union all
    select 'fte.tickets.incoming', r.conversation_id::text, 'review.decided', jsonb_build_object('review_id', r.id)
    from reviews r join turns t on t.id = r.turn_id
    where r.status = 'decided' and t.lease_until <= now() and r.decided_at <= now() - make_interval(secs => %(after_s)s)
    union all
    select case d.channel when 'web_form' then 'fte.channels.webform.outbound' else 'fte.channels.' || d.channel || '.outbound' end,
           m.conversation_id::text, 'delivery.queued', jsonb_build_object('conversation_id', m.conversation_id)
    from deliveries d join messages m on m.id = d.message_id
    where d.status in ('queued', 'sending') and d.next_attempt_at <= now() - make_interval(secs => %(after_s)s)
      and coalesce(d.lease_until, '-infinity') <= now()
)
insert into outbox (event_id, topic, key, type, payload)
select gen_random_uuid(), topic, key, type, payload from (select distinct * from stuck) s
where not exists (select from outbox o where o.topic = s.topic and o.key = s.key and o.payload = s.payload
                  and greatest(o.occurred_at, o.available_at) > now() - make_interval(secs => %(after_s)s))
"""
_CLOSE = """
update tickets set status = 'closed', updated_at = now()
where status = 'resolved' and resolved_at < now() - make_interval(secs => %(after_s)s)
"""
_PRUNE = "delete from outbox where published_at < now() - make_interval(secs => %(after_s)s)"
_LOCK = "select pg_try_advisory_xact_lock(hashtext('fte.sweeper'))"


async def try_sweep_lock(conn: AsyncConnection) -> bool:
    row = await (await conn.execute(_LOCK)).fetchone()
    return bool(row and row[0])


async def republish_unfinished(conn: AsyncConnection, *, after_s: float) -> int:
    """How many events were written again."""
    count = (await conn.execute(_EVENTS, {"after_s": after_s})).rowcount
    if count:
        note_event(conn)
    return count


async def close_resolved(conn: AsyncConnection, *, after_s: float) -> int:
    """Tickets that stayed resolved are closed; the customer's next message opens a new one."""
    return (await conn.execute(_CLOSE, {"after_s": after_s})).rowcount


async def prune_outbox(conn: AsyncConnection, *, after_s: float) -> int:
    return (await conn.execute(_PRUNE, {"after_s": after_s})).rowcount
