"""What Twilio reports about a message we sent: out of order, more than once, sometimes before its own answer.

https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from core.errors import InvalidInbound
from core.vocabulary import DeliveryStatus

_DELIVERY: Final[Mapping[str, DeliveryStatus]] = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "sending",
    "sent": "sent",
    "partially_delivered": "sent",
    "failed": "failed",
    "undelivered": "failed",
    "canceled": "failed",
    "delivered": "delivered",
    "read": "read",
}


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`delivery_id` and `part` come from our own callback address; without them the message id must do."""

    provider_message_id: str
    provider_status: str
    status: DeliveryStatus
    delivery_id: UUID | None
    part: int | None
    error_code: str | None
    error: str | None

    @property
    def source_key(self) -> str:
        """The same report again is the same event."""
        return f"{self.provider_message_id}:{self.provider_status}:{self.error_code or ''}"


def read_status(params: Mapping[str, str], query: Mapping[str, str]) -> StatusReport:
    """A status callback: the form and the query of our callback address. Raises InvalidInbound."""
    sid = params.get("MessageSid") or params.get("SmsSid")
    status = (params.get("MessageStatus") or params.get("SmsStatus") or "").lower()
    ours = our_status(status)
    if not sid or ours is None:
        raise InvalidInbound(f"A status callback needs MessageSid and a known MessageStatus, not {status[:40]!r}")
    return StatusReport(
        provider_message_id=sid,
        provider_status=status,
        status=ours,
        delivery_id=_uuid(query.get("oid")),
        part=int(part) if (part := query.get("part", "")).isdecimal() else None,
        error_code=params.get("ErrorCode") or None,
        error=params.get("ErrorMessage") or None,
    )


def our_status(twilio_status: str) -> DeliveryStatus | None:
    """Twilio's word in ours; None for one that says nothing about a message we sent."""
    return _DELIVERY.get(twilio_status.lower())


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
