"""WhatsApp through Twilio: parts in order, and after a crash Twilio is asked before anything is sent again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from twilio.rest.api.v2010.account.message import MessageInstance

from channels.whatsapp.client import TwilioApi, never_taken
from channels.whatsapp.inbound import CREATED, read_message
from channels.whatsapp.status import StatusReport, our_status
from core.clock import Clock, SystemClock
from core.errors import ChannelError
from core.models import InboundEvent, InboundMessage, Outgoing, Receipt
from core.vocabulary import Channel

SaveProgress = Callable[[UUID, Mapping[str, Any]], Awaitable[None]]
# Twilio's dates are whole seconds of its own clock; equal text to one person within this time is not ours to expect.
_CLOCK_SKEW: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class WhatsAppConfig:
    """`status_callback_url` is our public address of the status webhook; None where the world cannot reach us."""

    account_sid: str
    auth_token: str = field(repr=False)
    sender: str
    status_callback_url: str | None = None
    base_url: str | None = None
    timeout_s: float = 15.0


class TwilioWhatsApp:
    """`core.ports.ChannelAdapter` of WhatsApp.

    Progress of a delivery: `sids`, the parts that Twilio took; `pending`, the part on its way since when; `seen`, part
    number to message id, which a status callback may have told before our own request came back; `template`, the id and
    the variables of the approved template whose text the one part is.
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

    async def list_received(self, since: datetime, until: datetime) -> list[dict[str, str]]:
        """Messages that Twilio got from customers in that time, oldest first, as bodies of inbound events without media."""
        found = await self._api.list_received(to=whatsapp_address(self._config.sender), since=since)
        return [_as_body(m) for m in found if m.date_created is not None and m.date_created <= until]

    async def with_media(self, body: Mapping[str, str]) -> dict[str, str]:
        """The body with the addresses of its media, as the webhook would have told them."""
        if body["NumMedia"] == "0":
            return dict(body)
        media = await self._api.list_media(body["MessageSid"])
        named = {f"MediaUrl{i}": url for i, (url, _) in enumerate(media)}
        typed = {f"MediaContentType{i}": content_type for i, (_, content_type) in enumerate(media)}
        return {**body, "NumMedia": str(len(media)), **named, **typed}

    async def fetch_report(self, message_id: str, delivery_id: UUID, part: int) -> StatusReport | None:
        """What became of a message that we sent; None where Twilio does not know it (any more)."""
        message = await self._api.fetch(message_id)
        status = our_status(str(message.status)) if message is not None else None
        if message is None or status is None:
            return None
        code = str(message.error_code) if message.error_code else None
        return StatusReport(message_id, str(message.status), status, delivery_id, part, code, message.error_message)

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Send the next part. A receipt with status `sending` says that more parts wait for their turn."""
        sids: list[str] = list(outgoing.progress.get("sids") or ())
        if len(sids) < len(outgoing.parts):
            sids.append(await self._find_sent(outgoing, sids) or await self._send_part(outgoing, len(sids)))
            await self._save(outgoing.delivery_id, {"sids": sids, "pending": None})
        status = "sent" if len(sids) == len(outgoing.parts) else "sending"
        return Receipt(sids[-1], status, {"sids": sids})

    async def close(self) -> None:
        await self._api.close()

    async def _send_part(self, outgoing: Outgoing, part: int) -> str:
        since = self._clock.now().isoformat()
        await self._save(outgoing.delivery_id, {"pending": {"part": part, "since": since}})
        try:
            return await self._api.create(
                to=whatsapp_address(outgoing.recipient),
                sender=whatsapp_address(self._config.sender),
                content=_content(outgoing, part),
                status_callback=self._callback(outgoing.delivery_id, part),
            )
        except ChannelError as error:
            if never_taken(error):
                await self._save(outgoing.delivery_id, {"pending": None})
            raise

    async def _find_sent(self, outgoing: Outgoing, sids: list[str]) -> str | None:
        """The id of the next part, if it went out although we did not live to note it."""
        part, pending = len(sids), outgoing.progress.get("pending") or {}
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


def _content(outgoing: Outgoing, part: int) -> dict[str, str]:
    template = outgoing.progress.get("template")
    if template is None:
        return {"body": outgoing.parts[part]}
    return {"content_sid": template["sid"], "content_variables": json.dumps(template["variables"], ensure_ascii=False)}


def _as_body(message: MessageInstance) -> dict[str, str]:
    assert message.date_created is not None
    return {
        "MessageSid": str(message.sid),
        "From": str(message.from_),
        "To": str(message.to),
        "Body": (message.body or "").replace("\x00", ""),
        "NumMedia": str(message.num_media or "0"),
        CREATED: message.date_created.isoformat(),
    }
