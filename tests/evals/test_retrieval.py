"""What the retrieval evaluation counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crm.pool import Pool
from evals.retrieval import Answer, measure, run_retrieval
from llm.embedding import MiniLmEmbedder


def answer(rank: int | None, score: float, *, answerable: bool = True) -> Answer:
    return Answer("q", answerable, rank, score, ())


def test_hits_count_answerable_questions_alone() -> None:
    metrics = measure([answer(1, 0.9), answer(3, 0.8), answer(None, 0.7), answer(1, 0.6, answerable=False)])
    assert metrics["questions"] == 3
    assert [metrics[f"hit@{k}"] for k in (1, 3, 5)] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert metrics["mrr"] == pytest.approx((1 + 1 / 3) / 3)


def test_nothing_found_is_judged_at_the_floor() -> None:
    known = [answer(1, 0.9), answer(1, 0.3)]
    unknown = [answer(None, 0.2, answerable=False), answer(None, 0.6, answerable=False)]
    metrics = measure([*known, *unknown], floor=0.4)
    assert metrics["answerable_above_floor"] == 0.5
    assert metrics["nothing_found_precision"] == 0.5
    assert metrics["nothing_found_recall"] == 0.5
    assert metrics["abstention_auroc"] == pytest.approx(3 / 4)


async def test_titles_and_descriptions_can_be_kept_from_the_index(pool: Pool, tmp_path: Path) -> None:
    articles = [
        {"id": "a", "title": "Zebra stripes", "text": "Choose a label size.", "description": "zebra"},
        {"id": "b", "title": "Other", "text": "Invite a colleague to the team."},
    ]
    (tmp_path / "articles.jsonl").write_text("\n".join(map(json.dumps, articles)))
    (tmp_path / "questions.jsonl").write_text(
        json.dumps({"id": "1", "question": "zebra stripes", "gold": ["a"], "kind": "title"})
        + "\n"
        + json.dumps({"id": "2", "question": "how do I invite people", "gold": ["b"], "kind": "other"})
    )
    arguments = (pool, MiniLmEmbedder(), tmp_path / "articles.jsonl", tmp_path / "questions.jsonl")
    with_titles = await run_retrieval(*arguments, kinds=["title"])
    without = await run_retrieval(*arguments, titles=False, kinds=["title"])
    assert (with_titles["questions"], with_titles["hit@1"]) == (1, 1)
    assert with_titles["answerable_above_floor"] == 1
    assert without["answerable_above_floor"] == 0
    assert (await run_retrieval(*arguments, kinds=["other"]))["hit@1"] == 1
