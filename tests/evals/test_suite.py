"""The books of a run: answered, without a criterion, failed on our side; nothing is lost and nothing counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.errors import ConfigurationError, ModelError
from core.models import Classification, Label
from evals.rows import BadRow, read_rows
from evals.suite import run_suite
from evals.suites.triage import Triage
from tests.evals.conftest import MakeWorld, Write
from tests.fixtures_spine import ScriptedMind

ROWS = [{"text": f"question {n}", "label": "how_to"} for n in range(3)]


async def test_a_failure_of_ours_is_counted_apart_and_never_charged_to_the_node(
    make_world: MakeWorld, write: Write
) -> None:
    mind = ScriptedMind(fail=[ModelError("the provider is away")])
    report = await run_suite(Triage(), make_world(mind=mind), write(ROWS))
    assert [fault.what for fault in report.failed] == ["ModelError: the provider is away"]
    assert report.measured.figures["accuracy"].n == report.asked == 2
    assert report.measured.figures["accuracy"].value == 1
    assert not report.whole


async def test_who_answers_too_late_failed(make_world: MakeWorld, write: Write) -> None:
    class Slow(ScriptedMind):
        async def classify(self, text: str, labels: Sequence[Label], *, instructions: str) -> Classification:
            await asyncio.sleep(3600)
            raise AssertionError

    report = await run_suite(Triage(), make_world(mind=Slow(), case_limit_s=0.01), write(ROWS[:1]))
    assert [fault.what for fault in report.failed] == ["no answer in time"]
    assert report.measured.figures == {}


async def test_a_case_without_a_criterion_is_an_error_and_not_a_pass(make_world: MakeWorld, write: Write) -> None:
    report = await run_suite(Triage(), make_world(), write([*ROWS, {"text": "what is right here?"}]))
    assert [fault.what.rpartition("/")[2] for fault in report.without_criterion] == ["rows.jsonl:4: give `label`"]
    assert report.asked == 3
    assert not report.whole


async def test_a_data_set_without_any_criterion_is_refused(make_world: MakeWorld, write: Write) -> None:
    with pytest.raises(ConfigurationError, match=r"rows\.jsonl:1: give `label`"):
        await run_suite(Triage(), make_world(), write([{"text": "what is right here?"}]))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"text": "a", "label"', r"rows.jsonl:2: not JSON"),
        ('["a"]', r"rows.jsonl:2: a row is one JSON object"),
        ('{"text": 5, "label": "a"}', r"rows.jsonl:2: `text` must be a text"),
        ('{"text": "a", "label": 7}', r"rows.jsonl:2: `label` must be a text, not 7"),
        ('{"text": "a", "label": "b", "in_scope": "no"}', r"rows.jsonl:2: `in_scope` must be true or false"),
    ],
)
async def test_a_bad_row_is_named_by_file_and_line(
    make_world: MakeWorld, tmp_path: Path, line: str, words: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good", "label": "a"}\n' + line + "\n")
    with pytest.raises(BadRow, match=words):
        await run_suite(Triage(), make_world(), [read_rows(path)])


def test_an_empty_or_missing_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(BadRow, match="holds no row"):
        read_rows(tmp_path / "empty.jsonl")
    with pytest.raises(BadRow, match=r"none\.jsonl cannot be read"):
        read_rows(tmp_path / "none.jsonl")
