"""`fte gmail`: connect the mailbox, keep its pushes, read what is new."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import typer

from channels.email.adapter import GmailChannel
from channels.email.consent import OAuthClient, ask_owner
from channels.email.gmail import GmailApi, GmailConfig, oauth_credentials
from cli.database import open_database
from cli.deps import build_adapters, reveal
from cli.output import echo_json
from core.errors import ConfigurationError
from core.settings import Settings, load_settings
from crm.mailboxes import note_synced, note_watch
from crm.pool import Pool, transaction

app = typer.Typer(no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_TOKEN = "FTE_GMAIL_REFRESH_TOKEN"  # noqa: S105 - the name of a variable
# What `auth` is run to find out, or does not need: the settings want the whole of Gmail or nothing of it.
_NOT_YET = ("gmail_refresh_token", "gmail_push_audience", "gmail_push_service_account", "gmail_push_subscription")


@app.command()
def auth(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Loopback port for the answer; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the browser, or only show the address.")] = True,
    timeout_s: Annotated[int, typer.Option(min=1, help="Seconds to wait for the answer.")] = 300,
    as_json: Json = False,
) -> None:
    """Ask the mailbox's owner for permission and print the refresh token as a line for .env.

    Needs FTE_GMAIL_ADDRESS, FTE_GMAIL_CLIENT_ID and FTE_GMAIL_CLIENT_SECRET of a client of the kind "Desktop app".
    """
    settings = load_settings(**dict.fromkeys(_NOT_YET, "not yet"))
    client_id, secret = settings.gmail_client_id or "", reveal(settings.gmail_client_secret)
    client = OAuthClient(client_id, secret, settings.gmail_auth_url, settings.gmail_token_url)
    address = settings.gmail_address or ""
    token = ask_owner(client, address, port=port, open_browser=browser, timeout_s=timeout_s)
    asyncio.run(_refuse_another_mailbox(settings, client, token))
    if as_json:
        return echo_json({"address": address, "variable": _TOKEN, "refresh_token": token})
    typer.echo(f"{_TOKEN}={token}")
    typer.echo("Put this line into .env or your secret store, and restart what runs: it is shown only here.", err=True)


@app.command()
def watch(
    stop: Annotated[bool, typer.Option("--stop", help="End the pushes instead.")] = False, as_json: Json = False
) -> None:
    """Begin or renew Gmail's pushes now. A running product renews them by itself where FTE_GMAIL_TOPIC is set."""
    until = asyncio.run(_stop(load_settings()) if stop else _watch(load_settings()))
    if as_json:
        return echo_json({"expires_at": until})
    typer.echo(f"pushes until {until:%Y-%m-%d %H:%M} UTC" if until else "no more pushes; new mail is found by looking")


@app.command()
def sync(
    full: Annotated[bool, typer.Option("--full", help="List the inbox of the last 7 days, whatever was read.")] = False,
    as_json: Json = False,
) -> None:
    """Read now what is new in the mailbox; what was read before is not read again."""
    found = asyncio.run(_sync(load_settings(), full=full))
    if as_json:
        return echo_json({"new": found})
    typer.echo(f"{found} new")


async def _refuse_another_mailbox(settings: Settings, client: OAuthClient, token: str) -> None:
    """People have several accounts, and a browser remembers the wrong one."""
    address = (settings.gmail_address or "").lower()
    credentials = oauth_credentials(
        client_id=client.client_id, client_secret=client.client_secret, refresh_token=token, token_url=client.token_url
    )
    api = GmailApi(GmailConfig(address, base_url=settings.gmail_base_url), credentials)
    try:
        connected = await api.profile_address()
    finally:
        await api.close()
    if connected != address:
        raise ConfigurationError(
            f"You signed in as {connected}, but FTE_GMAIL_ADDRESS is {address}: sign in as that one, or change it"
        )


async def _watch(settings: Settings) -> datetime:
    if not settings.gmail_topic:
        raise ConfigurationError("FTE_GMAIL_TOPIC is not set: name the Pub/Sub topic, projects/PROJECT/topics/TOPIC")
    async with _mailbox(settings) as (channel, pool):
        until = await channel.watch(settings.gmail_topic)
        async with transaction(pool) as conn:
            await note_watch(conn, channel.address, until)
    return until


async def _stop(settings: Settings) -> None:
    async with _mailbox(settings) as (channel, pool):
        await channel.stop_watch()
        async with transaction(pool) as conn:
            await note_watch(conn, channel.address, None)


async def _sync(settings: Settings, *, full: bool) -> int:
    async with _mailbox(settings) as (channel, pool):
        found = await channel.sync(full=full)
        async with transaction(pool) as conn:
            await note_synced(conn, channel.address)
    return found


@contextlib.asynccontextmanager
async def _mailbox(settings: Settings) -> AsyncIterator[tuple[GmailChannel, Pool]]:
    if not settings.gmail_configured:
        raise ConfigurationError("Gmail is not configured: set FTE_GMAIL_ADDRESS and what .env.example lists below it")
    async with open_database(settings) as pool:
        channel = build_adapters(settings, pool)["email"]
        assert isinstance(channel, GmailChannel)
        try:
            yield channel, pool
        finally:
            await channel.close()
