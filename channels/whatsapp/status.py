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

# A failure is final, unless we know that the customer got the message: hence it stands between sent and delivered,
# and the highest rank seen is the truth in whatever order the reports come.
RANK: Final[Mapping[str, int]] = {
    "accepted": 0,
    "scheduled": 1,
    "queued": 2,
    "sending": 3,
    "sent": 4,
    "partially_delivered": 4,
    "failed": 5,
    "undelivered": 5,
    "canceled": 5,
    "delivered": 6,
    "read": 7,
}
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
    if not sid or status not in _DELIVERY:
        raise InvalidInbound(f"A status callback needs MessageSid and a known MessageStatus, not {status[:40]!r}")
    return StatusReport(
        provider_message_id=sid,
        provider_status=status,
        status=_DELIVERY[status],
        delivery_id=_uuid(query.get("oid")),
        part=int(part) if (part := query.get("part", "")).isdecimal() else None,
        error_code=params.get("ErrorCode") or None,
        error=params.get("ErrorMessage") or None,
    )


def higher(current: str, new: str) -> str:
    """Which of two statuses of one message is nearer the truth; a tie keeps the first. Twilio's words or ours."""
    return new if RANK[new] > RANK[current] else current


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
