"""Rows as the workers write them, for tests of what is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from core.ids import new_ticket_id

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Story:
    """Tells what happened to one customer in one conversation; each method adds a row and returns its id."""

    def __init__(self, conn: AsyncConnection, channel: str = "web_form") -> None:
        self.conn = conn
        self.channel = channel
        self.ticket_id = new_ticket_id()
        self.customer_id: UUID
        self.conversation_id: UUID

    async def begin(self, *, name: str = "Ada Osei", at: datetime = START, status: str = "open") -> Story:
        self.customer_id = await self._add("customers", name=name)
        self.conversation_id = await self._add(
            "conversations",
            customer_id=self.customer_id,
            channel=self.channel,
            subject="Exports stop",
            evidence="claimed",
            created_at=at,
        )
        await self._add(
            "tickets",
            id=self.ticket_id,
            conversation_id=self.conversation_id,
            customer_id=self.customer_id,
            channel=self.channel,
            subject="Exports stop",
            status=status,
            escalation_reason="refund_request" if status == "escalated" else None,
            category="technical",
            priority="high",
        )
        return self

    async def identify(self, kind: str, value: str, evidence: str) -> None:
        await self._add("customer_identifiers", customer_id=self.customer_id, kind=kind, value=value, evidence=evidence)

    async def turn(self, *, finished_at: datetime | None = START, outcome: str = "answered") -> UUID:
        return await self._add(
            "turns",
            conversation_id=self.conversation_id,
            ticket_id=self.ticket_id,
            status="done" if finished_at else "waiting",
            outcome=outcome,
            owner_epoch=0,
            lease=uuid4(),
            lease_until=START,
            graph_version="test",
            finished_at=finished_at,
        )

    async def wrote(
        self,
        body: str,
        *,
        at: datetime = START,
        turn_id: UUID | None = None,
        sentiment: float | None = None,
        **more: Any,
    ) -> UUID:
        event_id = await self._add(
            "inbound_events",
            id=uuid4(),
            channel=self.channel,
            kind="message",
            source_key=uuid4().hex,
            body=Jsonb({}),
            body_hash="",
            received_at=at,
        )
        return await self._message(
            direction="inbound",
            author="customer",
            body=body,
            created_at=at,
            inbound_event_id=event_id,
            turn_id=turn_id,
            sentiment=sentiment,
            **more,
        )

    async def replied(
        self,
        body: str,
        turn_id: UUID,
        *,
        delivery: str = "delivered",
        at: datetime = START,
        took_s: float = 1,
        **more: Any,
    ) -> UUID:
        message_id = await self._message(
            direction="outbound",
            author=more.pop("author", "assistant"),
            kind=more.pop("kind", "reply"),
            body=body,
            parts=Jsonb([body]),
            owner_epoch=0,
            turn_id=turn_id,
            created_at=at,
            **more,
        )
        gone = delivery in ("sent", "delivered", "read")
        await self._add(
            "deliveries",
            message_id=message_id,
            channel=self.channel,
            recipient="ada@example.com",
            status=delivery,
            created_at=at,
            sent_at=at + timedelta(seconds=took_s) if gone else None,
        )
        return message_id

    async def cited(self, message_id: UUID, title: str, url: str | None, sentence_no: int = 0) -> None:
        values = {
            "message_id": message_id,
            "sentence_no": sentence_no,
            "sentence": "A secret thought.",
            "passage_id": uuid4(),
            "passage_hash": "x",
            "slug": "internal-slug",
            "title": title,
            "url": url,
            "score": 0.9,
            "knowledge_version": 1,
        }
        await self._insert("reply_sources", values)

    async def handed_over(self, turn_id: UUID, *, at: datetime = START, draft: str | None = "A draft.") -> UUID:
        return await self._add(
            "reviews",
            turn_id=turn_id,
            ticket_id=self.ticket_id,
            conversation_id=self.conversation_id,
            channel=self.channel,
            reason="refund_request",
            rule="refund",
            evidence="money back",
            counterfactual="It would have been answered.",
            summary="Wants a refund.",
            draft=draft,
            created_at=at,
        )

    async def called(self, turn_id: UUID, *, cost: int | None = 100, at: datetime = START, **more: Any) -> None:
        """A request to a model: 1,000 tokens in, 400 of them cached, 50 out, 20 of them thought."""
        values = {
            "id": uuid4(),
            "turn_id": turn_id,
            "channel": self.channel,
            "node": "responder",
            "model": "gpt-5",
            "outcome": "ok",
            "input_tokens": 1_000,
            "cached_tokens": 400,
            "output_tokens": 50,
            "reasoning_tokens": 20,
            "cost_usd_micros": cost,
            "latency_ms": 12.5,
            "at": at,
        }
        await self._insert("model_calls", values | more)

    async def _message(self, **values: Any) -> UUID:
        return await self._add(
            "messages",
            conversation_id=self.conversation_id,
            customer_id=self.customer_id,
            ticket_id=self.ticket_id,
            channel=self.channel,
            **values,
        )

    async def _add(self, table: str, **values: Any) -> Any:
        cursor = await self._insert(table, values, " returning id")
        row = await cursor.fetchone()
        assert row is not None
        return row[0]

    async def _insert(self, table: str, values: dict[str, Any], returning: str = "") -> Any:
        names = ", ".join(values)
        places = ", ".join(f"%({name})s" for name in values)
        statement = f"insert into {table} ({names}) values ({places}){returning}"
        return await self.conn.execute(statement, values)  # pyright: ignore[reportArgumentType]
