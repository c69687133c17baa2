"""What the front door counts for Prometheus: base units, channel as a label, never an id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

from core.errors import DatabaseUnavailable
from core.vocabulary import Channel

webhook_requests = Counter(
    "support_webhook_requests", "Calls of providers and of the form, by what became of them", ["channel", "outcome"]
)
messages_received = Counter("support_messages_received", "Messages accepted and stored", ["channel"])
messages_deduplicated = Counter("support_messages_deduplicated", "Messages that had been accepted before", ["channel"])
webhook_ack = Histogram(
    "support_webhook_ack_duration_seconds",
    "From the start of the handler to the answer, commit included",
    ["channel"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


@contextmanager
def acknowledging(channel: Channel) -> Iterator[None]:
    """Time an answer, and count one that the database's absence prevented."""
    with webhook_ack.labels(channel).time():
        try:
            yield
        except DatabaseUnavailable:
            count_refused(channel, "unavailable")
            raise


def count_accepted(channel: Channel, *, duplicate: bool, message: bool = True) -> None:
    """A stored event; only what a customer wrote counts as a message."""
    webhook_requests.labels(channel, "duplicate" if duplicate else "accepted").inc()
    if message:
        (messages_deduplicated if duplicate else messages_received).labels(channel).inc()


def count_refused(channel: Channel, outcome: str) -> None:
    webhook_requests.labels(channel, outcome).inc()
