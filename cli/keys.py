"""`fte keys`: API keys for dashboards, reviewers and scripts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.database import open_database
from cli.output import echo_json
from core.settings import load_settings
from crm.keys import SCOPES, ApiKey, NewKey, create_key, list_keys, revoke_key
from crm.pool import transaction

app = typer.Typer(no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; decisions are recorded under this name.")],
    scope: Annotated[list[str], typer.Option(help=f"Repeatable: {', '.join(SCOPES)}.")],
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days after which it expires; never if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown now and never again."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    new = asyncio.run(_create(name, scope, expires_at))
    if as_json:
        return echo_json({"token": new.token, **_facts(new.key)})
    typer.echo(new.token)
    typer.echo("Keep it safe: only its hash is stored. Use it as `Authorization: Bearer <key>`.", err=True)


@app.command("list")
def list_command(as_json: Json = False) -> None:
    """All keys, without their secrets."""
    keys = asyncio.run(_list())
    if as_json:
        return echo_json([_facts(key) for key in keys])
    for key in keys:
        used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        typer.echo(f"{key.prefix}  {_state(key):<8} {key.name:<20} {','.join(key.scopes)}  {used}")
    if not keys:
        typer.echo("no keys yet: `fte keys create NAME --scope metrics:read` makes one")


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="The eight characters that `fte keys list` shows.")],
    as_json: Json = False,
) -> None:
    """Refuse a key from now on."""
    key = asyncio.run(_revoke(prefix))
    if as_json:
        return echo_json(_facts(key))
    typer.echo(f"{key.prefix} ({key.name}) is revoked")


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= datetime.now(UTC) else "active"


def _facts(key: ApiKey) -> dict[str, object]:
    return {
        "prefix": key.prefix,
        "name": key.name,
        "state": _state(key),
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }


async def _create(name: str, scopes: list[str], expires_at: datetime | None) -> NewKey:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await create_key(conn, name=name, scopes=scopes, expires_at=expires_at)


async def _list() -> list[ApiKey]:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await list_keys(conn)


async def _revoke(prefix: str) -> ApiKey:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await revoke_key(conn, prefix)
