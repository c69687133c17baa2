"""What can go wrong with an event. A bus that is away raises `core.errors.BusUnavailable`."""

from __future__ import annotations

from core.errors import SupportError


class PoisonEvent(SupportError):
    """These bytes are no event of ours; `reason` says why and holds none of their content."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not an event: {reason}")
        self.reason = reason


class EventTooLarge(SupportError):
    """The event is over the size limit; put the content into the database and its id into the event."""


class UnknownTopic(SupportError):
    """The bus has no such topic; add it to events/topics.py."""
