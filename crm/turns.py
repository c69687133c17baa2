"""Turns: claimed under a lease, finished in one transaction. A worker that lost its lease can finish nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.errors import NotFound, StaleTurn, TurnBusy
from core.ids import new_id
from core.models import ReviewDecision, TurnBrief
from core.vocabulary import Category, Channel, Priority

_LOCK_CONVERSATION = "select owner, owner_epoch from conversations where id = %(id)s for update"
_OPEN_TURN = """
select id, status, lease_until > now() as held from turns where conversation_id = %(id)s and status <> 'done'
"""
_RECLAIM = """
update turns set lease = %(lease)s, lease_until = now() + make_interval(secs => %(lease_s)s), attempt = attempt + 1
where id = %(turn_id)s
"""
_WAITING = """
select ticket_id from messages
where conversation_id = %(id)s and direction = 'inbound' and outcome is null and turn_id is null order by seq desc limit 1
"""
_START = """
insert into turns (conversation_id, ticket_id, owner_epoch, lease, lease_until, graph_version)
values (%(id)s, %(ticket_id)s, %(epoch)s, %(lease)s, now() + make_interval(secs => %(lease_s)s), %(graph_version)s) returning id
"""
_TAKE_MESSAGES = """
update messages set turn_id = %(turn_id)s
where conversation_id = %(id)s and direction = 'inbound' and outcome is null and turn_id is null
"""
_BURST = """
select c.channel, extract(epoch from now() - max(m.created_at))::float8, extract(epoch from now() - min(m.created_at))::float8
from messages m join conversations c on c.id = m.conversation_id
where m.conversation_id = %(id)s and m.direction = 'inbound' and m.outcome is null and m.turn_id is null group by c.channel
"""
# A customer who never stops writing is answered all the same.
_LONGEST_BURST = 5
_PROCESSING = "update tickets set status = 'processing', updated_at = now() where id = %(ticket_id)s and status in ('open', 'resolved')"
_JOIN_REVIEW = """
update messages set outcome = 'handed_over', outcome_reason = 'with_person'
where conversation_id = %(id)s and direction = 'inbound' and outcome is null
"""
_ABANDON = """
update turns set status = 'done', outcome = 'handed_over', reason = 'with_person', finished_at = now()
where conversation_id = %(id)s and status = 'running'
"""
_TOUCH_REVIEW = "update reviews set version = version + 1 where conversation_id = %(id)s and status = 'open'"
_BRIEF = """
select t.id as turn_id, t.lease, c.id as conversation_id, c.customer_id, k.id as ticket_id,
       coalesce(c.reply_channel, c.channel) as channel, u.name as customer_name, c.evidence, c.subject, k.category, k.priority,
       c.owner_epoch, t.attempt,
       coalesce((select string_agg(m.body, E'\n\n' order by m.seq) from messages m
         where m.turn_id = t.id and m.direction = 'inbound'), '') as text,
       not exists (select from messages m where m.conversation_id = c.id and m.direction = 'outbound'
                   and m.author <> 'system') as first_reply,
       coalesce((select min(m.created_at) from messages m where m.turn_id = t.id and m.direction = 'inbound'), t.started_at) as received_at,
       t.status = 'waiting' as resuming, spent.tokens_today, spent.usd_micros_today,
       coalesce((select array_agg(p.sentiment order by p.seq) filter (where p.sentiment is not null) from (
         select m.sentiment, m.seq from messages m
         where m.conversation_id = c.id and m.direction = 'inbound' and m.turn_id <> t.id
         order by m.seq desc limit 2) p), '{}') as moods
from turns t join conversations c on c.id = t.conversation_id join tickets k on k.id = t.ticket_id
join customers u on u.id = c.customer_id
cross join lateral (
    select coalesce(sum(m.input_tokens + m.output_tokens), 0)::bigint as tokens_today,
           coalesce(sum(m.cost_usd_micros), 0)::bigint as usd_micros_today
    from conversations own join turns day on day.conversation_id = own.id join model_calls m on m.turn_id = day.id
    where own.customer_id = c.customer_id and day.started_at > now() - interval '24 hours') spent
where t.id = %(turn_id)s and t.lease = %(lease)s
"""
_CLAIM_RESUME = """
update turns set lease = %(lease)s, lease_until = now() + make_interval(secs => %(lease_s)s), attempt = attempt + 1
where id = (select turn_id from reviews where id = %(review_id)s and status = 'decided')
  and status = 'waiting' and lease_until <= now() returning id
"""
_DECISION = """
select id as review_id, decision, decided_by as reviewer, decision_text as text, decision_note as note
from reviews where id = %(review_id)s and status = 'decided'
"""
_REVIEW_STATE = """
select r.status, t.lease_until > now() from reviews r join turns t on t.id = r.turn_id where r.id = %(review_id)s
"""
_HOLD = "select status from turns where id = %(turn_id)s and lease = %(lease)s and status <> 'done' for update"
_RENEW = """
update turns set lease_until = now() + make_interval(secs => %(lease_s)s)
where id = %(turn_id)s and lease = %(lease)s and status <> 'done'
"""
_RELEASE = "update turns set lease_until = now() where id = %(turn_id)s and lease = %(lease)s and status <> 'done'"
_RELEASE_ALL = "update turns set lease_until = now() where status <> 'done' and lease_until > now()"
_OPEN_EMPTY = """
insert into turns (conversation_id, ticket_id, owner_epoch, lease, lease_until, graph_version)
select c.id, k.id, c.owner_epoch, %(lease)s, now() + make_interval(secs => %(lease_s)s), %(graph_version)s
from conversations c join tickets k on k.conversation_id = c.id where c.id = %(id)s
order by k.status = 'closed', k.created_at desc limit 1 returning id
"""
_NOTE_REVIEW = """
update reviews set summary = summary || E'\n' || %(note)s, version = version + 1 where conversation_id = %(id)s and status = 'open'
"""


_PAST = """
select t.id, t.outcome, t.reason, c.channel, c.subject, u.name as customer_name, k.category, k.priority,
       coalesce((select string_agg(m.body, E'\n\n' order by m.seq) from messages m
                 where m.turn_id = t.id and m.direction = 'inbound'), '') as customer_text,
       (select m.body from messages m where m.turn_id = t.id and m.direction = 'outbound' order by m.seq limit 1) as reply
from turns t join conversations c on c.id = t.conversation_id join tickets k on k.id = t.ticket_id
join customers u on u.id = c.customer_id where t.id = %(turn_id)s
"""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn as it was: what the customer wrote and what became of it."""

    id: UUID
    outcome: str | None
    reason: str | None
    channel: Channel
    subject: str | None
    customer_name: str | None
    category: Category
    priority: Priority
    customer_text: str
    reply: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought: a turn to run, or nothing to do (`brief` is None)."""

    brief: TurnBrief | None
    joined_review: bool = False


async def claim_turn(conn: AsyncConnection, conversation_id: UUID, *, lease_s: float, graph_version: str) -> Claim:
    """Take the waiting messages of a conversation as one turn, or take over a turn whose worker died.

    Where a person owns the conversation the messages join the review and no turn is run. Raises TurnBusy.
    """
    values = {"id": conversation_id, "lease": new_id(), "lease_s": lease_s, "graph_version": graph_version}
    conversation = await (await conn.execute(_LOCK_CONVERSATION, values)).fetchone()
    if conversation is None:
        raise NotFound("No such conversation", conversation_id=conversation_id)
    if conversation[0] == "human":
        joined = await conn.execute(_JOIN_REVIEW, values)
        await conn.execute(_ABANDON, values)
        if joined.rowcount:
            await conn.execute(_TOUCH_REVIEW, values)
        return Claim(None, joined_review=joined.rowcount > 0)
    turn_id = await _take_over(conn, values) or await _start(conn, values, conversation[1])
    return Claim(None if turn_id is None else await load_brief(conn, turn_id, values["lease"]))


async def still_writing(conn: AsyncConnection, conversation_id: UUID, pause_s: Callable[[Channel], float]) -> bool:
    """Whether the newest waiting message is younger than the channel's pause, and the oldest not older than five of them."""
    row = await (await conn.execute(_BURST, {"id": conversation_id})).fetchone()
    if row is None:
        return False
    channel, newest_age_s, oldest_age_s = row
    return newest_age_s < pause_s(channel) and oldest_age_s < _LONGEST_BURST * pause_s(channel)


async def _take_over(conn: AsyncConnection, values: dict) -> UUID | None:
    row = await (await conn.execute(_OPEN_TURN, values)).fetchone()
    if row is None:
        return None
    turn_id, _, held = row
    if held:
        raise TurnBusy(conversation_id=values["id"], turn_id=turn_id)
    await conn.execute(_RECLAIM, {**values, "turn_id": turn_id})
    await conn.execute(_TAKE_MESSAGES, {**values, "turn_id": turn_id})
    return turn_id


async def _start(conn: AsyncConnection, values: dict, epoch: int) -> UUID | None:
    waiting = await (await conn.execute(_WAITING, values)).fetchone()
    if waiting is None:
        return None
    started = await (await conn.execute(_START, {**values, "ticket_id": waiting[0], "epoch": epoch})).fetchone()
    assert started is not None
    await conn.execute(_TAKE_MESSAGES, {**values, "turn_id": started[0]})
    await conn.execute(_PROCESSING, {"ticket_id": waiting[0]})
    return started[0]


async def claim_resume(
    conn: AsyncConnection, review_id: UUID, *, lease_s: float
) -> tuple[TurnBrief, ReviewDecision] | None:
    """The interrupted turn of a decided review; None when the decision was carried out before. Raises TurnBusy."""
    values = {"review_id": review_id, "lease": new_id(), "lease_s": lease_s}
    row = await (await conn.execute(_CLAIM_RESUME, values)).fetchone()
    if row is None:
        state = await (await conn.execute(_REVIEW_STATE, values)).fetchone()
        if state is None:
            raise NotFound("No such review", review_id=review_id)
        if state[0] == "decided" and state[1]:
            raise TurnBusy(review_id=review_id)
        return None
    async with conn.cursor(row_factory=class_row(ReviewDecision)) as cursor:
        await cursor.execute(_DECISION, values)
        decision = await cursor.fetchone()
    assert decision is not None
    return await load_brief(conn, row[0], values["lease"]), decision


async def load_brief(conn: AsyncConnection, turn_id: UUID, lease: UUID) -> TurnBrief:
    """What the turn is about. Raises StaleTurn when the lease is not ours."""
    async with conn.cursor(row_factory=class_row(TurnBrief)) as cursor:
        await cursor.execute(_BRIEF, {"turn_id": turn_id, "lease": lease})
        brief = await cursor.fetchone()
    if brief is None:
        raise StaleTurn(turn_id=turn_id)
    return brief


async def get_past_turn(conn: AsyncConnection, turn_id: UUID) -> PastTurn:
    async with conn.cursor(row_factory=class_row(PastTurn)) as cursor:
        await cursor.execute(_PAST, {"turn_id": turn_id})
        past = await cursor.fetchone()
    if past is None:
        raise NotFound("There is no such turn", turn_id=turn_id)
    return past


async def hold_turn(conn: AsyncConnection, brief: TurnBrief) -> str:
    """Lock the turn's row for finishing; its status. Raises StaleTurn when the lease was lost or the turn is done."""
    row = await (await conn.execute(_HOLD, {"turn_id": brief.turn_id, "lease": brief.lease})).fetchone()
    if row is None:
        raise StaleTurn(turn_id=brief.turn_id)
    return row[0]


async def renew_lease(conn: AsyncConnection, brief: TurnBrief, *, lease_s: float) -> bool:
    """Say that the turn is still being worked on; False when another worker has taken it over."""
    values = {"turn_id": brief.turn_id, "lease": brief.lease, "lease_s": lease_s}
    return (await conn.execute(_RENEW, values)).rowcount > 0


async def release_turn(conn: AsyncConnection, brief: TurnBrief) -> None:
    """Give the lease back after a failure, so that the next attempt need not wait for it to run out."""
    await conn.execute(_RELEASE, {"turn_id": brief.turn_id, "lease": brief.lease})


async def release_all_leases(conn: AsyncConnection) -> int:
    """For a process that knows itself alone (the embedded mode after a crash): nobody else can hold a turn."""
    return (await conn.execute(_RELEASE_ALL)).rowcount


async def open_failure_turn(
    conn: AsyncConnection, conversation_id: UUID, *, note: str, lease_s: float, graph_version: str
) -> TurnBrief | None:
    """A turn without a new message, for a failure of ours. None where a person has the conversation: the open review gets the note."""
    values = {
        "id": conversation_id,
        "lease": new_id(),
        "lease_s": lease_s,
        "graph_version": graph_version,
        "note": note,
    }
    conversation = await (await conn.execute(_LOCK_CONVERSATION, values)).fetchone()
    if conversation is not None and conversation[0] == "human":
        await conn.execute(_NOTE_REVIEW, values)
        return None
    if await (await conn.execute(_OPEN_TURN, values)).fetchone() is not None:
        raise TurnBusy(conversation_id=conversation_id)
    row = await (await conn.execute(_OPEN_EMPTY, values)).fetchone()
    return None if row is None else await load_brief(conn, row[0], values["lease"])
