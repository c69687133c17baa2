"""One absolute score, agreement within an article, and one of each set of near-duplicates."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from crm.knowledge.ranking import Candidate, Corpus, Hit, Question, names_version, rank
from crm.knowledge.selection import select

CORPUS = Corpus(version=1, chunk_count=100, lexeme_count=5_000, words={"label": 20, "tr-1042": 1, "print": 30})


def candidate(**changes: Any) -> Candidate:
    """A chunk whose vector is near to no other's."""
    vector = np.random.default_rng(uuid4().int).normal(size=384)
    values: dict[str, Any] = {
        "id": uuid4(),
        "article_id": uuid4(),
        "slug": "slug",
        "title": "Title",
        "heading": "",
        "text": "Text.",
        "url": None,
        "product": None,
        "version": None,
        "updated_on": None,
        "hash": str(uuid4()),
        "length": 50,
        "vector": vector / np.linalg.norm(vector),
        "cosine": 0.5,
        "heading_cosine": None,
        "asked_cosine": None,
        "counts": {},
        "named": (),
    }
    return Candidate(**(values | changes))


def ask(text: str, *lexemes: str) -> Question:
    return Question(text, lexemes)


def show(question: Question, *candidates: Candidate) -> list[Hit]:
    return select(question, rank(question, CORPUS, candidates), limit=20)


def best(question: Question, *candidates: Candidate) -> UUID:
    return rank(question, CORPUS, candidates)[0].candidate.id


def test_a_rare_identifier_outweighs_a_common_word() -> None:
    code = candidate(counts={"tr-1042": 1})
    word = candidate(counts={"print": 3})
    [first, second] = rank(ask("print TR-1042", "print", "tr-1042"), CORPUS, [word, code])
    assert first.candidate.id == code.id
    assert 0 < second.lexical < first.lexical < 1
    assert first.matched == ("tr-1042",)


def test_a_word_in_the_heading_counts_more_than_one_in_the_text() -> None:
    heading = candidate(counts={"label": 1}, named=("label",))
    text = candidate(counts={"label": 1})
    assert best(ask("label", "label"), text, heading) == heading.id


def test_a_heading_that_says_the_question_lifts_its_chunk() -> None:
    assert best(ask("x"), (plain := candidate(cosine=0.6)), candidate(heading_cosine=0.5)) == plain.id
    assert best(ask("x"), candidate(cosine=0.6), (headed := candidate(heading_cosine=0.9))) == headed.id


def test_the_first_of_several_sentences_names_the_page_as_a_subject_does() -> None:
    question = Question.read("Print my labels. Yesterday I tried TR-1042 again.", most_lexemes=64)
    assert question.lead == {"print", "label"}
    named = candidate(counts={"label": 1}, named=("label",))
    mentioned = candidate(counts={"label": 1, "tr-1042": 1})
    assert best(question, mentioned, named) == named.id
    assert best(replace(question, lead=frozenset()), mentioned, named) == mentioned.id


@pytest.mark.parametrize("text", ["How do I print my labels?", "Hi!\nHow do I print my labels?", ""])
def test_a_single_sentence_is_no_subject(text: str) -> None:
    assert Question.read(text, most_lexemes=64).lead == frozenset()


def test_an_article_may_cover_the_subject_in_two_chunks() -> None:
    question = Question.read("Print my labels. It fails every time.", most_lexemes=64)
    article = uuid4()
    one, other = candidate(article_id=article, counts={"print": 1}), candidate(article_id=article, counts={"label": 1})
    together = rank(question, CORPUS, [one, other])
    apart = rank(question, CORPUS, [replace(one, article_id=uuid4()), other])
    assert together[0].score - together[0].agreement * 0.1 > apart[0].score


def test_an_article_of_which_two_chunks_fit_wins_over_one_with_a_single_chunk() -> None:
    article = uuid4()
    pair = [candidate(article_id=article, cosine=0.60), candidate(article_id=article, cosine=0.58)]
    alone = candidate(cosine=0.61)
    hits = rank(ask("x"), CORPUS, [alone, *pair])
    assert hits[0].candidate.article_id == article
    assert hits[0].agreement == pytest.approx(0.23)


def test_the_score_does_not_depend_on_the_other_articles_found() -> None:
    one = candidate(counts={"label": 2})
    question = ask("label print", "label", "print")
    alone = rank(question, CORPUS, [one])[0].score
    assert rank(question, CORPUS, [one, candidate(cosine=0.9)])[1].score == alone


def test_words_that_no_document_has_lower_the_score() -> None:
    one = candidate(counts={"label": 2})
    assert (
        rank(ask("label", "label"), CORPUS, [one])[0].score > rank(ask("label q", "label", "q"), CORPUS, [one])[0].score
    )


def test_of_two_that_say_the_same_the_newer_is_shown() -> None:
    old = candidate(hash="same", updated_on=date(2024, 1, 1), cosine=0.52)
    new = candidate(hash="same", updated_on=date(2026, 1, 1))
    [hit] = show(ask("x"), old, new)
    assert hit.candidate.id == new.id


def test_of_two_that_say_the_same_the_version_asked_for_is_shown() -> None:
    vector = np.eye(384)[0]
    old = candidate(vector=vector, version="4", updated_on=date(2024, 1, 1))
    new = candidate(vector=vector, version="5", updated_on=date(2026, 1, 1))
    assert [h.candidate.version for h in show(ask("scan with app 4.2"), old, new)] == ["4"]
    assert [h.candidate.version for h in show(ask("how do I scan"), old, new)] == ["5"]


def test_one_article_does_not_fill_the_list() -> None:
    article = uuid4()
    many = [candidate(article_id=article, cosine=0.9) for _ in range(20)]
    other = candidate(cosine=0.4)
    hits = show(ask("x"), *many, other)
    assert len(hits) < 10
    assert hits[-1].candidate.id == other.id


@pytest.mark.parametrize(
    ("text", "version", "named"),
    [
        ("how do I scan in version 4", "4", True),
        ("mobile app 4.12 shows nothing", "4", True),
        ("I have 4 items", "4", False),
        ("version 45", "4", False),
        ("rate limit of API v1", "v1", True),
        ("rate limit of API v10", "v1", False),
        ("since 2026.2 it fails", "2026.2", True),
        ("anything", None, False),
    ],
)
def test_a_version_is_named_only_where_it_is_one(text: str, version: str | None, named: bool) -> None:
    assert names_version(text, version) is named
