"""`fte customers`: who is behind an address, who is one person, and what is kept about them."""

from __future__ import annotations

import dataclasses
import getpass
from collections.abc import Awaitable
from typing import Annotated, Any, Literal
from uuid import UUID

import typer
from psycopg import AsyncConnection

from cli import suggestions
from cli.output import echo_json
from cli.transact import DataDir, Json, Reason, transact
from core.errors import Conflict, NotFound
from crm.confirmations import confirm_address
from crm.merges import Merge, list_merges, list_tree, merge_customers, unmerge
from crm.personal_data import erase_customer, export_customer
from crm.views import CustomerView, find_customers, get_customer_view

app = typer.Typer(no_args_is_help=True)
CustomerId = Annotated[UUID, typer.Argument(help="The id that `fte customers show` prints.")]
app.command()(suggestions.suggest)
app.command()(suggestions.accept)
app.command()(suggestions.reject)


@app.callback()
def customers() -> None:
    """Customers and their addresses."""


@app.command()
def show(
    who: Annotated[str, typer.Argument(help="An email address, a phone number as +15550001111, or a customer's id.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """The customers known by an address: the proved one first, then whoever merely claimed it."""
    found = transact(data_dir, lambda conn: _find(conn, who))
    if not found:
        raise NotFound(f"Nobody is known as {who}")
    if as_json:
        return echo_json([{**_fields(customer), "merges": merges} for customer, merges in found])
    for customer, merges in found:
        _print_customer(customer, merges)


@app.command()
def merge(
    survivor: CustomerId,
    merged: Annotated[UUID, typer.Argument(help="The customer who is joined to the first one.")],
    reason: Reason,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make two customers one: conversations, tickets, messages and addresses go to the first. `unmerge` takes it back."""

    def work(conn: AsyncConnection) -> Awaitable[Merge]:
        return merge_customers(conn, survivor, merged, reason=_said(reason), by=getpass.getuser())

    made = transact(data_dir, work)
    if as_json:
        return echo_json(made)
    typer.echo(f"merge {made.id}: {made.merged_id} is now {made.survivor_id}")
    typer.echo(f"to undo it: fte customers unmerge {made.id}")


@app.command("unmerge")
def unmerge_command(
    merge_id: Annotated[int, typer.Argument(help="The number that `merge` and `show` print.", min=1)],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take a merge back: everybody has their own again, also what came in since by their own address."""
    undone = transact(data_dir, lambda conn: unmerge(conn, merge_id, by=getpass.getuser()))
    if as_json:
        return echo_json(undone)
    typer.echo(f"{undone.merged_id} and {undone.survivor_id} are two customers again")


@app.command()
def confirm(
    customer: CustomerId,
    address: Annotated[str, typer.Argument(help="An email address, or a phone number as +15550001111.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say that you have seen proof that an address is this customer's; what is written from it is theirs from now on."""

    async def work(conn: AsyncConnection) -> CustomerView:
        await confirm_address(conn, customer, _kind(address), address, by=getpass.getuser())
        return await get_customer_view(conn, customer)

    view = transact(data_dir, work)
    echo_json(view) if as_json else _print_customer(view, [])


@app.command()
def export(customer: CustomerId, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Everything that is kept about a customer, as one JSON document, with --json or without."""
    echo_json(transact(data_dir, lambda conn: export_customer(conn, customer, by=getpass.getuser())))


@app.command()
def erase(
    customer: CustomerId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Erase what a customer wrote and who they are. Cannot be undone; the ledger and the figures still count it."""
    view, tree = transact(data_dir, lambda conn: _who_is_erased(conn, customer))
    if not yes:
        others = f" and {len(tree) - 1} merged into them" if len(tree) > 1 else ""
        addresses = ", ".join(identifier.value for identifier in view.identifiers) or "no address"
        typer.confirm(f"Erase {view.name or view.id} ({addresses}){others} for good?", abort=True, err=True)
    reached = transact(data_dir, lambda conn: erase_customer(conn, customer, by=getpass.getuser()))
    if as_json:
        return echo_json({"customer_id": view.id, "rows": reached})
    for table, rows in reached.items():
        typer.echo(f"{rows:>8}  {table}")
    typer.echo("erased; copies in backups and in Kafka go when their time is up")


async def _find(conn: AsyncConnection, who: str) -> list[tuple[CustomerView, list[Merge]]]:
    try:
        found = [await get_customer_view(conn, UUID(who))]
    except ValueError:
        found = await find_customers(conn, _kind(who), who)
    return [(view, await list_merges(conn, await list_tree(conn, view.id))) for view in found]


async def _who_is_erased(conn: AsyncConnection, customer: UUID) -> tuple[CustomerView, list[UUID]]:
    view = await get_customer_view(conn, customer)
    return view, await list_tree(conn, view.id)


def _print_customer(customer: CustomerView, merges: list[Merge]) -> None:
    since = f"known by a {customer.evidence} address since {customer.created_at:%Y-%m-%d}"
    typer.echo(f"{customer.id}  {customer.name or '(no name)'}  {since}")
    for identifier in customer.identifiers:
        typer.echo(f"    {identifier.kind:<10} {identifier.value}  ({identifier.evidence})")
    for conversation in customer.conversations:
        typer.echo(f"    {conversation.id}  {conversation.channel:<9} {conversation.subject or ''}")
    for merge in merges:
        state = f"undone by {merge.undone_by}" if merge.undone_at else f"by {merge.merged_by}"
        typer.echo(f"    merge {merge.id}  {merge.merged_id} into {merge.survivor_id}  {state}: {merge.reason}")


def _kind(address: str) -> Literal["email", "phone"]:
    if "@" in address:
        return "email"
    if not address.startswith("+"):
        raise NotFound(f"{address} is neither an email address, nor a phone number like +15550001111, nor an id")
    return "phone"


def _said(reason: str) -> str:
    if not reason.strip():
        raise Conflict("Say in --reason why these two are one person")
    return reason.strip()


def _fields(view: CustomerView) -> dict[str, Any]:
    return {field.name: getattr(view, field.name) for field in dataclasses.fields(view)}
