"""`fte bench`: what a message costs, beside LangGraph's defaults."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from cli.bench_doors import AUTH_TOKEN, two_doors
from cli.output import echo_json
from cli.scratch import scratch_database
from core.settings import load_settings
from evals.bench import Plan, run_bench
from evals.bench_edge import BAR, EdgeReport, measure_edge
from evals.bench_report import BenchReport

_TITLES = {
    "new": "A new conversation, 8 at a time",
    "long": "Orchestration alone, in a conversation that goes on",
    "history": "The whole turn, by the messages that the conversation has",
}


def bench(
    seconds: Annotated[
        float, typer.Option(min=0, help="How long to go on measuring; preparing takes about 15 more.")
    ] = 35,
    edge: Annotated[
        bool, typer.Option("--edge", help="Measure how fast webhooks are accepted instead, beside a bare handler.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Messages a second and CPU a message through the graph, ours and LangGraph's defaults in one run.

    It starts a PostgreSQL of its own in a temporary folder and leaves nothing behind.
    """
    if edge:
        with scratch_database("fte-bench-") as dsn, two_doors(dsn) as (ours, bare):
            measured = asyncio.run(measure_edge(ours, bare, AUTH_TOKEN))
        return echo_json(measured.as_dict()) if as_json else _print_edge(measured)
    dossier = load_settings().dossier_dir
    with scratch_database("fte-bench-") as dsn:
        report = asyncio.run(run_bench(dsn, dossier, Plan(seconds=seconds)))
    if as_json:
        return echo_json(report.as_dict())
    _print(report)


def _print_edge(report: EdgeReport) -> None:
    figures = report.as_dict()
    typer.echo(f"Signed WhatsApp webhooks on one process each, {figures['rounds']} rounds in turn\n")
    for name in ("ours", "bare"):
        spread = f"{figures[f'{name}_per_s_low']} to {figures[f'{name}_per_s_high']}"
        typer.echo(f"  {name}  {figures[f'{name}_per_s']:>6}/s ({spread}), CPU {figures[f'{name}_cpu_ms']} ms each")
    word = "ok   " if report.rate >= BAR else "BELOW"
    typer.echo(f"\n  {word} {report.rate:.2f} (bar >= {BAR})  accepted, by a bare handler with one insert")


def _print(report: BenchReport) -> None:
    figures = report.as_dict()
    low, high = report.load_average
    typer.echo(f"{report.measured}\n\n{figures['machine']}, {report.rounds} rounds, load average {low} to {high}")
    for section, title in _TITLES.items():
        typer.echo(
            f"\n{title}\n  {'':<30}{'messages/s':>11}{'CPU ms':>9}{'low-high':>14}{'python':>9}{'postgres':>9}{'WAL kB':>9}{'rows':>7}"
        )
        for cell in figures["cells"]:
            if cell["section"] == section:
                typer.echo(_line(section, cell))
    typer.echo("\nCPU ms, WAL and checkpoint rows are per message, medians over the rounds.\n")
    for bar in report.bars():
        typer.echo(f"  {'ok   ' if bar.reached else 'BELOW'} {bar.value:>7} (bar {bar.target})  {bar.name}")


def _line(section: str, cell: dict[str, Any]) -> str:
    what = {
        "new": f"{cell['load']}, {cell['style']}",
        "long": f"turn {cell['messages_before'] // 2 + 1}, {cell['style']}",
        "history": f"{cell['messages_before']} messages, {cell['style']}",
    }[section]
    spread = f"{cell['cpu_ms_low']}-{cell['cpu_ms_high']}"
    postgres = "-" if cell["postgres_ms"] is None else cell["postgres_ms"]
    return (
        f"  {what:<30}{cell['messages_per_s']:>11}{cell['cpu_ms']:>9}{spread:>14}{cell['python_ms']:>9}{postgres:>9}"
        f"{cell['wal_bytes'] / 1000:>9.1f}{cell['checkpoint_rows']:>7}"
    )
