"""What stands out is an answer; what is as near as many others is only the topic."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from crm.knowledge.judgement import ANSWERABLE_FROM, UNRELATED, judge
from crm.knowledge.ranking import Candidate, Hit


def hit(score: float, cosine: float = 0.5, *, article: UUID | None = None, text_hash: str = "") -> Hit:
    vector = np.random.default_rng(uuid4().int).normal(size=384)
    place: dict[str, Any] = dict.fromkeys(("url", "product", "version", "updated_on", "heading_cosine", "asked_cosine"))
    found = Candidate(
        id=uuid4(),
        article_id=article or uuid4(),
        slug="slug",
        title="Title",
        heading="",
        text="Text.",
        hash=text_hash or str(uuid4()),
        length=50,
        vector=vector / np.linalg.norm(vector),
        cosine=cosine,
        counts={},
        named=(),
        **place,
    )
    return Hit(found, score, lexical=0.0, naming=0.0, agreement=0.0, matched=())


def test_nothing_found_is_no_answer() -> None:
    assert judge([]) == 0.0


def test_a_page_above_all_others_answers_and_one_of_many_like_it_does_not() -> None:
    assert judge([hit(0.6), *(hit(0.2, 0.2) for _ in range(5))]) > ANSWERABLE_FROM
    assert judge([hit(0.6, 0.3), *(hit(0.59, 0.3) for _ in range(5))]) < ANSWERABLE_FROM


def test_the_chunks_of_an_article_do_not_compete_with_each_other_nor_copies_of_its_text() -> None:
    article = uuid4()
    others = [hit(0.3, 0.2) for _ in range(5)]
    alone = judge([first := hit(0.7, article=article), *others])
    assert judge([first, hit(0.7, article=article), *others]) == alone
    assert judge([first, hit(0.7, text_hash=first.candidate.hash), *others]) == alone


def test_words_alone_answer_less_than_words_and_meaning() -> None:
    others = [hit(0.3, 0.1) for _ in range(5)]
    assert judge([hit(0.7, 0.6), *others]) == pytest.approx(judge([hit(0.7, 0.2), *others]) + 0.2)


def test_a_single_page_is_compared_with_an_unrelated_one() -> None:
    assert judge([hit(0.6)]) == pytest.approx(judge([hit(0.6), hit(UNRELATED, 0.1)]))
