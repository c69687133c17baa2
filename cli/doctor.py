"""`fte doctor`: is everything in place, and if not, what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import typer

from cli.database import open_database
from cli.demo import find_demo_providers
from cli.deps import build_bus, make_embedder, make_judging_embedder, make_mind
from cli.output import echo_json
from cli.provider import check_provider
from core.errors import ConfigurationError, SupportError
from core.policy import Policy
from core.profile import load_intents, load_profile
from core.settings import Settings, load_settings
from crm.knowledge.search import KnowledgeBase
from crm.mailboxes import MailboxState, list_mailboxes
from crm.pool import transaction

Check = Callable[[Settings], Awaitable[str]]


def doctor(
    probe: Annotated[
        bool, typer.Option("--probe", help="Call the language models, too, which costs a fraction of a cent.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Check settings, dossier, models, provider, database, knowledge, bus and channels. Exit code 1 when something is broken."""
    findings = asyncio.run(_examine(load_settings(), probe=probe))
    if as_json:
        echo_json(findings)
    else:
        for finding in findings:
            typer.echo(f"{'ok ' if finding['ok'] else 'BAD'}  {finding['check']:<10} {finding['detail']}")
    if not all(finding["ok"] for finding in findings):
        raise typer.Exit(1)


async def _examine(settings: Settings, *, probe: bool) -> list[dict]:
    checks: dict[str, Check] = {
        "dossier": _dossier,
        "model": _model,
        "provider": partial(check_provider, probe=probe),
        "database": _database,
        "bus": _bus,
        "channels": _channels,
        "mailbox": _mailbox,
        "pages": _pages,
    }
    findings = []
    for name, check in checks.items():
        try:
            findings.append({"check": name, "ok": True, "detail": await check(settings)})
        except SupportError as error:
            findings.append({"check": name, "ok": False, "detail": error.detail})
    return findings


async def _dossier(settings: Settings) -> str:
    folder = settings.dossier_dir
    profile = load_profile(folder)
    policy = Policy.load(folder / "policy.yaml", folder / "profile.yaml")
    intents = load_intents(folder / "intents.yaml")
    return f"{profile.name}: policy {policy.version_hash[:12]}, {len(intents)} intents"


async def _model(settings: Settings) -> str:
    finding, judging = make_embedder(settings), make_judging_embedder()
    for embedder in (finding, judging):
        await embedder.embed(["hello"])
    mind = make_mind(settings, finding, judging=judging)
    return f"mind {mind.name}, {finding.model_id} finds, {judging.model_id} judges"


async def _database(settings: Settings) -> str:
    async with open_database(settings) as pool, transaction(pool) as conn:
        row = await (
            await conn.execute("select current_setting('server_version'), (select count(*) from tickets)")
        ).fetchone()
        await KnowledgeBase(pool, make_embedder(settings)).search("hello")
    assert row is not None
    where = "configured" if settings.database_url else f"embedded in {settings.data_dir}"
    return f"PostgreSQL {row[0]}, {where}, {row[1]} tickets"


async def _bus(settings: Settings) -> str:
    bus = build_bus(settings, client_id="fte-doctor")
    await bus.start()
    try:
        health = await bus.health()
    finally:
        await bus.stop()
    if not health.ok:
        raise ConfigurationError(f"the bus does not answer: {health.detail}")
    return health.detail


async def _channels(settings: Settings) -> str:
    states = {"web_form": True, "email": settings.gmail_configured, "whatsapp": settings.twilio_configured}
    demo = find_demo_providers(settings.data_dir) is not None
    otherwise = "answered by the demo's own provider" if demo else "not configured"
    return ", ".join(f"{channel} {'configured' if on else otherwise}" for channel, on in states.items())


async def _mailbox(settings: Settings) -> str:
    async with open_database(settings) as pool, transaction(pool) as conn:
        states = await list_mailboxes(conn)
    for state in states:
        if state.reauth_since is not None:
            since = f"since {state.reauth_since:%Y-%m-%d %H:%M} UTC"
            raise ConfigurationError(f"{state.address} needs a new permission {since}: run `fte gmail auth`")
    found = [f"{state.address} {_how_it_fares(state)}" for state in states]
    return "; ".join(found) or "no mailbox was read yet"


def _how_it_fares(state: MailboxState) -> str:
    read = f"read at {state.synced_at:%Y-%m-%d %H:%M} UTC" if state.synced_at else "not read yet"
    watch = f"pushes until {state.watch_expires_at:%Y-%m-%d}" if state.watch_expires_at else "no pushes"
    return f"{read}, {watch}" + (f" (last error: {state.last_error})" if state.last_error else "")


async def _pages(settings: Settings) -> str:
    if not (settings.web_dir / "index.html").is_file():
        raise ConfigurationError(
            f"the web form is not built in {settings.web_dir}: run `make web`; until then a plain form is served"
        )
    return f"built in {settings.web_dir}"
