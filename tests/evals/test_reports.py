"""The report in its three forms, and two of them side by side."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from evals.compare import compare
from evals.reports.flat import as_json, below
from evals.reports.page import as_html
from evals.reports.text import as_lines
from evals.rows import DataSet, Row
from evals.statistics import Figure
from evals.suite import Case, Fault, Measured, SuiteReport, Table

SOURCE = DataSet("a/dev/rows.jsonl", (Row("rows.jsonl:1", {}),), "abc")


def report(value: float = 0.5, *, suite: str = "triage", failing: tuple[str, ...] = ("c1",)) -> SuiteReport:
    faults = [Fault(Case(name, "rows.jsonl:1", "<b>secret words</b>"), "a instead of b") for name in failing]
    table = Table("Confusion", ("label", "taken for", "cases"), (("a", "b", 3),))
    figures = {"accuracy": Figure(value, 40, value - 0.1, value + 0.1)}
    ours = (Fault(Case("c9", "rows.jsonl:9", "x"), "TimeoutError"),)
    return SuiteReport(suite, (SOURCE,), 40, Measured(figures, faults, (table,)), failed=ours)


def test_the_json_is_flat_and_carries_no_text_of_the_data() -> None:
    document = as_json([report()], {"mind": "offline"})
    assert document["metrics"] == {
        "accuracy": 0.5,
        "accuracy.n": 40,
        "accuracy.lo": 0.4,
        "accuracy.hi": 0.6,
        "cases": 40,
        "cases_without_criterion": 0,
        "cases_failed_by_us": 1,
    }
    assert document["failing"] == {"triage": ["c1"]}
    assert document["errors"]["triage"]["failed"] == ["c9"]
    assert "secret" not in json.dumps(document)


def test_with_several_suites_each_figure_is_named_after_its_suite() -> None:
    metrics = as_json([report(), report(0.7, suite="mail")], {})["metrics"]
    assert (metrics["triage.accuracy"], metrics["mail.accuracy"]) == (0.5, 0.7)


def test_a_gate_knows_what_was_measured() -> None:
    metrics = as_json([report()], {})["metrics"]
    assert below(metrics, [("accuracy", 0.5)]) == []
    assert below(metrics, [("accuracy", 0.51)]) == ["accuracy is 0.5, below 0.51"]
    with pytest.raises(ConfigurationError, match="--at-least precision: not measured; there are accuracy"):
        below(metrics, [("precision", 0.5)])


class Page(HTMLParser):
    """The tags, and every address that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_stands_alone_and_shows_the_failing_cases() -> None:
    text = as_html([report()], {"mind": "offline"})
    page = Page(text)
    assert page.fetched == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in text
    for shown in ("c1", "&lt;b&gt;secret words&lt;/b&gt;", "a instead of b", "not whole", "Failed on our side"):
        assert shown in text


def test_the_terminal_shows_figures_faults_and_what_failed_on_our_side() -> None:
    lines = "\n".join(as_lines([report()]))
    assert "0.5000  0.400 - 0.600" in lines
    assert "rows.jsonl:9: TimeoutError" in lines
    assert "secret" not in "\n".join(as_lines([report()], faults=False))


def test_two_runs_are_compared_by_their_intervals_and_their_cases(tmp_path: Path) -> None:
    for name, one in {"a": report(0.5), "b": report(0.55, failing=("c2",)), "c": report(0.9)}.items():
        (tmp_path / name).write_text(json.dumps(as_json([one], {})))
    near, far = compare(tmp_path / "a", tmp_path / "b"), compare(tmp_path / "a", tmp_path / "c")
    assert [(c.name, c.before, c.after, c.clear) for c in near.changes] == [("triage.accuracy", 0.5, 0.55, False)]
    assert [c.clear for c in far.changes] == [True]
    assert (near.broken, near.mended) == (("triage: c2",), ("triage: c1",))
    assert near.same_data


def test_a_run_of_one_suite_compares_with_a_run_of_several(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(json.dumps(as_json([report(0.5)], {})))
    (tmp_path / "two").write_text(json.dumps(as_json([report(0.6), report(suite="mail")], {})))
    found = compare(tmp_path / "one", tmp_path / "two")
    assert [(c.name, c.before, c.after) for c in found.changes] == [
        ("triage.accuracy", 0.5, 0.6),
        ("mail.accuracy", None, 0.5),
    ]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 99}'])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(ConfigurationError, match="is not a report"):
        compare(tmp_path / "x", tmp_path / "x")
