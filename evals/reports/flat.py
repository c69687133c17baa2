"""The report as JSON: one flat object of figures that a script can compare, and the ids of the failing cases.

No text of a data set is in it, so it may be committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import ConfigurationError
from evals.statistics import Figure
from evals.suite import SuiteReport

FORMAT = 1
_DIGITS = 4


def as_json(reports: Sequence[SuiteReport], made_by: Mapping[str, str]) -> dict[str, Any]:
    """With several suites each name of a figure begins with its suite's."""
    return {
        "format": FORMAT,
        "suites": [report.suite for report in reports],
        "made_by": dict(made_by),
        "data": {
            report.suite: [{"name": s.name, "rows": len(s.rows), "sha256": s.sha256} for s in report.sources]
            for report in reports
        },
        "metrics": metrics(reports),
        "failing": {report.suite: sorted(fault.case.id for fault in report.measured.faults) for report in reports},
        "errors": {
            report.suite: {
                "without_criterion": [fault.case.id for fault in report.without_criterion],
                "failed": [fault.case.id for fault in report.failed],
            }
            for report in reports
        },
    }


def metrics(reports: Sequence[SuiteReport]) -> dict[str, float | int]:
    """`name`, `name.n` (of how many), `name.lo` and `name.hi` (95 %); and how many cases ended how."""
    flat: dict[str, float | int] = {}
    for report in reports:
        prefix = f"{report.suite}." if len(reports) > 1 else ""
        for name, figure in report.measured.figures.items():
            flat |= _flat(prefix + name, figure)
        flat[f"{prefix}cases"] = report.asked
        flat[f"{prefix}cases_without_criterion"] = len(report.without_criterion)
        flat[f"{prefix}cases_failed_by_us"] = len(report.failed)
    return flat


def _flat(name: str, figure: Figure) -> dict[str, float | int]:
    return {
        name: round(figure.value, _DIGITS),
        f"{name}.n": figure.n,
        f"{name}.lo": round(figure.lo, _DIGITS),
        f"{name}.hi": round(figure.hi, _DIGITS),
    }


def below(flat: Mapping[str, float | int], floors: Sequence[tuple[str, float]]) -> list[str]:
    """A line for each figure that is under its floor. Raises ConfigurationError for a figure that was not measured."""
    lines = []
    for name, floor in floors:
        if name not in flat:
            raise ConfigurationError(f"--at-least {name}: not measured; there are {', '.join(_names(flat))}")
        if flat[name] < floor:
            lines.append(f"{name} is {flat[name]}, below {floor}")
    return lines


def _names(flat: Mapping[str, float | int]) -> list[str]:
    return [name for name in flat if f"{name}.n" in flat]
