"""Halves of a data set that stay the same: what is learned from, and what is asked.

    python -m evals.split FILE OUT_DIR [--share 0.2]

writes OUT_DIR/examples.jsonl and OUT_DIR/questions.jsonl. A row's side follows from its id (its text where it has none),
so adding a row moves no other, and two people split alike.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from evals.rows import Row, read_rows

_SLICES = 1000


def split(rows: tuple[Row, ...], share: float) -> tuple[list[Row], list[Row]]:
    """Examples and questions; about `share` of the rows are questions."""
    asked = [row for row in rows if _slice(row) < share * _SLICES]
    taught = [row for row in rows if _slice(row) >= share * _SLICES]
    return taught, asked


def _slice(row: Row) -> int:
    key = str(row.fields.get("id") or row.fields.get("text"))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % _SLICES


def main() -> None:
    parser = argparse.ArgumentParser(description="Split a data set by the hash of its rows.")
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.2, help="of the rows that are asked (0.2)")
    given = parser.parse_args()
    lines = given.file.read_text(encoding="utf-8-sig").split("\n")
    given.out.mkdir(parents=True, exist_ok=True)
    for name, rows in zip(("examples", "questions"), split(read_rows(given.file).rows, given.share), strict=True):
        numbers = [int(row.place.rpartition(":")[2]) for row in rows]
        text = "".join(f"{lines[number - 1]}\n" for number in numbers)
        (given.out / f"{name}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
