"""`fte customers suggest|accept|reject`: who might be one person, and what a person says to it."""

from __future__ import annotations

import asyncio
import getpass
from typing import Annotated
from uuid import UUID

import typer

from cli.database import open_database
from cli.output import echo_json
from cli.transact import DataDir, Json, Reason, settings_of, transact
from core.settings import Settings
from crm.merges import accept_suggestion
from crm.pool import transaction
from crm.suggestions import Suggestion, list_living, list_suggestions, reject_suggestion, suggest_for

_PAGE = 500
Number = Annotated[int, typer.Argument(help="The number that `fte customers suggest` prints.", min=1)]


def suggest(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Look at every customer for others who might be the same person, and list what waits for a decision, surest first."""
    found = asyncio.run(_suggest(settings_of(data_dir)))
    if as_json:
        return echo_json(found)
    for one in found:
        names = f"{one.one_name or '(no name)'} / {one.other_name or '(no name)'}"
        typer.echo(f"{one.id:>6}  {one.score:.2f}  {one.one_id}  {one.other_id}  {names}: {', '.join(one.reasons)}")
    if not found:
        typer.echo("nobody looks like anybody else")


def accept(
    suggestion_id: Number, reason: Reason = "the suggestion is right", data_dir: DataDir = None, as_json: Json = False
) -> None:
    """They are one person: merge them. The customer with a proved address, then the older one, survives."""

    made = transact(data_dir, lambda conn: accept_suggestion(conn, suggestion_id, reason=reason, by=getpass.getuser()))
    if as_json:
        return echo_json(made)
    typer.echo(f"merge {made.id}: {made.merged_id} is now {made.survivor_id}")


def reject(suggestion_id: Number, data_dir: DataDir = None, as_json: Json = False) -> None:
    """They are two people: the pair is not suggested again."""
    transact(data_dir, lambda conn: reject_suggestion(conn, suggestion_id, by=getpass.getuser()))
    echo_json({"id": suggestion_id, "status": "rejected"}) if as_json else typer.echo("rejected")


async def _suggest(settings: Settings) -> list[Suggestion]:
    """Page by page, so that no lock is held for long."""
    after = UUID(int=0)
    async with open_database(settings) as pool:
        while True:
            async with transaction(pool) as conn:
                page = await list_living(conn, after=after, limit=_PAGE)
                if not page:
                    return await list_suggestions(conn)
                for customer_id in page:
                    await suggest_for(conn, customer_id)
            after = page[-1]
