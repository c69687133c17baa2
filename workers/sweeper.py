"""Sweeper: publishes accepted work again that nobody is doing, closes what stayed resolved, keeps the outbox small."""

from __future__ import annotations

import asyncio

import structlog

from core.errors import DatabaseUnavailable
from crm.pool import transaction
from crm.recipients import prune_slots
from crm.sweep import close_resolved, prune_outbox, republish_unfinished, try_sweep_lock
from workers.context import WorkerContext

log = structlog.get_logger()
_CLOSE_AFTER_S = 7 * 86_400
_KEEP_OUTBOX_S = 86_400


class Sweeper:
    def __init__(self, context: WorkerContext) -> None:
        self._context = context

    async def run(self) -> None:
        """Until cancelled, one sweep every interval."""
        while True:
            try:
                await self.sweep(after_s=self._context.settings.sweep_after_s)
            except DatabaseUnavailable:
                log.warning("sweeper.waiting")
            await asyncio.sleep(self._context.settings.sweep_interval_s)

    async def sweep(self, *, after_s: float) -> int:
        """How many events were published again; `after_s` 0 takes everything, for a start after a crash."""
        async with transaction(self._context.pool) as conn:
            if not await try_sweep_lock(conn):
                return 0
            count = await republish_unfinished(conn, after_s=after_s)
            await close_resolved(conn, after_s=_CLOSE_AFTER_S)
            await prune_outbox(conn, after_s=_KEEP_OUTBOX_S)
            await prune_slots(conn)
        if count:
            log.info("work.republished", events=count)
        return count
