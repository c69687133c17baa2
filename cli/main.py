"""The `fte` command."""

from __future__ import annotations

import os
import sys

import typer

os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")

from cli import (
    ask,
    bench,
    customers,
    dlq,
    doctor,
    evals,
    gmail,
    graph,
    kb,
    keys,
    ledger,
    proof,
    replay,
    report,
    reviews,
    simulate,
    up,
)
from cli.migrate import migrate_command
from core.errors import SupportError

app = typer.Typer(
    name="fte",
    help="A 24/7 customer success employee.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("api")(up.api)
app.command("worker")(up.worker)
app.command("migrate")(migrate_command)
app.command("ask")(ask.ask)
app.command("replay")(replay.replay)
app.command("proof")(proof.proof)
app.command("ledger")(ledger.ledger)
app.command("report")(report.report)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.command("graph")(graph.graph)
app.add_typer(kb.app, name="kb", help="The company's documents: sync, search, list.")
app.add_typer(reviews.app, name="reviews", help="What waits for a person: list, show, decide.")
app.add_typer(dlq.app, name="dlq", help="Dead letters: list, show, replay, drop.")
app.add_typer(evals.app, name="eval", help="Evaluations: measure before and after a change.")
app.add_typer(simulate.app, name="simulate", help="Write to the running employee as a customer would.")
app.add_typer(customers.app, name="customers", help="Who is one person: show, suggest, merge, unmerge, export, erase.")
app.add_typer(gmail.app, name="gmail", help="The mailbox: connect it, keep its pushes, read what is new.")
app.add_typer(keys.app, name="keys", help="API keys: create, list, revoke.")


def main() -> None:
    """Run a command. An error of ours is one clear line and exit code 1."""
    try:
        app()
    except SupportError as error:
        typer.echo(f"fte: {error.detail}", err=True)
        sys.exit(1)
