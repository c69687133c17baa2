"""What the API needs and does not make: handed in once by the wiring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from starlette.requests import HTTPConnection

from channels.whatsapp.media import MediaFetcher
from channels.whatsapp.signature import SignatureSecrets
from core.clock import Clock
from core.profile import CompanyProfile
from crm.pool import Pool

# The longest that somebody who asked is kept waiting for the database.
ANSWER_TIMEOUT_S = 6.0

# Why the bearer token of a push must not be believed, in a word for a counter; None if Google signed it for us.
PushVerifier: TypeAlias = Callable[[str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class ApiContext:
    """`public_base_url` is the address that Twilio signs; `bus_health` answers whether the conveyor can be reached.

    A verifier, and what fetches media, is None where its channel is not configured. The mailbox and subscription are the
    ones that we answer.
    """

    pool: Pool
    profile: CompanyProfile
    clock: Clock
    version: str
    public_base_url: str | None = None
    web_dir: Path | None = None
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 1_000_000
    submit_rate_per_minute: int = 30
    whatsapp_secrets: SignatureSecrets | None = None
    whatsapp_media: MediaFetcher | None = None
    push_verifier: PushVerifier | None = None
    mailbox: str | None = None
    push_subscription: str | None = None
    bus_health: Callable[[], Awaitable[bool]] | None = None

    @property
    def has_web_pages(self) -> bool:
        return self.web_dir is not None and (self.web_dir / "index.html").is_file()


def context_of(connection: HTTPConnection) -> ApiContext:
    """The context of the app that handles a request."""
    return connection.app.state.context
