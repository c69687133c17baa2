"""WhatsApp through Twilio: parts in order, and after a crash Twilio is asked before anything is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from channels.whatsapp.client import TIMEOUT, TwilioApi
from channels.whatsapp.inbound import read_message
from core.clock import Clock, SystemClock
from core.errors import ChannelError
from core.models import InboundEvent, InboundMessage, Outgoing, Receipt
from core.vocabulary import Channel

SaveProgress = Callable[[UUID, Mapping[str, Any]], Awaitable[None]]
# Twilio's dates are whole seconds of its own clock; equal text to one person within this time is not ours to expect.
_CLOCK_SKEW: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class WhatsAppConfig:
    """`status_callback_url` is our public address of the status webhook; None where the world cannot reach us.

    `send_timeout_s` stays below the lease of a delivery: nobody else may begin while we are still at it.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    sender: str
    status_callback_url: str | None = None
    base_url: str | None = None
    timeout_s: float = 15.0
    send_timeout_s: float = 45.0
    part_pause_s: float = 1.0


class TwilioWhatsApp:
    """`core.ports.ChannelAdapter` of WhatsApp.

    Progress of a delivery: `sids`, the parts that Twilio took; `pending`, the part on its way since when; `seen`, part
    number to message id, which a status callback may have told before our own request came back.
    """

    def __init__(self, config: WhatsAppConfig, save_progress: SaveProgress, clock: Clock | None = None) -> None:
        self._config = config
        self._save = save_progress
        self._clock = clock or SystemClock()
        self._api = TwilioApi(
            config.account_sid, config.auth_token, base_url=config.base_url, timeout_s=config.timeout_s
        )

    @property
    def channel(self) -> Channel:
        return "whatsapp"

    async def read(self, event: InboundEvent) -> list[InboundMessage]:
        if event.kind != "message":
            return []
        return [read_message(event.body, event.received_at)]

    async def list_received(self, since: datetime) -> list[dict[str, str]]:
        """Messages that Twilio has from customers, as bodies of inbound events: some may never have come by webhook."""
        found = await self._api.list_received(to=whatsapp_address(self._config.sender), since=since)
        return [
            {
                "MessageSid": str(m.sid),
                "From": str(m.from_),
                "To": str(m.to),
                "Body": (m.body or "").replace("\x00", ""),
                "NumMedia": str(m.num_media or "0"),
            }
            for m in found
        ]

    async def send(self, outgoing: Outgoing) -> Receipt:
        try:
            async with asyncio.timeout(self._config.send_timeout_s):
                return await self._send(outgoing)
        except TimeoutError as error:
            raise ChannelError("Sending all parts took too long; the rest follows", code=TIMEOUT) from error

    async def close(self) -> None:
        await self._api.close()

    async def _send(self, outgoing: Outgoing) -> Receipt:
        sids: list[str] = list(outgoing.progress.get("sids") or ())
        pending = outgoing.progress.get("pending")
        for part in range(len(sids), len(outgoing.parts)):
            sid = await self._find_sent(outgoing, part, pending, sids) if pending else None
            sids.append(sid or await self._send_part(outgoing, part))
            pending = None
            await self._save(outgoing.delivery_id, {"sids": sids, "pending": None})
            if part + 1 < len(outgoing.parts):
                await asyncio.sleep(self._config.part_pause_s)
        return Receipt(sids[-1], "sent", {"sids": sids})

    async def _send_part(self, outgoing: Outgoing, part: int) -> str:
        since = self._clock.now().isoformat()
        await self._save(outgoing.delivery_id, {"pending": {"part": part, "since": since}})
        try:
            return await self._api.create(
                to=whatsapp_address(outgoing.recipient),
                sender=whatsapp_address(self._config.sender),
                body=outgoing.parts[part],
                status_callback=self._callback(outgoing.delivery_id, part),
            )
        except ChannelError as error:
            if _refused(error):
                await self._save(outgoing.delivery_id, {"pending": None})
            raise

    async def _find_sent(
        self, outgoing: Outgoing, part: int, pending: Mapping[str, Any], sids: list[str]
    ) -> str | None:
        """The id of a part that went out although we did not live to note it."""
        seen = outgoing.progress.get("seen") or {}
        if sid := seen.get(str(part)):
            return str(sid)
        if pending.get("part") != part:
            return None
        since = datetime.fromisoformat(str(pending["since"])) - _CLOCK_SKEW
        sent = await self._api.list_sent(
            to=whatsapp_address(outgoing.recipient), sender=whatsapp_address(self._config.sender), since=since
        )
        return next((m.sid for m in sent if m.body == outgoing.parts[part] and m.sid not in sids), None)

    def _callback(self, delivery_id: UUID, part: int) -> str | None:
        if not self._config.status_callback_url:
            return None
        return f"{self._config.status_callback_url}?{urlencode({'oid': str(delivery_id), 'part': part})}"


def whatsapp_address(address: str) -> str:
    return address if address.startswith("whatsapp:") else f"whatsapp:{address}"


def _refused(error: ChannelError) -> bool:
    """True where Twilio certainly did not take the message; a time-out or a 5xx leaves that open."""
    return error.code is not None and (error.permanent or error.retry_after_s is not None)
