"""A split that stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from core.settings import PROJECT_ROOT
from evals.rows import Row
from evals.split import split


def rows(count: int) -> tuple[Row, ...]:
    return tuple(Row(f"f:{n}", {"id": f"row-{n}"}) for n in range(count))


def test_a_new_row_moves_no_other() -> None:
    taught, asked = split(rows(500), 0.2)
    more_taught, more_asked = split(rows(600), 0.2)
    assert set(map(id_of, taught)) <= set(map(id_of, more_taught))
    assert set(map(id_of, asked)) <= set(map(id_of, more_asked))
    assert 70 <= len(asked) <= 130
    assert len(taught) + len(asked) == 500


def id_of(row: Row) -> str:
    return row.id


def test_the_lines_are_written_as_they_were(tmp_path: Path) -> None:
    lines = [f'{{"id": "é{n}",  "text": "t"}}' for n in range(40)]
    (tmp_path / "all.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "evals.split", tmp_path / "all.jsonl", tmp_path / "out", "--share", "0.5"]
    subprocess.run(command, check=True, cwd=PROJECT_ROOT)
    written = [(tmp_path / "out" / f"{name}.jsonl").read_text().splitlines() for name in ("examples", "questions")]
    assert all(written)
    assert sorted(written[0] + written[1]) == sorted(lines)
