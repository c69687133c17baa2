"""`fte dlq`: what no worker could process, and what to do about it."""

from __future__ import annotations

import asyncio
import getpass
from typing import Annotated
from uuid import UUID

import typer
from psycopg import AsyncConnection

from cli.database import open_database
from cli.output import echo_json
from core.errors import Conflict
from core.settings import load_settings
from crm.dead_letters import DeadLetter, get_dead_letter, list_dead_letters, resolve_dead_letter
from crm.inbound import reopen_event
from crm.outbox import add_event
from crm.pool import transaction
from events.envelope import Envelope

app = typer.Typer(no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command("list")
def list_command(
    status: Annotated[str, typer.Option(help="open, replayed or dropped.")] = "open", as_json: Json = False
) -> None:
    """Dead letters, oldest first."""
    letters = asyncio.run(_list(status))
    if as_json:
        return echo_json(letters)
    for letter in letters:
        typer.echo(
            f"{letter.id}  {letter.created_at:%Y-%m-%d %H:%M}  {letter.topic:<32} {letter.error_class}: {letter.error[:80]}"
        )
    if not letters:
        typer.echo(f"no {status} dead letters")


@app.command()
def show(letter_id: UUID, as_json: Json = False) -> None:
    """One dead letter: the event, the error and the attempts."""
    letter = asyncio.run(_get(letter_id))
    if as_json:
        return echo_json(letter)
    typer.echo(f"{letter.topic}  {letter.type or 'not an event'}  attempts {letter.attempts}  {letter.status}")
    typer.echo(f"{letter.error_class}: {letter.error}\n\n{letter.raw.decode('utf-8', 'replace')}")


@app.command()
def replay(letter_id: UUID, as_json: Json = False) -> None:
    """Publish the event again, as new; handlers are idempotent, so nothing is done twice."""
    letter = asyncio.run(_replay(letter_id))
    echo_json(letter) if as_json else typer.echo("published again")


@app.command()
def drop(letter_id: UUID, as_json: Json = False) -> None:
    """Decide that nothing will be done about it. The letter stays on record."""
    letter = asyncio.run(_resolve(letter_id, "dropped"))
    echo_json(letter) if as_json else typer.echo("dropped")


async def _list(status: str) -> list[DeadLetter]:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await list_dead_letters(conn, status=status)


async def _get(letter_id: UUID) -> DeadLetter:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await get_dead_letter(conn, letter_id)


async def _replay(letter_id: UUID) -> DeadLetter:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        letter = await get_dead_letter(conn, letter_id)
        if letter.type is None:
            raise Conflict(
                "These bytes are no event, so they cannot be published again; drop the letter when you have seen it"
            )
        envelope = Envelope.from_bytes(letter.raw)
        await _mark(conn, letter_id, "replayed")
        if inbound_event_id := envelope.payload.get("inbound_event_id"):
            await reopen_event(conn, UUID(str(inbound_event_id)))
        await add_event(conn, letter.topic, envelope.key, envelope.type, envelope.payload, trace=envelope.trace)
        return await get_dead_letter(conn, letter_id)


async def _resolve(letter_id: UUID, status: str) -> DeadLetter:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        await get_dead_letter(conn, letter_id)
        await _mark(conn, letter_id, status)
        return await get_dead_letter(conn, letter_id)


async def _mark(conn: AsyncConnection, letter_id: UUID, status: str) -> None:
    if not await resolve_dead_letter(conn, letter_id, status=status, by=getpass.getuser()):
        raise Conflict("Somebody resolved this letter before")
