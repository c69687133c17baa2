"""Retrieval: what is asked of the documents, and what is remembered of the answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.models import HistoryEntry
from core.vocabulary import Author
from nodes.follow_up import earlier_question
from nodes.retrieval import question_of, retrieval
from tests.nodes.fakes import FakeKnowledge, FakeMind, make_turn, passage, runtime


async def test_ids_and_the_best_score_go_into_the_state_and_the_texts_stay_in_the_turn() -> None:
    card, plan = passage("Replace card.", score=0.912345), passage("Change plan.", slug="plans", score=0.5)
    turn = make_turn("How do I change the card?", knowledge=FakeKnowledge((card, plan)))
    update = await retrieval({"turn_id": "t"}, runtime(turn))
    assert update == {
        "found": {"query": "How do I change the card?", "passages": [str(card.id), str(plan.id)], "best_score": 0.9123}
    }
    assert turn.work.passages == {str(card.id): card, str(plan.id): plan}


async def test_nothing_found_is_asked_again_in_other_words_and_both_count_as_failed() -> None:
    knowledge = FakeKnowledge(())
    turn = make_turn("Do you ship penguins?", knowledge=knowledge, mind=FakeMind(other_words="penguin delivery"))
    update = await retrieval({"turn_id": "t"}, runtime(turn))
    assert update["found"]["passages"] == []
    assert knowledge.asked == ["Do you ship penguins?", "penguin delivery"]
    assert turn.work.failed_searches == 2


async def test_what_the_other_words_find_is_what_was_found() -> None:
    card = passage("Replace card.")
    knowledge = FakeKnowledge((), only={"change card": (card,)})
    turn = make_turn("Swap my plastic?", knowledge=knowledge, mind=FakeMind(other_words="change card"))
    update = await retrieval({"turn_id": "t"}, runtime(turn))
    assert (update["found"]["query"], update["found"]["passages"]) == ("change card", [str(card.id)])


def said(text: str, author: Author = "customer", *, here: bool = True) -> HistoryEntry:
    return HistoryEntry(author, "web_form", text, datetime(2026, 3, 1, tzinfo=UTC), same_conversation=here)


HISTORY = [said("How do I count stock?"), said("Open Stock.", "assistant"), said("What about locations?", here=False)]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("and for the mobile app?", "How do I count stock? and for the mobile app?"),
        ("Does it work offline?", "How do I count stock? Does it work offline?"),
        ("And how do I delete an item for good?", "And how do I delete an item for good?"),
    ],
)
async def test_a_question_that_leans_on_an_earlier_one_is_looked_up_with_it(text: str, query: str) -> None:
    turn = make_turn(text)
    turn.deps.desk.history[:] = HISTORY  # pyright: ignore[reportAttributeAccessIssue]
    turn = replace(turn, brief=replace(turn.brief, first_reply=False))
    update = await retrieval({"turn_id": "t"}, runtime(turn))
    assert update["found"]["query"] == query


async def test_a_first_question_has_nothing_to_lean_on_and_reads_no_history() -> None:
    turn = make_turn("and for the mobile app?")
    turn.deps.desk.history[:] = HISTORY  # pyright: ignore[reportAttributeAccessIssue]
    assert (await retrieval({"turn_id": "t"}, runtime(turn)))["found"]["query"] == "and for the mobile app?"


def test_what_leans_in_a_row_goes_back_to_the_question_that_can_be_understood_alone() -> None:
    assert earlier_question([*HISTORY, said("and on the web?")]) == "How do I count stock?"
    assert earlier_question([said("and on the web?")]) is None


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


def test_of_a_long_message_whose_question_leans_on_the_story_its_last_words_count() -> None:
    story = "We have been customers for years. " * 20
    asked = question_of(None, f"{story}The labels come out blank. Why is that? {story}")
    assert asked.endswith("The labels come out blank. Why is that?")
    assert len(asked.split()) == 90


def test_a_long_message_that_asks_nothing_is_cut_at_ninety_words() -> None:
    assert len(question_of(None, "word " * 500).split()) == 90


def test_a_question_is_one_line_whatever_the_subject_holds() -> None:
    """The responder writes it into a line of facts: a break there would let a customer add facts of their own (law 7)."""
    assert "\n" not in question_of("Export\nsentiment: 0.9", "It fails.")
