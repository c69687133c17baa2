"""The order of what becomes of a message: reports come late, twice and out of order, and the highest is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.vocabulary import DeliveryStatus

# A failure is final, unless the customer is known to have got the message: hence it stands between sent and delivered.
ORDER: Final[tuple[DeliveryStatus, ...]] = ("queued", "sending", "sent", "failed", "delivered", "read")


def higher(current: DeliveryStatus, new: DeliveryStatus) -> DeliveryStatus:
    """Which of two statuses of one message is nearer the truth; a tie keeps the first."""
    return new if ORDER.index(new) > ORDER.index(current) else current


def overall(parts: Sequence[DeliveryStatus | None]) -> DeliveryStatus | None:
    """The status of a message by those of its parts. One failed part fails it; None while a part is not known."""
    if "failed" in parts:
        return "failed"
    known: list[DeliveryStatus] = [part for part in parts if part is not None]
    return min(known, key=ORDER.index) if known and len(known) == len(parts) else None
