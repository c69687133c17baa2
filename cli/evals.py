"""`fte eval`: measure before and after a change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.deps import build_deps, make_embedder, open_database, sync_dossier
from cli.output import echo_json
from core.clock import SystemClock
from core.settings import Settings, load_settings
from evals.dossier import Graded, Half, Report, load_cases, run_cases
from graph.dry_run import DryRunDesk

app = typer.Typer(no_args_is_help=True)


@app.command()
def dossier(
    half: Annotated[str, typer.Option(help="tune (to work on), held_back (to be judged by) or all.")] = "tune",
    faults: Annotated[bool, typer.Option(help="Show what went wrong, case by case.")] = True,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the embedded PostgreSQL.")] = None,
    at_least: Annotated[float, typer.Option(help="Exit with 1 when a smaller share passes.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Run the dossier's sample tickets through the whole graph and grade how each ends."""
    if half not in ("tune", "held_back", "all"):
        raise typer.BadParameter("choose tune, held_back or all")
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    show = _show_fault if faults and not as_json else None
    report = asyncio.run(_run(settings, half, show))
    if as_json:
        echo_json(report.as_dict())
    else:
        for name, value in report.as_dict().items():
            typer.echo(f"{value:>8}  {name}")
    if report.share < at_least:
        raise typer.Exit(1)


def _show_fault(graded: Graded) -> None:
    for fault in graded.faults:
        case = graded.case
        typer.echo(
            f"{case.id} [{case.channel}, {case.kind}] {' '.join(case.message.split())[:110]!r}\n    {fault}", err=True
        )


async def _run(settings: Settings, half: Half, show) -> Report:
    cases = load_cases(settings.dossier_dir / "tickets", half)
    async with open_database(settings) as pool:
        embedder = make_embedder(settings)
        await sync_dossier(settings, pool, embedder)
        deps = build_deps(settings, pool, DryRunDesk(SystemClock()), embedder=embedder)
        return await run_cases(deps, cases, on_done=show)
