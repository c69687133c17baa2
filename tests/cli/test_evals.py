"""`fte eval run` and `fte eval compare` as a person and as a script use them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import Result
from typer.testing import CliRunner

from cli.main import build_app
from core.errors import ConfigurationError
from core.settings import PROJECT_ROOT
from evals.rows import BadRow
from evals.suites.registry import SUITES

BASELINES = sorted((PROJECT_ROOT / "evals" / "baselines").glob("*.json"))
PAGE = PROJECT_ROOT / "docs" / "prompt-engineers" / "evals.md"
SAID = "Reset links work for 60 minutes."
ROWS = [
    {"id": "g1", "sentence": SAID, "passage": SAID, "supported": True},
    {"id": "g2", "sentence": "Reset links work for 90 minutes.", "passage": SAID, "supported": False},
    {"id": "g3", "sentence": "A lion lives in the savanna.", "passage": SAID, "supported": True},
]


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """The command sends logs to its standard error, which here is gone when it ends."""
    handlers = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


def fte(*arguments: object) -> Result:
    return CliRunner().invoke(build_app(), ["eval", *map(str, arguments)])


def test_a_script_reads_flat_figures_from_the_screen(rows: Path, tmp_path: Path) -> None:
    result = fte("run", "grounding", "--dataset", rows, "--json", "-", "--data-dir", tmp_path)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["metrics"]["unsupported_taken"] == 0
    assert document["metrics"]["supported_refused.n"] == 2
    assert document["failing"] == {"grounding": ["g3"]}
    assert "Reset" not in result.stdout


def test_a_person_gets_figures_faults_and_a_page(rows: Path, tmp_path: Path) -> None:
    result = fte("run", "grounding", "--dataset", rows, "--html", tmp_path / "r.html", "--data-dir", tmp_path)
    assert result.exit_code == 0, result.output
    assert "supported_refused" in result.stdout
    assert "g3: 'A lion lives in the savanna.'" in result.stdout
    assert "A lion lives in the savanna." in (tmp_path / "r.html").read_text()


def test_a_figure_below_its_floor_and_a_run_that_is_not_whole_fail(rows: Path, tmp_path: Path) -> None:
    run = ("run", "grounding", "--dataset", rows, "--data-dir", tmp_path)
    low = fte(*run, "--at-least", "supported_refused=0.9")
    assert low.exit_code == 1
    assert "supported_refused is 0.5, below 0.9" in low.output
    rows.write_text(rows.read_text() + '\n{"sentence": "a", "passage": "b"}')
    part = fte(*run)
    assert part.exit_code == 1
    assert "rows.jsonl:4: give `supported`" in part.output


def test_what_cannot_be_run_is_named(rows: Path, tmp_path: Path) -> None:
    assert "choose of triage" in re.sub(r"[\s│]+", " ", fte("run", "tone", "--dataset", rows).output)
    assert "METRIC=VALUE" in fte("run", "grounding", "--at-least", "x").output
    unmeasured = fte("run", "grounding", "--dataset", rows, "--data-dir", tmp_path, "--at-least", "accuracy=0.5")
    assert isinstance(unmeasured.exception, ConfigurationError)
    assert isinstance(fte("run", "grounding", "--dataset", tmp_path / "none.jsonl").exception, BadRow)


def test_two_reports_are_compared(rows: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    run = ("run", "grounding", "--dataset", rows, "--data-dir", tmp_path, "--json")
    assert fte(*run, before).exit_code == fte(*run, after).exit_code == 0
    assert fte("compare", before, after).exit_code == 0
    changed = json.loads(after.read_text())
    changed["metrics"]["supported_refused"] = 0.0
    changed["failing"]["grounding"] = []
    after.write_text(json.dumps(changed))
    moved = fte("compare", before, after)
    assert moved.exit_code == 1
    assert "0.5000 -> 0.0000  grounding.supported_refused" in moved.stdout
    assert "mended grounding: g3" in moved.stdout


def shape(value: Any, *, values_of: tuple[str, ...] = ("metrics", "failing", "errors", "data")) -> Any:
    """The keys of a report; below those whose keys are names, the kinds of their values."""
    return {
        name: sorted({type(v).__name__.replace("int", "float") for v in inner.values()}) if name in values_of else None
        for name, inner in value.items()
    }


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: path.stem)
def test_a_baseline_is_what_the_command_writes(path: Path, rows: Path, tmp_path: Path) -> None:
    result = fte("run", "grounding", "--dataset", rows, "--json", "-", "--data-dir", tmp_path)
    baseline, written = json.loads(path.read_text()), json.loads(result.stdout)
    assert shape(baseline) == shape(written)
    assert set(baseline["suites"]) <= set(SUITES)
    metrics = baseline["metrics"]
    counts = {"cases", "cases_without_criterion", "cases_failed_by_us"}
    figures = {name for name in metrics if f"{name}.n" in metrics}
    assert set(metrics) == counts | {f"{name}{end}" for name in figures for end in ("", ".n", ".lo", ".hi")}
    assert all(metrics[f"{name}.lo"] <= metrics[name] <= metrics[f"{name}.hi"] for name in figures)
    assert metrics["cases_without_criterion"] == metrics["cases_failed_by_us"] == 0


def test_every_figure_of_a_baseline_is_explained() -> None:
    page = PAGE.read_text()
    names = {
        re.sub(r"\^\d+", "^k", name.split(".")[0])
        for path in BASELINES
        for name in json.loads(path.read_text())["metrics"]
        if "." not in name
    }
    assert BASELINES
    assert [name for name in sorted(names) if name not in page] == []
