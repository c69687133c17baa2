"""`fte customers`: who is behind an address."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.deps import open_database
from cli.output import echo_json
from core.errors import NotFound
from core.settings import Settings, load_settings
from crm.pool import transaction
from crm.views import CustomerView, find_customers

app = typer.Typer(no_args_is_help=True)


@app.callback()
def customers() -> None:
    """Customers and their addresses."""


@app.command()
def show(
    address: Annotated[str, typer.Argument(help="An email address, or a phone number as +15550001111.")],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the embedded PostgreSQL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """The customers known by an address: the proved one first, then whoever merely claimed it."""
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    found = asyncio.run(_find(settings, address))
    if not found:
        raise NotFound(f"Nobody is known as {address}")
    if as_json:
        return echo_json(found)
    for customer in found:
        since = f"known by a {customer.evidence} address since {customer.created_at:%Y-%m-%d}"
        typer.echo(f"{customer.id}  {customer.name or '(no name)'}  {since}")
        for identifier in customer.identifiers:
            typer.echo(f"    {identifier.kind:<10} {identifier.value}  ({identifier.evidence})")
        for conversation in customer.conversations:
            typer.echo(f"    {conversation.id}  {conversation.channel:<9} {conversation.subject or ''}")


async def _find(settings: Settings, address: str) -> list[CustomerView]:
    async with open_database(settings) as pool, transaction(pool) as conn:
        return await find_customers(conn, "email" if "@" in address else "phone", address)
