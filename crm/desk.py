"""The CRM as one turn sees it: reads are free, and everything a turn did becomes true in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.errors import HandOverFence
from core.models import FormattedReply, HistoryEntry, Source, Ticket, TurnBrief, TurnResult
from core.vocabulary import Author, Category, Channel, MessageKind, Priority
from crm.checkpoints import TurnSaver, delete_checkpoints
from crm.conversations import find_ticket, refine_ticket
from crm.outbox import add_event
from crm.pool import Pool, transaction
from crm.turns import hold_turn

OUTBOUND_TOPIC: dict[Channel, str] = {
    "email": "fte.channels.email.outbound",
    "whatsapp": "fte.channels.whatsapp.outbound",
    "web_form": "fte.channels.webform.outbound",
}

# Law 8: what others wrote under a merely claimed address is not this customer's history.
_HISTORY = """
select author, channel, body as text, created_at as at from messages
where (conversation_id = %(conversation_id)s or (%(proved)s and customer_id = %(customer_id)s
       and conversation_id in (select id from conversations where customer_id = %(customer_id)s and evidence <> 'claimed')))
  and turn_id is distinct from %(turn_id)s
order by seq desc limit %(limit)s
"""
_ADD_REPLY = """
insert into messages (conversation_id, customer_id, ticket_id, turn_id, channel, direction, author, kind, subject, body, parts, owner_epoch)
values (%(conversation_id)s, %(customer_id)s, %(ticket_id)s, %(turn_id)s, %(channel)s, 'outbound', %(author)s, %(kind)s,
        %(subject)s, %(text)s, %(parts)s, %(owner_epoch)s) returning id
"""
_ADD_DELIVERY = """
insert into deliveries (message_id, channel, recipient)
select %(message_id)s, %(channel)s, coalesce(c.thread ->> 'recipient', '') from conversations c where c.id = %(conversation_id)s
"""
_ADD_SOURCE = """
insert into reply_sources (message_id, sentence_no, sentence, passage_id, passage_hash, slug, title, url, score, knowledge_version)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
_ADD_REVIEW = """
insert into reviews (turn_id, ticket_id, conversation_id, channel, reason, rule, evidence, counterfactual, summary, draft)
values (%(turn_id)s, %(ticket_id)s, %(conversation_id)s, %(channel)s, %(reason)s, %(rule)s, %(evidence)s, %(counterfactual)s,
        %(summary)s, %(draft)s) returning id
"""
_HAND_OVER = """
update conversations set owner = 'human', owner_epoch = owner_epoch + 1, updated_at = now() where id = %(conversation_id)s
"""
_GIVE_BACK = """
update conversations set owner = 'assistant', owner_epoch = owner_epoch + 1, updated_at = now() where id = %(conversation_id)s
"""
_SENTIMENT = "update conversations set sentiment = coalesce(%(sentiment)s, sentiment), updated_at = now() where id = %(conversation_id)s"
_TICKET = """
update tickets set status = %(status)s, escalation_reason = coalesce(%(escalation_reason)s, escalation_reason),
       sentiment = coalesce(%(sentiment)s, sentiment), resolved_by = coalesce(%(resolved_by)s, resolved_by),
       first_response_at = case when %(replied)s then coalesce(first_response_at, now()) else first_response_at end,
       resolved_at = case when %(status)s in ('resolved', 'closed') then now() end, updated_at = now()
where id = %(ticket_id)s
"""
_MESSAGES = """
update messages set outcome = %(outcome)s, outcome_reason = %(reason)s, sentiment = %(sentiment)s
where turn_id = %(turn_id)s and direction = 'inbound' and outcome is null
"""
_FINISH = """
update turns set status = %(turn_status)s, outcome = %(outcome)s, reason = %(reason)s, intent = coalesce(%(intent)s, intent),
       sentiment = coalesce(%(sentiment)s, sentiment), state = %(state)s, lease_until = now(),
       finished_at = case when %(turn_status)s = 'done' then now() end
where id = %(turn_id)s
"""
_ADD_METRIC = "insert into agent_metrics (turn_id, channel, node, duration_ms) values (%s, %s, %s, %s)"
_REVIEW_DONE = "update reviews set status = 'done' where id = %(review_id)s"
_AUDIT = "insert into audit_log (actor, action, object, detail) values (%(actor)s, %(action)s, %(object)s, %(detail)s)"


@dataclass(frozen=True, slots=True)
class CrmDesk:
    """`core.ports.Desk` over PostgreSQL."""

    pool: Pool
    saver: TurnSaver

    async def find_ticket(self, brief: TurnBrief) -> Ticket | None:
        async with transaction(self.pool) as conn:
            return await find_ticket(conn, brief.conversation_id)

    async def open_ticket(self, brief: TurnBrief, *, category: Category, priority: Priority) -> Ticket:
        """Intake opened the ticket with the message; what is learned since is added to it."""
        async with transaction(self.pool) as conn:
            await refine_ticket(conn, brief.ticket_id, category=category, priority=priority)
            ticket = await find_ticket(conn, brief.conversation_id)
        assert ticket is not None
        return ticket

    async def list_history(self, brief: TurnBrief, *, limit: int = 20) -> list[HistoryEntry]:
        values = {
            "conversation_id": brief.conversation_id,
            "customer_id": brief.customer_id,
            "proved": brief.evidence != "claimed",
            "turn_id": brief.turn_id,
            "limit": limit,
        }
        async with transaction(self.pool) as conn, conn.cursor(row_factory=class_row(HistoryEntry)) as cursor:
            await cursor.execute(_HISTORY, values)
            return list(reversed(await cursor.fetchall()))

    async def finish_turn(self, brief: TurnBrief, result: TurnResult) -> None:
        try:
            async with transaction(self.pool) as conn:
                await hold_turn(conn, brief)
                await self._carry_out(conn, brief, result)
                await self._settle_checkpoint(conn, brief, result)
        except psycopg.Error as error:
            if error.sqlstate == "P0FT1":
                raise HandOverFence(turn_id=brief.turn_id) from error
            raise
        finally:
            self.saver.discard(str(brief.turn_id))

    async def _carry_out(self, conn: AsyncConnection, brief: TurnBrief, result: TurnResult) -> None:
        values = _values(brief, result)
        if result.reply is not None:
            kind: MessageKind = (
                "handover_notice" if result.outcome == "handed_over" and result.decision is None else "reply"
            )
            await self._add_outbound(conn, brief, result.reply, result.reply_author, kind, result.sources)
        if result.decision is not None:
            await self._close_review(conn, brief, result, values)
        elif result.outcome == "handed_over":
            await self._open_review(conn, brief, result, values)
        await conn.execute(_SENTIMENT, values)
        await conn.execute(_TICKET, values)
        await conn.execute(_MESSAGES, values)
        await conn.execute(_FINISH, values)
        await self._measure(conn, brief, result)

    async def _add_outbound(
        self,
        conn: AsyncConnection,
        brief: TurnBrief,
        reply: FormattedReply,
        author: Author,
        kind: MessageKind,
        sources: tuple[Source, ...],
    ) -> None:
        values: dict[str, Any] = {
            "conversation_id": brief.conversation_id,
            "customer_id": brief.customer_id,
            "ticket_id": brief.ticket_id,
            "turn_id": brief.turn_id,
            "channel": reply.channel,
            "author": author,
            "kind": kind,
            "subject": reply.subject,
            "text": reply.text,
            "parts": Jsonb(list(reply.parts)),
            "owner_epoch": brief.owner_epoch,
        }
        values["message_id"] = await _fetch_id(conn, _ADD_REPLY, values)
        if sources:
            async with conn.cursor() as cursor:
                await cursor.executemany(_ADD_SOURCE, [_source_row(values["message_id"], s) for s in sources])
        await conn.execute(_ADD_DELIVERY, values)
        key = str(brief.conversation_id)
        await add_event(conn, OUTBOUND_TOPIC[reply.channel], key, "delivery.queued", {"conversation_id": key})

    async def _open_review(
        self, conn: AsyncConnection, brief: TurnBrief, result: TurnResult, values: dict[str, Any]
    ) -> None:
        escalation = result.escalation
        assert escalation is not None, "a hand-over names its reason"
        review_id = await _fetch_id(
            conn,
            _ADD_REVIEW,
            {
                **values,
                "channel": brief.channel,
                "rule": escalation.rule,
                "evidence": escalation.evidence,
                "counterfactual": escalation.counterfactual,
                "summary": escalation.summary,
                "reason": escalation.reason,
                "draft": result.held_draft,
            },
        )
        await conn.execute(_HAND_OVER, values)
        payload = {
            "review_id": str(review_id),
            "ticket_id": brief.ticket_id,
            "reason": escalation.reason,
            "channel": brief.channel,
        }
        await add_event(conn, "fte.escalations", str(brief.conversation_id), "turn.escalated", payload)

    async def _close_review(
        self, conn: AsyncConnection, brief: TurnBrief, result: TurnResult, values: dict[str, Any]
    ) -> None:
        decision = result.decision
        assert decision is not None
        await conn.execute(_REVIEW_DONE, {"review_id": decision.review_id})
        await conn.execute(_GIVE_BACK, values)
        detail = Jsonb({"decision": decision.decision, "turn_id": str(brief.turn_id)})
        await conn.execute(
            _AUDIT,
            {
                "actor": decision.reviewer,
                "action": "review.carried_out",
                "object": str(decision.review_id),
                "detail": detail,
            },
        )

    async def _measure(self, conn: AsyncConnection, brief: TurnBrief, result: TurnResult) -> None:
        rows = [(brief.turn_id, brief.channel, node, ms) for node, ms in result.node_ms.items()]
        async with conn.cursor() as cursor:
            await cursor.executemany(_ADD_METRIC, rows)
        payload = {
            "turn_id": str(brief.turn_id),
            "channel": brief.channel,
            "outcome": result.outcome,
            "reason": result.reason,
        }
        await add_event(conn, "fte.metrics", str(brief.conversation_id), "turn.finished", payload)

    async def _settle_checkpoint(self, conn: AsyncConnection, brief: TurnBrief, result: TurnResult) -> None:
        thread_id = str(brief.turn_id)
        if result.outcome == "handed_over" and result.decision is None:
            await self.saver.flush(thread_id, conn)
        elif brief.resuming:
            await delete_checkpoints(conn, thread_id)


def _values(brief: TurnBrief, result: TurnResult) -> dict[str, Any]:
    waiting = result.outcome == "handed_over" and result.decision is None
    status = "escalated" if waiting else "resolved"
    if result.decision is not None and result.reply is None:
        status = "closed"
    return {
        "turn_id": brief.turn_id,
        "ticket_id": brief.ticket_id,
        "conversation_id": brief.conversation_id,
        "outcome": result.outcome,
        "reason": result.reason,
        "intent": result.intent,
        "sentiment": result.sentiment,
        "state": Jsonb(dict(result.state)),
        "status": status,
        "turn_status": "waiting" if waiting else "done",
        "escalation_reason": result.escalation.reason if result.escalation else None,
        "resolved_by": None if waiting else "human" if result.decision else "assistant",
        "replied": result.reply is not None and not waiting,
    }


def _source_row(message_id: UUID, source: Source) -> tuple[Any, ...]:
    return (
        message_id,
        source.sentence_no,
        source.sentence,
        source.passage_id,
        source.passage_hash,
        source.slug,
        source.title,
        source.url,
        source.score,
        source.knowledge_version,
    )


async def _fetch_id(conn: AsyncConnection, query: str, values: dict[str, Any]) -> UUID:
    row = await (await conn.execute(query, values)).fetchone()  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert row is not None
    return row[0]
