"""The report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evals.suite import SuiteReport

_TABLE_ROWS = 12
_FAULTS = 20


def as_lines(reports: Sequence[SuiteReport], *, faults: bool = True) -> Iterator[str]:
    for report in reports:
        yield from _suite(report, faults=faults)


def _suite(report: SuiteReport, *, faults: bool) -> Iterator[str]:
    data = ", ".join(f"{source.name} ({len(source.rows)} rows)" for source in report.sources) or "the dossier"
    yield f"{report.suite}: {report.asked} cases of {data}"
    yield f"  {'':<34}{'value':>8}  {'95 % interval':<18}{'cases':>7}"
    for name, figure in report.measured.figures.items():
        interval = f"{figure.lo:.3f} - {figure.hi:.3f}"
        yield f"  {name:<34}{figure.value:>8.4f}  {interval:<18}{figure.n:>7}"
    if faults:
        for table in report.measured.tables:
            yield f"  {table.title}"
            yield from ("    " + "  ".join(map(str, row)) for row in table.rows[:_TABLE_ROWS])
        yield f"  {len(report.measured.faults)} cases failed"
        for fault in report.measured.faults[:_FAULTS]:
            yield f"    {fault.case.id}: {' '.join(fault.case.shown.split())[:90]!r}\n      {fault.what}"
    for title, errors in (("cannot be judged", report.without_criterion), ("failed on our side", report.failed)):
        if errors:
            yield f"  {len(errors)} cases {title}, counted nowhere above:"
            yield from (f"    {fault.case.place}: {fault.what}" for fault in errors[:_FAULTS])
    yield ""
