"""retrieval: `{question, gold, answerable?}` with `--kb` (articles `{id, title, text}` as JSON lines, or a docs folder).

`gold` lists the ids of the articles any of which is right. A question with `answerable: false` or an empty `gold` asks
for something that the documents do not say: right is to find nothing. With `--against-recipe` every answerable question
is also put to `evals.simple_recipe`; the two are compared question by question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import ConfigurationError
from crm.knowledge.search import KnowledgeBase
from evals.dossier import load_cases
from evals.rows import BadRow, NoCriterion, Row
from evals.simple_recipe import SimpleRecipe
from evals.statistics import Figure, auroc, mcnemar, mean, share
from evals.suite import Case, Fault, Measured, Table, known
from evals.world import World, read_articles
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
    """The articles best first, whether they were shown, with which confidence, and what the recipe has first."""

    articles: tuple[str, ...]
    shown: bool
    confidence: float
    by_recipe: str | None


class Retrieval:
    name = "retrieval"

    def __init__(self) -> None:
        self._recipe: SimpleRecipe | None = None

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
        if world.options.against_recipe:
            kb = world.options.kb
            if kb is None or kb.is_dir():
                raise ConfigurationError("--against-recipe wants --kb with articles as JSON lines")
            self._recipe = await SimpleRecipe.of(read_articles(kb, titled=world.options.titles), world.embedder)

    async def ask(self, world: World, case: RetrievalCase) -> Found:
        """The production search; its explanation goes on where nothing is shown, which ranks need."""
        knowledge = KnowledgeBase(await world.pool(), world.embedder)
        explanation = await knowledge.explain(case.question, limit=_PASSAGES)
        articles = tuple(dict.fromkeys(hit.candidate.slug for hit in explanation.hits))
        result = explanation.result
        return Found(articles, bool(result.passages), result.confidence, await self._ask_recipe(world, case))

    async def _ask_recipe(self, world: World, case: RetrievalCase) -> str | None:
        if self._recipe is None:
            return None
        [vector] = await world.embedder.embed([case.question])
        return self._recipe.best(case.question, vector)

    def measure(self, answered: Sequence[tuple[RetrievalCase, Found]]) -> Measured:
        answerable, unknown = _apart(answered)
        figures = known(
            **{f"hit@{k}": share(_rank(case, found) <= k for case, found in answerable) for k in (1, 3, 5)},
            **{f"recall@{_RECALL_AT}": mean(_recall(case, found) for case, found in answerable)},
            mrr=mean(1 / rank if (rank := _rank(c, f)) <= _DEPTH else 0.0 for c, f in answerable),
            answerable_found=share(found.shown for _, found in answerable),
        )
        if unknown:
            figures |= _nothing_found(answerable, unknown)
        paired = [(_rank(c, f) == 1, f.by_recipe in c.gold) for c, f in answerable if f.by_recipe is not None]
        figures |= _against_recipe(paired)
        faults = [
            Fault(case, f"{found.articles[:3]} instead of {list(case.gold)}")
            for case, found in answerable
            if _rank(case, found) > 1
        ]
        faults += [
            Fault(case, f"found {found.articles[:1]} ({found.confidence:.2f}), though nothing answers it")
            for case, found in unknown
            if found.shown
        ]
        return Measured(figures, faults, [_paired_table(paired)] if paired else [])


def _apart(
    answered: Sequence[tuple[RetrievalCase, Found]],
) -> tuple[list[tuple[RetrievalCase, Found]], list[tuple[RetrievalCase, Found]]]:
    return [pair for pair in answered if pair[0].gold], [pair for pair in answered if not pair[0].gold]


def _nothing_found(
    answerable: Sequence[tuple[RetrievalCase, Found]], unknown: Sequence[tuple[RetrievalCase, Found]]
) -> dict[str, Figure]:
    silent = [(case, found) for case, found in [*answerable, *unknown] if not found.shown]
    return known(
        nothing_found_precision=share(not case.gold for case, _ in silent),
        nothing_found_recall=share(not found.shown for _, found in unknown),
        answerable_auroc=auroc([f.confidence for _, f in answerable], [f.confidence for _, f in unknown]),
    )


def _against_recipe(paired: Sequence[tuple[bool, bool]]) -> dict[str, Figure]:
    """`hit@1_above_recipe` is beyond noise where its interval is above 0."""
    return known(
        **{
            "recipe_hit@1": share(theirs for _, theirs in paired),
            "hit@1_above_recipe": mean(float(ours) - float(theirs) for ours, theirs in paired),
        },
        won_from_recipe=share(ours and not theirs for ours, theirs in paired),
        lost_to_recipe=share(theirs and not ours for ours, theirs in paired),
    )


def _paired_table(paired: Sequence[tuple[bool, bool]]) -> Table:
    won = sum(ours and not theirs for ours, theirs in paired)
    lost = sum(theirs and not ours for ours, theirs in paired)
    p = f"{mcnemar(won, lost):.4f}"
    return Table("Against the simple recipe: won, lost, exact McNemar p", ("won", "lost", "p"), ((won, lost, p),))


def _rank(case: RetrievalCase, found: Found) -> float:
    """The place, from 1, of the first right article; infinite when it is not among the found."""
    return next((place for place, slug in enumerate(found.articles, 1) if slug in case.gold), float("inf"))


def _recall(case: RetrievalCase, found: Found) -> float:
    gold = set(case.gold)
    return len(gold & set(found.articles[:_RECALL_AT])) / len(gold)
