"""What can go wrong, one class a cause. The docstring is the message; ids are attributes."""

from __future__ import annotations

from typing import Any


class SupportError(Exception):
    """Something in the product went wrong."""

    def __init__(self, detail: str | None = None, **ids: Any) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.ids = ids
        super().__init__(self.detail)


class ConfigurationError(SupportError):
    """A setting is missing or wrong."""


class DatabaseUnavailable(SupportError):
    """The database cannot be reached right now; try again in a few seconds."""


class BusUnavailable(SupportError):
    """The event bus cannot be reached right now; the outbox keeps the events."""


class NotFound(SupportError):
    """There is no such thing."""


class Conflict(SupportError):
    """Somebody else was faster, or the same key was used for something different."""


class StaleTurn(SupportError):
    """Another worker has taken this turn over; what this one made is thrown away."""


class TurnBusy(SupportError):
    """Another worker is running a turn of this conversation."""


class HandOverFence(SupportError):
    """A person has taken the conversation over since this reply was begun; it is not sent."""


class LoopSuspected(SupportError):
    """Too many replies in too short a time: another machine may be answering."""


class PolicyRefusal(SupportError):
    """The policy forbids this text."""


class OrderViolation(SupportError):
    """A tool was called before the step that must come first."""


class ModelError(SupportError):
    """The language model failed or answered with something unusable."""


class BudgetSpent(SupportError):
    """The budget for language models is spent; a person takes over."""


class ChannelError(SupportError):
    """A provider refused or could not be reached."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        permanent: bool = False,
        retry_after_s: float | None = None,
        code: str | None = None,
        **ids: Any,
    ) -> None:
        super().__init__(detail, **ids)
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.code = code


class RecipientStopped(ChannelError):
    """The recipient has asked us to stop; only their own START changes that."""


class WindowClosed(ChannelError):
    """The customer wrote more than 24 hours ago: WhatsApp takes only approved templates now."""


class InvalidInbound(SupportError):
    """What came in cannot be understood; a person looks at it."""
