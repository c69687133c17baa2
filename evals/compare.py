"""Two runs side by side: which figures moved, and which of them beyond noise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError
from evals.reports.flat import FORMAT


@dataclass(frozen=True, slots=True)
class Change:
    """`clear` when the intervals do not overlap: what moved is more than noise."""

    name: str
    before: float | None
    after: float | None
    clear: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """`same_data` False: the runs saw different cases, so a change may be the data's. `broken` and `mended` are ids of cases."""

    changes: tuple[Change, ...]
    same_data: bool
    broken: tuple[str, ...]
    mended: tuple[str, ...]


def compare(before: Path, after: Path) -> Comparison:
    one, other = _read(before), _read(after)
    failed_before, failed_after = _failing(one), _failing(other)
    return Comparison(
        tuple(_changes(_figures(one), _figures(other))),
        _data(one) == _data(other),
        tuple(sorted(failed_after - failed_before)),
        tuple(sorted(failed_before - failed_after)),
    )


def _changes(before: dict[str, float], after: dict[str, float]) -> Iterator[Change]:
    names = [name for name in before | after if f"{name}.n" in before or f"{name}.n" in after]
    for name in names:
        was, now = before.get(name), after.get(name)
        apart = was is not None and now is not None and _apart(name, before, after)
        yield Change(name, was, now, apart)


def _apart(name: str, before: dict[str, float], after: dict[str, float]) -> bool:
    return after[f"{name}.lo"] > before[f"{name}.hi"] or after[f"{name}.hi"] < before[f"{name}.lo"]


def _figures(report: dict[str, Any]) -> dict[str, float]:
    """By their full names, so that a run of one suite compares with a run of several."""
    prefix = f"{report['suites'][0]}." if len(report["suites"]) == 1 else ""
    return {prefix + name: value for name, value in report["metrics"].items()}


def _data(report: dict[str, Any]) -> set[str]:
    """By the content of the files, wherever they lie, and by how many cases were asked."""
    cases = {f"{name}: {value}" for name, value in _figures(report).items() if name.endswith(".cases")}
    return cases | {source["sha256"] for sources in report["data"].values() for source in sources}


def _failing(report: dict[str, Any]) -> set[str]:
    return {f"{suite}: {case}" for suite, cases in report["failing"].items() for case in cases}


def _read(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} is not a report of `fte eval run --json`: {error}") from error
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise ConfigurationError(f"{path} is not a report of this version of `fte eval run --json`")
    return report
