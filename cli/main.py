"""The `fte` command. Only the module of the command that was asked for is imported: most need no model and no graph."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import typer

from core.errors import SupportError

os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")

# What a command is, as module:name, and for groups of commands the line that `fte --help` says of them.
COMMANDS: dict[str, tuple[str, str | None]] = {
    "up": ("cli.up:up", None),
    "api": ("cli.up:api", None),
    "worker": ("cli.up:worker", None),
    "migrate": ("cli.migrate:migrate_command", None),
    "ask": ("cli.ask:ask", None),
    "replay": ("cli.replay:replay", None),
    "proof": ("cli.proof:proof", None),
    "ledger": ("cli.ledger:ledger", None),
    "report": ("cli.report:report", None),
    "doctor": ("cli.doctor:doctor", None),
    "bench": ("cli.bench:bench", None),
    "graph": ("cli.graph:graph", None),
    "kb": ("cli.kb:app", "The company's documents: sync, search, list, impact."),
    "policy": ("cli.policy:app", "The guard's rules: what fires on a text, learn the lessons."),
    "reviews": ("cli.reviews:app", "What waits for a person: list, show, decide."),
    "dlq": ("cli.dlq:app", "Dead letters: list, show, replay, drop."),
    "eval": ("cli.evals:app", "Evaluations: measure before and after a change."),
    "simulate": ("cli.simulate:app", "Write to the running employee as a customer would."),
    "customers": ("cli.customers:app", "Who is one person: show, suggest, merge, unmerge, export, erase."),
    "gmail": ("cli.gmail:app", "The mailbox: connect it, keep its pushes, read what is new."),
    "keys": ("cli.keys:app", "API keys: create, list, revoke."),
}


def build_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands."""
    app = typer.Typer(name="fte", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback(help="A 24/7 customer success employee.")(_nothing)
    for name in names:
        place, line = COMMANDS[name]
        command = _load(place)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=line)
        else:
            app.command(name)(command)
    return app


def _nothing() -> None:
    """Without a callback a single command would lose its name."""


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def main() -> None:
    """Run a command. An error of ours is one clear line and exit code 1."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        build_app([asked] if asked in COMMANDS else COMMANDS)()
    except SupportError as error:
        typer.echo(f"fte: {error.detail}", err=True)
        sys.exit(1)
