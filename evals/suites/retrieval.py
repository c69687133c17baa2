"""retrieval: `{question, gold, answerable?}` with `--kb` (articles `{id, title, text}` as JSON lines, or a docs folder).

`gold` lists the ids of the articles any of which is right. A question with `answerable: false` or an empty `gold` asks
for something that the documents do not say: right is to find nothing, that is nothing above the relevance floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crm.knowledge.ranking import FLOOR
from crm.knowledge.search import KnowledgeBase
from evals.dossier import load_cases
from evals.rows import BadRow, NoCriterion, Row
from evals.statistics import Figure, auroc, mean, share
from evals.suite import Case, Fault, Measured, known
from evals.world import World
from nodes.retrieval import question_of

# Four chunks of an article at most, so 60 passages are 15 articles or more.
_PASSAGES = 60
_DEPTH = 10
_RECALL_AT = 5


@dataclass(frozen=True, slots=True)
class RetrievalCase(Case):
    question: str
    gold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The articles best first, and the score of the best."""

    articles: tuple[str, ...]
    best_score: float


class Retrieval:
    name = "retrieval"

    def read(self, row: Row) -> RetrievalCase:
        question = row.text("question")
        gold, answerable = row.texts("gold"), row.find("answerable", bool)
        if answerable and not gold:
            raise BadRow(f"{row.place}: an answerable question needs an article in `gold`")
        if "gold" not in row.fields and answerable is None:
            raise NoCriterion("give `gold` (ids of articles) or `answerable`")
        return RetrievalCase(row.id, row.place, question, question, () if answerable is False else gold)

    def dossier_cases(self, world: World) -> list[RetrievalCase]:
        """The sample tickets that have an answer, and those that the documents do not answer."""
        folder = world.dossier / "tickets"
        asked = [(c, question_of(c.subject, c.message)) for c in load_cases(folder)]
        return [
            RetrievalCase(c.id, str(folder), question, question, c.articles if c.outcome == "answered" else ())
            for c, question in asked
            if question and ((c.outcome == "answered" and c.articles) or c.reason == "no_answer")
        ]

    async def prepare(self, world: World, cases: Sequence[RetrievalCase]) -> None:
        await world.pool()
        await world.embedder.embed([case.question for case in cases])

    async def ask(self, world: World, case: RetrievalCase) -> Found:
        """The production search; its explanation goes on below the floor, which `nothing_found` needs."""
        knowledge = KnowledgeBase(await world.pool(), world.embedder)
        explanation = await knowledge.explain(case.question, limit=_PASSAGES)
        articles = tuple(dict.fromkeys(hit.candidate.slug for hit in explanation.hits))
        return Found(articles, explanation.result.best_score)

    def measure(self, answered: Sequence[tuple[RetrievalCase, Found]]) -> Measured:
        answerable, unknown = _apart(answered)
        figures = known(
            **{f"hit@{k}": share(_rank(case, found) <= k for case, found in answerable) for k in (1, 3, 5)},
            **{f"recall@{_RECALL_AT}": mean(_recall(case, found) for case, found in answerable)},
            mrr=mean(1 / rank if (rank := _rank(c, f)) <= _DEPTH else 0.0 for c, f in answerable),
            answerable_found=share(found.best_score >= FLOOR for _, found in answerable),
        )
        if unknown:
            figures |= _nothing_found(answerable, unknown)
        faults = [
            Fault(case, f"{found.articles[:3]} instead of {list(case.gold)}")
            for case, found in answerable
            if _rank(case, found) > 1
        ]
        faults += [
            Fault(case, f"found {found.articles[:1]} ({found.best_score:.2f}), though nothing answers it")
            for case, found in unknown
            if found.best_score >= FLOOR
        ]
        return Measured(figures, faults)


def _apart(
    answered: Sequence[tuple[RetrievalCase, Found]],
) -> tuple[list[tuple[RetrievalCase, Found]], list[tuple[RetrievalCase, Found]]]:
    return [pair for pair in answered if pair[0].gold], [pair for pair in answered if not pair[0].gold]


def _nothing_found(
    answerable: Sequence[tuple[RetrievalCase, Found]], unknown: Sequence[tuple[RetrievalCase, Found]]
) -> dict[str, Figure]:
    silent = [(case, found) for case, found in [*answerable, *unknown] if found.best_score < FLOOR]
    return known(
        nothing_found_precision=share(not case.gold for case, _ in silent),
        nothing_found_recall=share(found.best_score < FLOOR for _, found in unknown),
        answerable_auroc=auroc([f.best_score for _, f in answerable], [f.best_score for _, f in unknown]),
    )


def _rank(case: RetrievalCase, found: Found) -> float:
    """The place, from 1, of the first right article; infinite when it is not among the found."""
    return next((place for place, slug in enumerate(found.articles, 1) if slug in case.gold), float("inf"))


def _recall(case: RetrievalCase, found: Found) -> float:
    gold = set(case.gold)
    return len(gold & set(found.articles[:_RECALL_AT])) / len(gold)
