"""Reviews: what waits for a person. A decision is an event like any other; a worker carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.errors import Conflict, NotFound
from core.vocabulary import MAX_HUMAN_WORDS, Channel, Decision
from crm.outbox import add_event

_COLUMNS = """
select r.id, r.turn_id, r.ticket_id, r.conversation_id, r.channel, r.reason, r.rule, r.evidence, r.counterfactual, r.summary,
       r.draft, r.status, r.version, r.decision, r.decision_text, r.decision_note, r.decided_by, r.decided_at, r.created_at,
       k.subject, k.priority, u.name as customer_name, c.related_to,
       coalesce((select string_agg(m.body, E'\n\n' order by m.seq) from messages m
                 where m.direction = 'inbound' and (m.turn_id = r.turn_id or (m.conversation_id = r.conversation_id
                       and m.outcome_reason = 'with_person' and m.created_at >= r.created_at))), '') as customer_text
from reviews r join tickets k on k.id = r.ticket_id join customers u on u.id = k.customer_id
     join conversations c on c.id = r.conversation_id
"""
_GET = _COLUMNS + "where r.id = %(id)s"
_LIST = _COLUMNS + "where r.status = %(status)s order by r.created_at limit %(limit)s"
_DECIDE = """
update reviews set status = 'decided', decision = %(decision)s, decision_text = %(text)s, decision_note = %(note)s,
       decided_by = %(reviewer)s, decided_at = now(), version = version + 1
where id = %(id)s and status = 'open' and version = %(version)s
"""
_AUDIT = "insert into audit_log (actor, action, object, detail) values (%(reviewer)s, 'review.decided', %(object)s, %(detail)s)"


@dataclass(frozen=True, slots=True)
class Review:
    """A hand-over with everything that the person needs: the rule, the words that fired it, and what would have happened."""

    id: UUID
    turn_id: UUID
    ticket_id: str
    conversation_id: UUID
    channel: Channel
    reason: str
    rule: str
    evidence: str
    counterfactual: str
    summary: str
    draft: str | None
    status: str
    version: int
    decision: Decision | None
    decision_text: str | None
    decision_note: str | None
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime
    subject: str | None
    priority: str
    customer_name: str | None
    customer_text: str
    related_to: UUID | None


async def list_reviews(conn: AsyncConnection, *, status: str = "open", limit: int = 50) -> list[Review]:
    async with conn.cursor(row_factory=class_row(Review)) as cursor:
        await cursor.execute(_LIST, {"status": status, "limit": limit})
        return await cursor.fetchall()


async def get_review(conn: AsyncConnection, review_id: UUID) -> Review:
    async with conn.cursor(row_factory=class_row(Review)) as cursor:
        await cursor.execute(_GET, {"id": review_id})
        review = await cursor.fetchone()
    if review is None:
        raise NotFound("There is no such review", review_id=review_id)
    return review


async def decide_review(
    conn: AsyncConnection,
    review_id: UUID,
    *,
    decision: Decision,
    reviewer: str,
    expected_version: int,
    text: str | None = None,
    note: str | None = None,
) -> Review:
    """Record a decision and its event. Two reviewers at once: one wins, the other gets a Conflict."""
    review = await get_review(conn, review_id)
    _check(review, decision, text, note)
    values = {
        "id": review_id,
        "decision": decision,
        "text": text,
        "note": note,
        "reviewer": reviewer,
        "version": expected_version,
    }
    if (await conn.execute(_DECIDE, values)).rowcount == 0:
        raise Conflict(
            "Somebody decided this review, or it changed since you read it: read it again", review_id=review_id
        )
    detail = Jsonb({"decision": decision, "note": note})
    await conn.execute(_AUDIT, {**values, "object": str(review_id), "detail": detail})
    await add_event(
        conn, "fte.tickets.incoming", str(review.conversation_id), "review.decided", {"review_id": str(review_id)}
    )
    return await get_review(conn, review_id)


def _check(review: Review, decision: Decision, text: str | None, note: str | None) -> None:
    if decision == "approve" and not review.draft:
        raise Conflict("There is no draft to approve: answer with your own text (respond)", review_id=review.id)
    if decision in ("edit", "respond") and not (text or "").strip():
        raise Conflict(f"To {decision}, send the text that the customer should get", review_id=review.id)
    words, most = len((text or "").split()), MAX_HUMAN_WORDS[review.channel]
    if words > most:
        raise Conflict(
            f"The text has {words} words; {review.channel} carries {most}: shorten it, or send a link",
            review_id=review.id,
        )
    if decision == "reject" and not (note or "").strip():
        raise Conflict("To reject, say why in a note", review_id=review.id)
