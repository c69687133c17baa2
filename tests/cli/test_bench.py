"""`fte bench` and `fte graph`: what they print."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli import bench as bench_command
from cli.graph import draw, graph
from evals.bench import Plan
from evals.bench_meter import Tally
from evals.bench_report import BenchReport

PLAN = Plan(turns=(1, 1000), histories=(10, 1000))


@pytest.fixture
def fte(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """Both commands; what would be measured costs 5 ms of this process and 1 ms of a database that cannot be seen."""

    async def measured(dsn: str, dossier: Path, plan: Plan) -> BenchReport:
        assert (dsn, plan.seconds) == ("a database of its own", 3)
        cells = {cell: (Tally(cell.block, 0.5, 0.005 * cell.block, None, 1000, 4),) for cell in PLAN.cells}
        return BenchReport(cells, (0.5, 1.5), "16.14", 50_000)

    monkeypatch.setattr(bench_command, "run_bench", measured)
    monkeypatch.setattr(bench_command, "scratch_database", lambda _: nullcontext("a database of its own"))
    app = typer.Typer()
    app.command("bench")(bench_command.bench)
    app.command("graph")(graph)
    return app


def run(app: typer.Typer, *arguments: Any) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_table_says_what_was_measured_shows_every_cell_and_judges_every_bar(fte: typer.Typer) -> None:
    printed = run(fte, "bench", "--seconds", 3)
    assert 'durability "exit"' in printed
    assert "50,000 messages" in printed
    for line in ("orchestration, defaults", "whole, ours", "turn 1000, defaults", "1000 messages, ours"):
        assert f"\n  {line} " in printed
    assert printed.count("BELOW") == 2
    assert "ok        1.0 (bar <= 1.10)" in printed


def test_the_json_holds_the_same_figures_and_no_invented_ones(fte: typer.Typer) -> None:
    figures = json.loads(run(fte, "bench", "--seconds", 3, "--json"))
    assert len(figures["cells"]) == len(PLAN.cells)
    assert {cell["cpu_ms"] for cell in figures["cells"]} == {5.0}
    assert {cell["postgres_ms"] for cell in figures["cells"]} == {None}


def test_the_graph_is_drawn_on_the_screen_or_into_a_page(fte: typer.Typer, tmp_path: Path) -> None:
    page = tmp_path / "graph.md"
    page.write_text("# Graph\n\n```mermaid\n```\n")
    assert run(fte, "graph") == draw() + "\n"
    assert run(fte, "graph", "--update", page) == ""
    assert page.read_text() == f"# Graph\n\n```mermaid\n{draw()}\n```\n"
