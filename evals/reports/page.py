"""The report as one HTML file: no script, nothing from elsewhere, readable in any browser and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from evals.statistics import Figure
from evals.suite import Fault, SuiteReport, Table

_SHOWN = 300
_CHARACTERS = 600
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1d2733;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.5rem;border-top:1px solid #d5dce4;padding-top:1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}caption{text-align:left;font-weight:600;padding:.4rem 0}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e6ebf0;vertical-align:top;overflow-wrap:anywhere}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}svg{width:9rem;height:1rem;display:block}
summary{cursor:pointer;font-weight:600;padding:.4rem 0}.bad{color:#9b1c1c;font-weight:600}.quiet{color:#5b6875}
"""


def as_html(reports: Sequence[SuiteReport], made_by: Mapping[str, str]) -> str:
    made = " - ".join(f"{name}: {value}" for name, value in made_by.items())
    title = "Evaluation: " + ", ".join(report.suite for report in reports)
    sections = "\n".join(map(_section, reports))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body><h1>{escape(title)}</h1><p class="quiet">{escape(made)}</p>\n{sections}\n</body></html>\n'
    )


def _section(report: SuiteReport) -> str:
    data = ", ".join(f"{source.name} ({len(source.rows)} rows)" for source in report.sources) or "the dossier"
    state = "" if report.whole else ' <span class="bad">The run is not whole.</span>'
    return "\n".join(
        [
            f"<h2>{escape(report.suite)}</h2><p>{report.asked} cases of {escape(data)}.{state}</p>",
            _figures(report.measured.figures),
            *map(_table, report.measured.tables),
            _faults("Failing cases", report.measured.faults, is_open=True),
            _faults("Cannot be judged: errors of the data set", report.without_criterion),
            _faults("Failed on our side: charged to nobody", report.failed),
        ]
    )


def _figures(figures: Mapping[str, Figure]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{figure.value:.4f}</td>'
        f'<td class="n">{figure.lo:.3f} - {figure.hi:.3f}</td><td>{_bar(figure)}</td><td class="n">{figure.n}</td></tr>'
        for name, figure in figures.items()
    )
    head = "<tr><th>figure</th><th>value</th><th>95 % interval</th><th></th><th>cases</th></tr>"
    return f"<table><caption>Figures</caption>{head}{rows}</table>"


def _bar(figure: Figure) -> str:
    """The interval as a band and the value as a stroke, from 0 to 1."""
    lo, hi, value = (max(0.0, min(1.0, x)) * 100 for x in (figure.lo, figure.hi, figure.value))
    return (
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="presentation"><rect width="100" height="10" fill="#eef2f6"/>'
        f'<rect x="{lo:.1f}" width="{max(hi - lo, 0.6):.1f}" height="10" fill="#9dc3e6"/>'
        f'<rect x="{max(value - 0.5, 0):.1f}" width="1" height="10" fill="#134b7c"/></svg>'
    )


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in table.rows)
    return f"<table><caption>{escape(table.title)}</caption><tr>{head}</tr>{rows}</table>"


def _cell(value: str | int | float) -> str:
    return f"<td>{escape(value)}</td>" if isinstance(value, str) else f'<td class="n">{value}</td>'


def _faults(title: str, faults: Sequence[Fault], *, is_open: bool = False) -> str:
    if not faults:
        return ""
    more = f'<p class="quiet">and {len(faults) - _SHOWN} more</p>' if len(faults) > _SHOWN else ""
    return (
        f"<details{' open' if is_open else ''}><summary>{escape(title)} ({len(faults)})</summary>"
        f"<table><tr><th>case</th><th>text</th><th>what is wrong</th></tr>{''.join(_rows(faults[:_SHOWN]))}</table>{more}</details>"
    )


def _rows(faults: Iterable[Fault]) -> Iterable[str]:
    for fault in faults:
        shown = fault.case.shown[:_CHARACTERS]
        yield f"<tr><td>{escape(fault.case.id)}</td><td>{escape(shown)}</td><td>{escape(fault.what)}</td></tr>"
