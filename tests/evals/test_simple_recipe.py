"""The reference recipe, and the paired test against it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from evals.simple_recipe import Article, SimpleRecipe
from evals.statistics import mcnemar


class Flat:
    """Every text has the same vector, so that words decide."""

    model_id = "flat"
    dims = 2

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]


async def test_the_article_with_the_best_piece_is_first_however_long_the_others_are() -> None:
    articles = [Article("long", "Members", "colleague " * 200 + "invite"), Article("short", "Zebra", "stripes here")]
    recipe = await SimpleRecipe.of(articles, Flat())
    assert recipe.best("zebra stripes", [1.0, 0.0]) == "short"
    assert recipe.best("how to invite members", [1.0, 0.0]) == "long"


async def test_a_question_without_a_word_of_its_own_is_answered_by_the_vectors() -> None:
    recipe = await SimpleRecipe.of([Article("only", "", "")], Flat())
    assert recipe.best("the of and", [1.0, 0.0]) == "only"


@pytest.mark.parametrize(("won", "lost", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (15, 4, 0.0192), (7, 7, 1.0)])
def test_mcnemar_is_exact(won: int, lost: int, p: float) -> None:
    assert mcnemar(won, lost) == mcnemar(lost, won) == pytest.approx(p, abs=1e-4)
