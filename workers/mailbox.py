"""Mailbox keeper: renews Gmail's watch, finds mail that no push announced, and says when the permission has ended."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from channels.email.adapter import GmailChannel
from channels.email.gmail import REAUTH_CODES
from core.errors import ChannelError, DatabaseUnavailable
from crm.mailboxes import claim_check, find_mailbox, note_failure, note_synced, note_watch, put_off_check
from crm.pool import transaction
from workers.context import WorkerContext

log = structlog.get_logger()
# A watch lasts seven days and Google recommends to renew it daily.
# https://developers.google.com/workspace/gmail/api/guides/push#renewing_mailbox_watch
RENEW_BEFORE: Final = timedelta(days=6)
_POLL_S: Final = 15.0
_CAP_S: Final = 1800.0


class MailboxKeeper:
    def __init__(self, context: WorkerContext) -> None:
        self._context = context

    async def run(self) -> None:
        """Until cancelled; at once done where no Gmail is configured."""
        channel = self._context.adapters.get("email")
        if not isinstance(channel, GmailChannel):
            return
        while True:
            try:
                await self.check(channel)
            except DatabaseUnavailable:
                log.warning("mailbox.waiting")
            await asyncio.sleep(min(_POLL_S, self._context.settings.gmail_check_interval_s))

    async def check(self, channel: GmailChannel) -> bool:
        """Look after the mailbox if it is due and nobody else does; whether it was ours to do."""
        every_s = self._context.settings.gmail_check_interval_s
        async with transaction(self._context.pool) as conn:
            if not await claim_check(conn, channel.address, every_s=every_s):
                return False
        try:
            found = await channel.sync()
        except ChannelError as error:
            await self._failed(channel, error, every_s)
            return True
        async with transaction(self._context.pool) as conn:
            await note_synced(conn, channel.address)
        log.info("mailbox.checked", found=found)
        await self._keep_watch(channel)
        return True

    async def _keep_watch(self, channel: GmailChannel) -> None:
        """A watch that cannot be renewed costs speed, no mail: the checks go on as before."""
        topic = self._context.settings.gmail_topic
        async with transaction(self._context.pool) as conn:
            state = await find_mailbox(conn, channel.address)
        ends = state.watch_expires_at if state else None
        if not topic or (ends is not None and ends - datetime.now(UTC) > RENEW_BEFORE):
            return
        try:
            until = await channel.watch(topic)
        except ChannelError as error:
            log.error("watch.not_renewed", code=error.code)
            async with transaction(self._context.pool) as conn:
                await note_failure(conn, channel.address, error=f"The watch was not renewed: {error.detail}")
            return
        async with transaction(self._context.pool) as conn:
            await note_watch(conn, channel.address, until)
        log.info("watch.renewed", until=until.isoformat())

    async def _failed(self, channel: GmailChannel, error: ChannelError, every_s: float) -> None:
        """Come back later, the later the more often it failed, and never before the provider's Retry-After."""
        reauth = error.code in REAUTH_CODES
        (log.error if reauth else log.warning)("mailbox.failed", code=error.code, needs_reauth=reauth)
        async with transaction(self._context.pool) as conn:
            failures = await note_failure(conn, channel.address, error=error.detail, reauth=reauth)
            # A new permission should be noticed soon, so waiting for one does not grow.
            steps = 0 if reauth else min(failures - 1, 10)
            backoff_s = min(_CAP_S, every_s * 2.0**steps) * random.uniform(0.5, 1.0)
            await put_off_check(conn, channel.address, delay_s=max(error.retry_after_s or 0.0, backoff_s))
