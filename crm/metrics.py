"""What operators read: the figures of each channel, the backlog, the version of the schema."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.vocabulary import CHANNELS, Channel
from crm.spending import COST

# Time to process ends where the turn ends, or where it was handed over: a person's thinking time is not ours.
_CHANNELS = f"""
with conversation as (
    select c.channel, count(*) as total,
           count(*) filter (where exists (select from reviews r where r.conversation_id = c.id)) as escalated
    from conversations c where c.created_at >= %(since)s group by c.channel
), inbound as (
    select m.channel, count(*) as total, avg(m.sentiment) as sentiment
    from messages m where m.direction = 'inbound' and m.created_at >= %(since)s group by m.channel
), delivery as (
    select d.channel, count(*) filter (where d.status in ('sent', 'delivered', 'read')) as sent,
           count(*) filter (where d.status = 'failed' and d.replaced_by is null) as failed,
           percentile_cont(array[0.5, 0.95]) within group (order by extract(epoch from d.sent_at - m.created_at) * 1000)
               filter (where d.sent_at is not null) as ms
    from deliveries d join messages m on m.id = d.message_id where d.created_at >= %(since)s group by d.channel
), processing as (
    select m.channel,
           percentile_cont(array[0.5, 0.95]) within group
               (order by extract(epoch from coalesce(r.created_at, t.finished_at) - e.received_at) * 1000) as ms
    from messages m join inbound_events e on e.id = m.inbound_event_id join turns t on t.id = m.turn_id
         left join reviews r on r.turn_id = t.id
    where m.direction = 'inbound' and m.created_at >= %(since)s and coalesce(r.created_at, t.finished_at) is not null
    group by m.channel
), escalation as (
    select channel, count(*) as total from reviews where created_at >= %(since)s group by channel
), dead as (
    select channel, count(*) as total from inbound_events
    where status = 'dead' and received_at >= %(since)s group by channel
), spending as (
    select m.channel, {COST} from model_calls m where m.at >= %(since)s group by m.channel
)
select channel,
       coalesce(conversation.total, 0) as total_conversations,
       coalesce(inbound.total, 0) as messages_in,
       coalesce(delivery.sent, 0) as messages_out,
       coalesce(escalation.total, 0) as escalations,
       coalesce(conversation.escalated::float8 / nullif(conversation.total, 0), 0) as escalation_rate,
       inbound.sentiment as average_sentiment,
       processing.ms[1] as processing_p50_ms,
       processing.ms[2] as processing_p95_ms,
       delivery.ms[1] as delivery_p50_ms,
       delivery.ms[2] as delivery_p95_ms,
       coalesce(delivery.failed, 0) + coalesce(dead.total, 0) as failures,
       coalesce(spending.model_calls, 0) as model_calls,
       coalesce(spending.input_tokens, 0) as input_tokens,
       coalesce(spending.cached_tokens, 0) as cached_tokens,
       coalesce(spending.output_tokens, 0) as output_tokens,
       coalesce(spending.reasoning_tokens, 0) as reasoning_tokens,
       case when spending.model_calls > 0 then spending.cost_usd_micros else 0 end as cost_usd_micros,
       coalesce(spending.unpriced_calls, 0) as unpriced_calls
from unnest(%(channels)s::text[]) with ordinality as wanted (channel, place)
     left join conversation using (channel) left join inbound using (channel) left join delivery using (channel)
     left join processing using (channel) left join escalation using (channel) left join dead using (channel)
     left join spending using (channel)
order by place
"""

_BACKLOG = """
select (select count(*) from outbox where published_at is null and available_at <= now()) as outbox_pending,
       (select coalesce(extract(epoch from now() - min(available_at)), 0)::float8 from outbox
         where published_at is null and available_at <= now()) as outbox_oldest_age_s,
       (select count(*) from reviews where status = 'open') as reviews_open,
       (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from reviews where status = 'open')
           as review_oldest_wait_s,
       (select count(*) from deliveries where status in ('queued', 'sending')) as deliveries_pending,
       (select count(*) from dead_letters where status = 'open') as dead_letters_open
"""
_SCHEMA_VERSION = "select coalesce(max(version), 0) from schema_migrations"
_ENABLED = "select channel from channel_configs where enabled"


@dataclass(frozen=True, slots=True)
class ChannelMetrics:
    """Times in milliseconds, None where nothing was measured. `escalation_rate` is the share of conversations."""

    channel: Channel
    total_conversations: int
    messages_in: int
    messages_out: int
    escalations: int
    escalation_rate: float
    average_sentiment: float | None
    processing_p50_ms: float | None
    processing_p95_ms: float | None
    delivery_p50_ms: float | None
    delivery_p95_ms: float | None
    failures: int
    model_calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd_micros: int | None
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, in numbers and in seconds."""

    outbox_pending: int
    outbox_oldest_age_s: float
    reviews_open: int
    review_oldest_wait_s: float
    deliveries_pending: int
    dead_letters_open: int


async def list_channel_metrics(conn: AsyncConnection, *, since: datetime | None = None) -> list[ChannelMetrics]:
    """Every channel in the order of the vocabulary, of the time since a moment or of all time."""
    values = {"since": since or "-infinity", "channels": list(CHANNELS)}
    async with conn.cursor(row_factory=class_row(ChannelMetrics)) as cursor:
        await cursor.execute(_CHANNELS, values)
        return await cursor.fetchall()


async def read_backlog(conn: AsyncConnection) -> Backlog:
    async with conn.cursor(row_factory=class_row(Backlog)) as cursor:
        await cursor.execute(_BACKLOG)
        backlog = await cursor.fetchone()
    assert backlog is not None
    return backlog


async def read_schema_version(conn: AsyncConnection) -> int:
    """The number of the newest migration that was applied."""
    row = await (await conn.execute(_SCHEMA_VERSION)).fetchone()
    return row[0] if row else 0


async def list_enabled_channels(conn: AsyncConnection) -> set[Channel]:
    return {row[0] for row in await (await conn.execute(_ENABLED)).fetchall()}
