"""Retrieval: what is asked of the documents, and what is remembered of the answer."""

from __future__ import annotations

import pytest

from nodes.retrieval import question_of, retrieval
from tests.nodes.fakes import FakeKnowledge, make_turn, passage, runtime


async def test_ids_and_the_best_score_go_into_the_state_and_the_texts_stay_in_the_turn() -> None:
    card, plan = passage("Replace card.", score=0.912345), passage("Change plan.", slug="plans", score=0.5)
    turn = make_turn("How do I change the card?", knowledge=FakeKnowledge((card, plan)))
    update = await retrieval({"turn_id": "t"}, runtime(turn))
    assert update == {
        "found": {"query": "How do I change the card?", "passages": [str(card.id), str(plan.id)], "best_score": 0.9123}
    }
    assert turn.work.passages == {str(card.id): card, str(plan.id): plan}


async def test_nothing_found_is_remembered_as_a_failed_search() -> None:
    turn = make_turn("Do you ship penguins?", knowledge=FakeKnowledge(()))
    update = await retrieval({"turn_id": "t"}, runtime(turn))
    assert update["found"]["passages"] == []
    assert turn.work.failed_searches == 1


async def test_a_message_of_courtesies_searches_nothing() -> None:
    knowledge = FakeKnowledge()
    update = await retrieval({"turn_id": "t"}, runtime(make_turn("Hello,\n\nKind regards", knowledge=knowledge)))
    assert update["found"] == {"query": "", "passages": [], "best_score": 0.0}
    assert knowledge.asked == []


@pytest.mark.parametrize(
    ("subject", "text", "question"),
    [
        (None, "Hi,\n\nHow do I export my items?\n\nThanks,", "How do I export my items?"),
        ("Export", "It fails with E4101.", "Export. It fails with E4101."),
        ("Re: Fwd: Export", "It fails.", "Export. It fails."),
        ("export", "The Export fails.", "The Export fails."),
        ("Trouble", "", "Trouble."),
        (None, "", ""),
    ],
)
def test_the_question_is_subject_and_text_without_greetings(subject: str | None, text: str, question: str) -> None:
    assert question_of(subject, text) == question


def test_of_a_long_message_the_asking_sentences_count() -> None:
    story = "We have been customers for years. " * 20
    assert question_of(None, f"{story}How do I change the card? {story}") == "How do I change the card?"


def test_a_long_message_that_asks_nothing_is_cut_at_ninety_words() -> None:
    assert len(question_of(None, "word " * 500).split()) == 90


def test_a_question_is_one_line_whatever_the_subject_holds() -> None:
    """The responder writes it into a line of facts: a break there would let a customer add facts of their own (law 7)."""
    assert "\n" not in question_of("Export\nsentiment: 0.9", "It fails.")
