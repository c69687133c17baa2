"""The demo's providers: where nothing is configured, a Gmail and a Twilio of our own answer on this machine.

They speak the real wire format to the real clients, so the demo has all three channels and nothing leaves the machine.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount

from core.profile import load_profile
from core.settings import Settings, load_settings
from simulation.gmail import GmailFake
from simulation.gmail_mailbox import Mailbox
from simulation.google_login import GoogleLogin
from simulation.serve import serve
from simulation.twilio import TwilioFake

_ADDRESSES = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoProviders:
    """Where the product and the demo's providers answer."""

    api: str
    gmail: str | None
    twilio: str | None


@contextlib.asynccontextmanager
async def demo_providers(settings: Settings, api_url: str) -> AsyncIterator[Settings]:
    """The settings with every unconfigured provider replaced by a demo one, which runs while the block does."""
    overrides: dict[str, object] = {} if settings.public_base_url else {"public_base_url": api_url}
    async with contextlib.AsyncExitStack() as stack:
        gmail = await stack.enter_async_context(_gmail(settings, api_url, overrides))
        twilio = await stack.enter_async_context(_twilio(settings, api_url, overrides))
        note = settings.data_dir / _ADDRESSES
        note.parent.mkdir(parents=True, exist_ok=True)  # with a database elsewhere nobody has made it
        note.write_text(json.dumps({"api": api_url, "gmail": gmail, "twilio": twilio}))
        try:
            yield settings.model_copy(update=overrides)
        finally:
            note.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def _gmail(settings: Settings, api_url: str, overrides: dict[str, object]) -> AsyncIterator[str | None]:
    if settings.gmail_configured:
        yield None
        return
    audience = f"{api_url}/webhooks/gmail"
    login = GoogleLogin(audience=audience, client_secret=secrets.token_hex(8), refresh_token=secrets.token_hex(8))
    address = load_profile(settings.dossier_dir).support_email
    # A history that begins with the clock is ahead of whatever cursor an earlier demo left in the database.
    fake = GmailFake(mailbox=Mailbox(address, history_id=int(time.time())), login=login, push_url=audience)
    async with serve(fake.app()) as url:
        secret = load_settings(
            gmail_address=fake.mailbox.address,
            gmail_client_id=login.client_id,
            gmail_client_secret=login.client_secret,
            gmail_refresh_token=login.refresh_token,
            gmail_push_audience=audience,
            gmail_push_service_account=login.service_account,
            gmail_push_subscription=fake.subscription,
        )
        names = (
            "address",
            "client_id",
            "client_secret",
            "refresh_token",
            "push_audience",
            "push_service_account",
            "push_subscription",
        )
        overrides |= {f"gmail_{name}": getattr(secret, f"gmail_{name}") for name in names}
        overrides |= {
            "gmail_topic": "projects/demo/topics/gmail",
            "gmail_base_url": url,
            "gmail_token_url": f"{url}/token",
            "gmail_jwks_url": f"{url}/oauth2/v3/certs",
        }
        yield url


@contextlib.asynccontextmanager
async def _twilio(settings: Settings, api_url: str, overrides: dict[str, object]) -> AsyncIterator[str | None]:
    if settings.twilio_configured:
        yield None
        return
    fake = TwilioFake(auth_token=secrets.token_hex(16), webhook_url=f"{api_url}/webhooks/whatsapp")
    async with serve(fake.app()) as url:
        secret = load_settings(
            twilio_account_sid=fake.account_sid, twilio_auth_token=fake.auth_token, twilio_whatsapp_from=fake.number
        )
        overrides |= {
            f"twilio_{name}": getattr(secret, f"twilio_{name}")
            for name in ("account_sid", "auth_token", "whatsapp_from")
        }
        overrides["twilio_base_url"] = url
        yield url


def provider_app(settings: Settings) -> Starlette:
    """Both providers as one app that answers to what the settings hold; for a cluster, where they run apart."""
    base = (settings.public_base_url or "http://127.0.0.1:8000").rstrip("/")
    login = GoogleLogin(
        client_id=settings.gmail_client_id or "",
        client_secret=_reveal(settings.gmail_client_secret),
        refresh_token=_reveal(settings.gmail_refresh_token),
        audience=settings.gmail_push_audience or "",
        service_account=settings.gmail_push_service_account or "",
    )
    gmail = GmailFake(
        mailbox=Mailbox(settings.gmail_address or "support@company.example", history_id=int(time.time())),
        login=login,
        subscription=settings.gmail_push_subscription or "",
        push_url=f"{base}/webhooks/gmail",
    )
    twilio = TwilioFake(
        account_sid=settings.twilio_account_sid or "",
        auth_token=_reveal(settings.twilio_auth_token),
        number=settings.twilio_whatsapp_from or "",
        webhook_url=f"{base}/webhooks/whatsapp",
    )
    return Starlette(routes=[Mount("/gmail", app=gmail.app()), Mount("/twilio", app=twilio.app())])


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def find_demo_providers(data_dir: Path) -> DemoProviders | None:
    """Where a running `fte up` and its providers answer; None when none runs."""
    try:
        note = json.loads((data_dir / _ADDRESSES).read_text())
    except (OSError, ValueError):
        return None
    return DemoProviders(note["api"], note["gmail"], note["twilio"])
