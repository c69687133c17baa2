"""Email through Gmail: a push leads to a sync, a message to a parse, a reply to a draft that is sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from channels.email.gmail import SKIPPED_LABELS, TIMEOUT, GmailApi
from channels.email.parse import NO_SENDER, Mailbox, parse_mail
from channels.email.push import decode_push
from channels.email.reply import Letterhead, build_reply, reply_id
from channels.email.sync import CursorStore, sync_mailbox
from core.clock import Clock, SystemClock
from core.errors import ChannelError, InvalidInbound
from core.models import InboundEvent, InboundMessage, Outgoing, Receipt
from core.vocabulary import Channel

SaveProgress = Callable[[UUID, Mapping[str, Any]], Awaitable[None]]


class GmailChannel:
    """`core.ports.ChannelAdapter` of email.

    Progress of a delivery: `drafting`, a draft may exist; `draft_id`, it does. Gmail cannot be asked to send once, but
    a draft can only be sent once: a draft that is gone was sent.
    """

    def __init__(
        self,
        gmail: GmailApi,
        store: CursorStore,
        save_progress: SaveProgress,
        letterhead: Letterhead,
        clock: Clock | None = None,
        *,
        send_timeout_s: float = 45.0,
    ) -> None:
        self._gmail, self._store, self._save = gmail, store, save_progress
        self._letterhead = letterhead
        self._mailbox = Mailbox(letterhead.address.lower(), letterhead.instance)
        self._clock = clock or SystemClock()
        # Below the lease of a delivery: nobody else may begin while we are still at it.
        self._send_timeout_s = send_timeout_s

    @property
    def channel(self) -> Channel:
        return "email"

    async def read(self, event: InboundEvent) -> list[InboundMessage]:
        """A push brings nothing itself: what it led to was recorded as events of kind `message`."""
        if event.kind == "push":
            await self._follow(event.body)
            return []
        return await self._read_message(event) if event.kind == "message" else []

    @property
    def address(self) -> str:
        return self._mailbox.address

    async def sync(self, *, full: bool = False) -> int:
        """Look for mail that no push announced; how much was new."""
        return await sync_mailbox(self._gmail, self._store, self._mailbox.address, full=full)

    async def watch(self, topic: str) -> datetime:
        """Begin or renew the pushes; when they end. What it says of the history is not believed: the cursor is ours."""
        return (await self._gmail.watch(topic))[1]

    async def stop_watch(self) -> None:
        await self._gmail.stop_watch()

    async def send(self, outgoing: Outgoing) -> Receipt:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                return await self._send(outgoing)
        except TimeoutError as error:
            raise ChannelError("Gmail took too long", code=TIMEOUT) from error

    async def close(self) -> None:
        await self._gmail.close()

    async def _send(self, outgoing: Outgoing) -> Receipt:
        rfc822_id = reply_id(outgoing, self._letterhead)
        draft_id = str(outgoing.progress.get("draft_id") or await self._draft(outgoing, rfc822_id))
        sent = await self._gmail.send_draft(draft_id)
        if sent is not None:
            return Receipt(str(sent["id"]), "sent", {"thread_id": sent.get("threadId"), "message_id": rfc822_id})
        found = await self._gmail.find_sent(rfc822_id)
        return Receipt(found or draft_id, "sent", {"message_id": rfc822_id, "found": found is not None})

    async def _draft(self, outgoing: Outgoing, rfc822_id: str) -> str:
        """The id of the one draft of this delivery, noted before it may be sent."""
        drafting = outgoing.progress.get("drafting")
        draft_id = await self._gmail.find_draft(rfc822_id) if drafting else None
        if draft_id is None:
            raw = build_reply(outgoing, self._letterhead, self._clock.now())
            await self._save(outgoing.delivery_id, {"drafting": True})
            draft_id = await self._gmail.create_draft(raw, str(outgoing.thread.get("thread_id") or ""))
        await self._save(outgoing.delivery_id, {"draft_id": draft_id})
        return draft_id

    async def _follow(self, body: Mapping[str, Any]) -> None:
        push = decode_push(body)
        if push.mailbox == self._mailbox.address:
            await sync_mailbox(self._gmail, self._store, self._mailbox.address, pushed=push.history_id)

    async def _read_message(self, event: InboundEvent) -> list[InboundMessage]:
        raw, thread_id, received_at = event.raw, str(event.body.get("thread_id") or ""), event.received_at
        if raw is None:
            mail = await self._gmail.get_raw(event.source_key)
            if mail is None or mail.labels & SKIPPED_LABELS:
                return []
            raw, thread_id, received_at = mail.raw, mail.thread_id, mail.received_at
        message = await asyncio.to_thread(
            parse_mail,
            raw,
            self._mailbox,
            provider_message_id=event.source_key,
            thread_id=thread_id,
            received_at=received_at,
        )
        if message.sender.value == NO_SENDER and message.automatic is None:
            raise InvalidInbound("A mail that names no sender: nobody can be answered")
        return [message]
