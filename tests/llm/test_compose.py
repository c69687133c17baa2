"""Replies without a language model: the right section, the right rows, and silence about what no page knows."""

from __future__ import annotations

from typing import Any

import pytest

from llm.compose import Composer, _unknown_error
from llm.embedding import MINI_LM, SentenceEmbedder
from llm.questions import asking_clauses, split_questions


def passage(text: str, *, heading: str = "Heading", score: float = 0.8, id: str = "p1") -> dict[str, Any]:
    return {"id": id, "title": "Title", "heading": heading, "score": score, "text": text}


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(SentenceEmbedder(MINI_LM))


async def say(
    composer: Composer, question: str, *passages: dict[str, Any], channel: str = "web_form", sentiment: float = 0.5
) -> str:
    reply = await composer.compose(question, [(question, list(passages))], channel, sentiment=sentiment)
    return "\n".join(sentence["text"] for sentence in reply)


async def test_every_sentence_stands_in_the_passage_that_it_names(composer: Composer) -> None:
    text = "Open Settings.\n1. Click Invoices.\n2. Click the PDF symbol."
    [*reply] = await composer.compose("where are my invoices?", [("invoices", [passage(text)])], "email", sentiment=0.5)
    assert all(sentence["text"] in text for sentence in reply)
    assert {p for sentence in reply for p in sentence["passages"]} == {"p1"}


async def test_a_table_is_not_read_out_whole(composer: Composer) -> None:
    rows = "\n".join(f"Action: thing {n}; Owner: yes; Viewer: no." for n in range(8))
    said = await say(composer, "what can a Viewer do?", passage(f"A Viewer can see everything.\n{rows}"))
    assert said.count("Action:") == 2
    assert "A Viewer can see everything." in said


async def test_nothing_is_said_about_other_error_codes_than_the_one_asked_for(composer: Composer) -> None:
    codes = "Code: TR-3001; Meaning: The agent is offline.\nCode: TR-3008; Meaning: The label has the wrong size."
    said = await say(composer, "The printer says TR-3001, what now?", passage(codes))
    assert "TR-3001" in said
    assert "TR-3008" not in said


async def test_what_stands_before_the_first_heading_answers_nothing(composer: Composer) -> None:
    summary = passage("How to print labels.", heading="", score=0.9, id="p0")
    assert (
        await say(composer, "how do I print labels?", summary, passage("Open Labels > Print."))
        == "Open Labels > Print."
    )


async def test_whatsapp_gets_what_fits(composer: Composer) -> None:
    long = " ".join(f"Sentence number {n} is about the stock of an item." for n in range(20))
    assert len(await say(composer, "stock of an item", passage(long), channel="whatsapp")) <= 230


async def test_a_frustrated_customer_is_met_with_one_sentence_of_empathy(composer: Composer) -> None:
    calm = await say(composer, "how do I print?", passage("Open Labels > Print."))
    upset = await say(composer, "how do I print?", passage("Open Labels > Print."), sentiment=0.33)
    assert upset.endswith(calm)
    assert upset.startswith("I am sorry")


@pytest.mark.parametrize(
    ("asked", "found", "unknown"),
    [
        ("the printer is silent, error PA-21", "Error TR-3001 means that it is off.", True),
        ("the page says TR-4102", "Error TR-3001 means that it is off.", True),
        ("TR-3001 again", "Error TR-3001 means that it is off.", False),
        ("my item MUG-12 is gone", "Error TR-3001 means that it is off.", False),
        ("nothing prints", "Error TR-3001 means that it is off.", False),
    ],
)
def test_an_error_code_that_no_page_knows_is_not_answered_with_others(asked: str, found: str, unknown: bool) -> None:
    assert _unknown_error(asked.upper(), found.upper()) is unknown


def test_a_question_that_leans_on_another_is_not_searched_alone() -> None:
    assert split_questions("Is there an API limit and what happens when we go over it?") == []
    two = split_questions("How do I archive an old product? And how can I restore a deleted location?")
    assert len(two) == 2


def test_a_clause_asks_without_a_question_mark() -> None:
    assert asking_clauses("our old script gets E429, how many requests are ok") == ["how many requests are ok"]


async def test_how_many_is_answered_by_a_sentence_with_a_number(composer: Composer) -> None:
    filler = " ".join(
        f"Requests of the script are counted in the log of the day, and script {w} waits." for w in "abcd"
    )
    text = f"{filler} The script may send 30 requests a minute."
    said = await say(composer, "how many requests may our script send?", passage(text), channel="whatsapp")
    assert "30 requests a minute" in said


async def test_on_whatsapp_a_sentence_is_said_rather_than_a_row_of_a_table(composer: Composer) -> None:
    text = "Call: Bulk write, up to 100 records; Cost: 20.\nCall: Search; Cost: 5.\nA search costs 5 and a bulk write costs 20."
    long = f"{text}\n" + "\n".join(f"Call: Thing {n} that nobody ever asks about; Cost: {n}." for n in range(30, 36))
    said = await say(composer, "what does a bulk write cost?", passage(long), channel="whatsapp")
    assert "a bulk write costs 20" in said


async def test_the_section_that_is_about_it_throughout_comes_before_one_with_a_single_near_word(
    composer: Composer,
) -> None:
    aside = passage(
        "Labels fade in the sun. A printer can be renamed. The card is optional. Boxes are blue.", heading="Care"
    )
    about = passage(
        "To change the card, open Billing. Enter the new card. The new card is charged next month.", id="p2"
    )
    reply = await composer.compose("change my card", [("change my card", [aside, about])], "whatsapp", sentiment=0.5)
    assert {p for sentence in reply for p in sentence["passages"]} == {"p2"}


async def test_a_section_that_is_two_passages_is_told_in_the_order_of_the_page(composer: Composer) -> None:
    second = passage("3. Choose the size.\n4. Click Print.", id="p2") | {"place": 5}
    first = passage("To print labels, do this:\n1. Open Labels.\n2. Choose a template.", id="p1", score=0.7) | {
        "place": 4
    }
    said = await say(composer, "how do I print labels and choose a size?", second, first, channel="email")
    assert [line[:2] for line in said.splitlines()] == ["To", "1.", "2.", "3.", "4."]
