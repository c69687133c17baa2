"""`fte ledger`: is everything that was accepted accounted for?"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Annotated

import typer

from cli.database import open_database
from cli.output import echo_json
from core.settings import load_settings
from crm.ledger import Ledger, read_ledger
from crm.pool import transaction


def ledger(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
    """Prove that every accepted message has exactly one outcome. Exit code 1 when the books don't balance."""
    found = asyncio.run(_read())
    if as_json:
        echo_json({**dataclasses.asdict(found), "balanced": found.balanced})
    else:
        for field in dataclasses.fields(found):
            typer.echo(f"{getattr(found, field.name):>8}  {field.name.replace('_', ' ')}")
        typer.echo(
            "balanced: every accepted message is accounted for"
            if found.balanced
            else "NOT BALANCED: look at the lines above"
        )
    if not found.balanced:
        raise typer.Exit(1)


async def _read() -> Ledger:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await read_ledger(conn)
