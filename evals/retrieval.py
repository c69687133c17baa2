"""How well the knowledge search finds the right article, and how well it knows that there is none.

Articles are JSON lines `{id, title, text}`; questions `{id, question, gold, answerable?, kind?}`, where `gold` lists the
articles any of which is right. Give a database that holds nothing else: the articles replace what is there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.ports import Embedder
from crm.knowledge.ranking import FLOOR
from crm.knowledge.search import KnowledgeBase
from crm.knowledge.sync import sync_folder
from crm.pool import Pool

# Four chunks of an article at most, so 60 passages are 15 articles or more.
_PASSAGES = 60
_MRR_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """One question's result: the rank (from 1) of the first right article, None when it is not among the found."""

    question_id: str
    answerable: bool
    rank: int | None
    best_score: float
    found: tuple[str, ...]


async def run_retrieval(
    pool: Pool,
    embedder: Embedder,
    articles: Path,
    questions: Path,
    *,
    titles: bool = True,
    kinds: Iterable[str] | None = None,
) -> dict[str, float]:
    """Index the articles, ask the questions, and measure.

    `titles=False` indexes without titles, for questions that are the titles; `kinds` selects questions by their kind.
    """
    rows = [
        {"id": row["id"], "title": row.get("title", "") if titles else "", "text": row["text"]}
        for row in _read_rows(articles)
    ]
    with tempfile.TemporaryDirectory() as folder:
        # Only these fields: a description or a summary may be the very question.
        (Path(folder) / "articles.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        await sync_folder(pool, embedder, Path(folder), source="eval")
    wanted = None if kinds is None else set(kinds)
    asked = [row for row in _read_rows(questions) if wanted is None or row.get("kind") in wanted]
    return measure([await _ask(KnowledgeBase(pool, embedder), row) for row in asked])


def measure(answers: Sequence[Answer], *, floor: float = FLOOR) -> dict[str, float]:
    """hit@k and MRR over answerable questions; the rest tells right answers from "nothing found"."""
    known = [answer for answer in answers if answer.answerable]
    unknown = [answer for answer in answers if not answer.answerable]
    metrics = {"questions": float(len(known))}
    for k in (1, 3, 5):
        metrics[f"hit@{k}"] = _share(answer.rank is not None and answer.rank <= k for answer in known)
    found = [1 / a.rank if a.rank is not None and a.rank <= _MRR_DEPTH else 0.0 for a in known]
    metrics["mrr"] = sum(found) / len(found) if found else 0.0
    metrics["answerable_above_floor"] = _share(answer.best_score >= floor for answer in known)
    if unknown:
        nothing = [answer for answer in answers if answer.best_score < floor]
        metrics["unanswerable"] = float(len(unknown))
        metrics["abstention_auroc"] = _auroc([a.best_score for a in known], [a.best_score for a in unknown])
        metrics["nothing_found_precision"] = _share(not answer.answerable for answer in nothing)
        metrics["nothing_found_recall"] = _share(answer.best_score < floor for answer in unknown)
    return metrics


async def _ask(knowledge: KnowledgeBase, row: dict[str, Any]) -> Answer:
    explanation = await knowledge.explain(row["question"], limit=_PASSAGES)
    slugs = tuple(dict.fromkeys(hit.candidate.slug for hit in explanation.hits))
    gold = set(row["gold"])
    rank = next((place for place, slug in enumerate(slugs, start=1) if slug in gold), None)
    answerable = bool(row.get("answerable", True)) and bool(gold)
    return Answer(str(row["id"]), answerable, rank, explanation.result.best_score, slugs[:5])


def _read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _share(truths: Iterable[bool]) -> float:
    listed = list(truths)
    return sum(listed) / len(listed) if listed else 0.0


def _auroc(high: Sequence[float], low: Sequence[float]) -> float:
    """The chance that an answerable question scores above an unanswerable one; ties count half."""
    wins = sum((one > other) + 0.5 * (one == other) for one in high for other in low)
    return wins / (len(high) * len(low)) if high and low else 0.0
