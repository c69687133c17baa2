"""The topics of the conveyor. What a retention bounds is how long an event, never the truth, outlives its row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from core.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class Topic:
    """`partitions` caps how many members of one group can share the work."""

    name: str
    partitions: int = 6
    retention: timedelta = timedelta(days=7)


EMAIL_INBOUND: Final = "fte.channels.email.inbound"
WHATSAPP_INBOUND: Final = "fte.channels.whatsapp.inbound"
WEBFORM_INBOUND: Final = "fte.channels.webform.inbound"
TICKETS_INCOMING: Final = "fte.tickets.incoming"
EMAIL_OUTBOUND: Final = "fte.channels.email.outbound"
WHATSAPP_OUTBOUND: Final = "fte.channels.whatsapp.outbound"
WEBFORM_OUTBOUND: Final = "fte.channels.webform.outbound"
ESCALATIONS: Final = "fte.escalations"
METRICS: Final = "fte.metrics"
DLQ: Final = "fte.dlq"

ALL_TOPICS: Final[tuple[Topic, ...]] = (
    Topic(EMAIL_INBOUND),
    Topic(WHATSAPP_INBOUND),
    Topic(WEBFORM_INBOUND),
    Topic(TICKETS_INCOMING, partitions=12),
    Topic(EMAIL_OUTBOUND),
    Topic(WHATSAPP_OUTBOUND),
    Topic(WEBFORM_OUTBOUND),
    Topic(ESCALATIONS, partitions=3),
    Topic(METRICS, partitions=3, retention=timedelta(days=3)),
    Topic(DLQ, partitions=1, retention=timedelta(days=30)),
)

_INBOUND: Final[dict[Channel, str]] = {
    "email": EMAIL_INBOUND,
    "whatsapp": WHATSAPP_INBOUND,
    "web_form": WEBFORM_INBOUND,
}
_OUTBOUND: Final[dict[Channel, str]] = {
    "email": EMAIL_OUTBOUND,
    "whatsapp": WHATSAPP_OUTBOUND,
    "web_form": WEBFORM_OUTBOUND,
}


def inbound_topic(channel: Channel) -> str:
    """Where the edge's accepted events of a channel go."""
    return _INBOUND[channel]


def outbound_topic(channel: Channel) -> str:
    """Where replies wait for the channel's delivery."""
    return _OUTBOUND[channel]
