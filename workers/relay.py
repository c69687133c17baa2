"""Relay: outbox rows become events, in their order. Publishing comes first, the mark after: at least once."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg
import structlog

from core.errors import BusUnavailable, DatabaseUnavailable
from crm.outbox import OutboxRow, claim_events, mark_published, next_due_s, try_relay_lock
from crm.pool import RELAY_CHANNEL, transaction
from events.envelope import Envelope
from workers.context import WorkerContext

log = structlog.get_logger()
_BATCH = 500
_POLL_S = 1.0
_OUTAGE_S = 1.0


class Relay:
    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. Woken by NOTIFY, with a look every second in case a notice was missed."""
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                self._wake.clear()
                try:
                    moved = await self.publish_due()
                except (DatabaseUnavailable, BusUnavailable) as error:
                    log.warning("relay.waiting", error_class=type(error).__name__)
                    await asyncio.sleep(_OUTAGE_S)
                    continue
                if moved < _BATCH:
                    pause_s = await self._pause_s()
                    # Not wait_for: before Python 3.12 it can swallow a cancellation that meets the wake-up.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause_s):
                            await self._wake.wait()
        finally:
            listener.cancel()

    async def publish_due(self) -> int:
        """Publish what is due, in one transaction; how many."""
        async with transaction(self._context.pool) as conn:
            if not await try_relay_lock(conn):
                return 0
            rows = await claim_events(conn, _BATCH)
            if rows:
                await self._context.bus.publish_many([(row.topic, _envelope(row)) for row in rows])
                await mark_published(conn, [row.id for row in rows])
            return len(rows)

    async def _pause_s(self) -> float:
        with contextlib.suppress(DatabaseUnavailable):
            async with transaction(self._context.pool) as conn:
                due_s = await next_due_s(conn)
            return _POLL_S if due_s is None else min(max(due_s, 0.01), _POLL_S)
        return _OUTAGE_S

    async def _listen(self) -> None:
        """A connection of its own that waits for notices; a lost one is opened again."""
        while True:
            try:
                conninfo = self._context.pool.conninfo
                assert isinstance(conninfo, str)
                async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as conn:
                    await conn.execute(f"listen {RELAY_CHANNEL}")
                    self._wake.set()
                    async for _ in conn.notifies():
                        self._wake.set()
            except psycopg.Error:
                await asyncio.sleep(_OUTAGE_S)


def _envelope(row: OutboxRow) -> Envelope:
    return Envelope(
        id=str(row.event_id),
        type=row.type,
        key=row.key,
        occurred_at=row.occurred_at,
        trace=row.trace,
        payload=row.payload,
    )
