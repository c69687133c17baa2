"""`fte reviews`: the reviewer's desk in a terminal."""

from __future__ import annotations

import asyncio
import getpass
from typing import Annotated
from uuid import UUID

import typer

from cli.database import open_database
from cli.output import echo_json
from core.settings import load_settings
from core.vocabulary import Decision
from crm.pool import transaction
from crm.reviews import Review, decide_review, get_review, list_reviews

app = typer.Typer(no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command("list")
def list_command(
    status: Annotated[str, typer.Option(help="open, decided or done.")] = "open", as_json: Json = False
) -> None:
    """What waits for a person, oldest first."""
    found = asyncio.run(_list(status))
    if as_json:
        return echo_json(found)
    for review in found:
        topic = review.subject or review.customer_text[:60]
        typer.echo(
            f"{review.id}  {review.created_at:%Y-%m-%d %H:%M}  {review.channel:<9} {review.reason:<17} {topic!r}"
        )
    if not found:
        typer.echo(f"no {status} reviews")


@app.command()
def show(review_id: UUID, as_json: Json = False) -> None:
    """Everything about one hand-over: the words, the rule, and what would have happened without it."""
    review = asyncio.run(_get(review_id))
    if as_json:
        return echo_json(review)
    typer.echo(
        f"{review.summary}\n\nWithout the rule: {review.counterfactual}\n\nThe customer wrote:\n{review.customer_text}"
    )
    if review.related_to:
        typer.echo(f"\nPossibly related: conversation {review.related_to} (same thread, another sender)")
    if review.draft:
        typer.echo(f"\nHeld draft:\n{review.draft}")
    typer.echo(f"\nstatus {review.status}, version {review.version}")


@app.command()
def decide(
    review_id: UUID,
    decision: Annotated[
        str,
        typer.Argument(
            help="approve (send the held draft), edit, respond (send your text) or reject (close without a reply)."
        ),
    ],
    text: Annotated[str | None, typer.Option(help="What the customer should get.")] = None,
    note: Annotated[str | None, typer.Option(help="Why; needed to reject.")] = None,
    as_json: Json = False,
) -> None:
    """Decide a review; a worker carries the decision out."""
    if decision not in ("approve", "edit", "respond", "reject"):
        raise typer.BadParameter("choose approve, edit, respond or reject")
    review = asyncio.run(_decide(review_id, decision, text, note))
    if as_json:
        return echo_json(review)
    typer.echo(f"{review.decision} recorded; the worker sends it")


async def _list(status: str) -> list[Review]:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await list_reviews(conn, status=status)


async def _get(review_id: UUID) -> Review:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await get_review(conn, review_id)


async def _decide(review_id: UUID, decision: Decision, text: str | None, note: str | None) -> Review:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        version = (await get_review(conn, review_id)).version
        return await decide_review(
            conn,
            review_id,
            decision=decision,
            reviewer=getpass.getuser(),
            expected_version=version,
            text=text,
            note=note,
        )
