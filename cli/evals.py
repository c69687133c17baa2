"""`fte eval`: measure before and after a change."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.database import open_database
from cli.deps import build_deps, make_embedder, sync_dossier
from cli.eval_world import build_world
from cli.logs import configure_logs
from cli.output import echo_json
from core.clock import SystemClock
from core.settings import Settings, load_settings
from evals.compare import compare as compare_reports
from evals.dossier import Graded, Report, load_cases, run_cases
from evals.reports.flat import as_json, below
from evals.reports.page import as_html
from evals.reports.text import as_lines
from evals.rows import read_all
from evals.suite import SuiteReport, run_suite
from evals.suites.registry import SUITES
from evals.world import Options
from graph.dry_run import DryRunDesk

app = typer.Typer(no_args_is_help=True)
_DATA_DIR = Annotated[Path | None, typer.Option(help="Folder of the embedded PostgreSQL and of kept vectors.")]


@app.command()
def run(
    suites: Annotated[list[str], typer.Argument(metavar="SUITE…", help=f"{', '.join(SUITES)}.")],
    dataset: Annotated[
        list[Path] | None, typer.Option(help="JSON lines; may be given again. Without it: the dossier's own cases.")
    ] = None,
    kb: Annotated[Path | None, typer.Option(help="Articles as JSON lines, or a folder of documents.")] = None,
    examples: Annotated[Path | None, typer.Option(help="Labelled rows that triage learns from.")] = None,
    titles: Annotated[bool, typer.Option(help="Index the articles of --kb with their titles.")] = True,
    against_recipe: Annotated[
        bool, typer.Option(help="Measure retrieval over --kb beside a simple recipe, on the same questions.")
    ] = False,
    trials: Annotated[int, typer.Option(min=1, help="How often each conversation is tried, for pass^k.")] = 1,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Cases that are asked side by side.")] = 4,
    at_least: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=VALUE", help="Exit with 1 when a figure is below.")
    ] = None,
    json_out: Annotated[str | None, typer.Option("--json", metavar="OUT|-", help="Write the report as JSON.")] = None,
    html_out: Annotated[Path | None, typer.Option("--html", metavar="OUT", help="Write the report as a page.")] = None,
    faults: Annotated[bool, typer.Option(help="Show what went wrong, case by case.")] = True,
    data_dir: _DATA_DIR = None,
) -> None:
    """Run suites over data sets, each over the code that serves customers. Exit code 0: whole, and no figure too low."""
    if unknown := [name for name in suites if name not in SUITES]:
        raise typer.BadParameter(f"{unknown[0]!r} is no suite; choose of {', '.join(SUITES)}")
    floors = [_floor(text) for text in at_least or ()]
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    # What the product at work says of itself would drown the figures; its warnings are kept.
    configure_logs(settings.model_copy(update={"log_level": "warning"}))
    options = Options(kb, examples, titles, against_recipe, trials, at_once)
    reports = asyncio.run(_run_suites(settings, options, list(dict.fromkeys(suites)), dataset or []))
    document = as_json(reports, _made_by(settings))
    _write(reports, document, json_out, html_out, faults=faults)
    if low := below(document["metrics"], floors):
        typer.echo("\n".join(low), err=True)
    if low or not all(report.whole for report in reports):
        raise typer.Exit(1)


def _floor(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise typer.BadParameter(f"--at-least {text}: write it as METRIC=VALUE") from error


async def _run_suites(
    settings: Settings, options: Options, names: Sequence[str], dataset: Sequence[Path]
) -> list[SuiteReport]:
    sources = read_all(dataset)
    reports = []
    async with build_world(settings, options) as world:
        for name in names:
            reports.append(await run_suite(SUITES[name](), world, sources, on_done=_progress(name)))
    return reports


def _progress(name: str) -> Any:
    """A line that counts up, for a person who watches; nothing in a file or a pipe."""

    def show(done: int, of: int) -> None:
        if sys.stderr.isatty() and (done % 10 == 0 or done == of):
            typer.echo(f"\r{name}: {done} of {of}{'' if done < of else chr(10)}", err=True, nl=False)

    return show


def _made_by(settings: Settings) -> dict[str, str]:
    mind = "offline" if settings.openai_api_key is None else f"{settings.model_judge}, {settings.model_reply}"
    return {"mind": mind}


def _write(
    reports: Sequence[SuiteReport],
    document: dict[str, Any],
    json_out: str | None,
    html_out: Path | None,
    *,
    faults: bool,
) -> None:
    if html_out is not None:
        html_out.write_text(as_html(reports, document["made_by"]), encoding="utf-8")
    if json_out == "-":
        return echo_json(document)
    if json_out is not None:
        Path(json_out).write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for line in as_lines(reports, faults=faults):
        typer.echo(line)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A report of `fte eval run --json`.")],
    after: Annotated[Path, typer.Argument(help="A later one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Two runs side by side. Exit code 1 when a figure moved beyond noise or a case flipped, 0 when nothing did."""
    found = compare_reports(before, after)
    if as_json:
        echo_json(found)
    else:
        for change in found.changes:
            if change.before != change.after:
                mark = "  beyond noise" if change.clear else ""
                typer.echo(f"{_number(change.before)} -> {_number(change.after)}  {change.name}{mark}")
        typer.echo(f"broken: {len(found.broken)}, mended: {len(found.mended)}")
        for title, cases in (("broken", found.broken), ("mended", found.mended)):
            typer.echo("".join(f"  {title} {case}\n" for case in cases), nl=False)
        if not found.same_data:
            typer.echo("The two runs saw different data.", err=True)
    if found.broken or found.mended or any(change.before != change.after for change in found.changes):
        raise typer.Exit(1)


def _number(value: float | None) -> str:
    return "     -" if value is None else f"{value:.4f}"


@app.command()
def dossier(
    half: Annotated[str, typer.Option(help="tune (to work on), held_back (to be judged by) or all.")] = "tune",
    faults: Annotated[bool, typer.Option(help="Show what went wrong, case by case.")] = True,
    data_dir: _DATA_DIR = None,
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


async def _run(settings: Settings, half, show) -> Report:
    cases = load_cases(settings.dossier_dir / "tickets", half)
    async with open_database(settings) as pool:
        embedder = make_embedder(settings)
        await sync_dossier(settings, pool, embedder)
        deps = build_deps(settings, pool, DryRunDesk(SystemClock()), embedder=embedder)
        return await run_cases(deps, cases, on_done=show)
