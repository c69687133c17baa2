"""`fte ask`: one question through the whole graph, with nothing stored."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.database import open_database
from cli.deps import build_deps, make_embedder, sync_dossier
from cli.output import echo_json
from core.clock import SystemClock
from core.models import TurnResult
from core.settings import Settings, load_settings
from core.vocabulary import CHANNELS, Channel
from graph.dry_run import DryRunDesk, draft_brief, try_turn


def ask(
    question: Annotated[str, typer.Argument(help="What a customer writes.")],
    channel: Annotated[str, typer.Option(help="email, whatsapp or web_form.")] = "web_form",
    name: Annotated[str | None, typer.Option(help="The customer's name.")] = None,
    subject: Annotated[str | None, typer.Option(help="The subject line.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the embedded PostgreSQL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Answer a question as the employee would: no ticket, no message, nothing stored."""
    if channel not in CHANNELS:
        raise typer.BadParameter(f"choose from {', '.join(CHANNELS)}")
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    result = asyncio.run(_ask(settings, question, channel, name, subject))
    if as_json:
        return echo_json(result)
    typer.echo(result.reply.text if result.reply else f"(silent: {result.reason})")
    typer.echo(f"\n[{result.outcome}: {result.reason}; intent {result.intent}, sentiment {result.sentiment}]", err=True)
    if result.escalation:
        typer.echo(f"[rule {result.escalation.rule}: {result.escalation.evidence}]", err=True)
    if result.calls:
        typer.echo(f"[models: {_cost(result)}]", err=True)
    for title in dict.fromkeys(source.title for source in result.sources):
        typer.echo(f"[source: {title}]", err=True)


def _cost(result: TurnResult) -> str:
    known = sum(call.cost_usd_micros or 0 for call in result.calls)
    unknown = sum(call.cost_usd_micros is None for call in result.calls)
    tokens = sum(call.input_tokens + call.output_tokens for call in result.calls)
    more = f" and {unknown} calls of unknown cost" if unknown else ""
    return f"{len(result.calls)} calls, {tokens} tokens, ${known / 1_000_000:.4f}{more}"


async def _ask(
    settings: Settings, question: str, channel: Channel, name: str | None, subject: str | None
) -> TurnResult:
    async with open_database(settings) as pool:
        embedder = make_embedder(settings)
        await sync_dossier(settings, pool, embedder)
        clock = SystemClock()
        deps = build_deps(settings, pool, DryRunDesk(clock), embedder=embedder)
        return await try_turn(deps, draft_brief(clock, question, channel=channel, subject=subject, customer_name=name))
