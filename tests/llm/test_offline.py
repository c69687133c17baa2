"""The offline mind: labels from examples, sentiment from seeds and rules, other words for a question."""

from __future__ import annotations

import pytest

from core.models import Label
from llm.embedding import E5, SentenceEmbedder
from llm.offline import OfflineMind

MIND = OfflineMind(SentenceEmbedder(E5), agent_model="the model")

TAUGHT = (
    Label("refund", "Wants money back.", ("I want a refund", "give me my money back", "please return my payment")),
    Label("how_to", "Asks how.", ("how do I add a user", "where can I change my card", "how can I export data")),
    Label("thanks", "Says thanks.", ("thanks a lot", "that worked, thank you", "great, many thanks")),
)
DESCRIBED = tuple(Label(label.id, label.description) for label in TAUGHT)


@pytest.mark.parametrize("labels", [TAUGHT, DESCRIBED], ids=["examples", "descriptions"])
@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("can you send the money back to my card", "refund"),
        ("how do I invite a colleague", "how_to"),
        ("thank you so much", "thanks"),
    ],
)
async def test_the_nearest_label_is_found(labels: tuple[Label, ...], text: str, label: str) -> None:
    found = await MIND.classify(text, labels, instructions="")
    assert found.label == label
    assert 1 / 3 < found.confidence <= 1
    assert found.runner_up not in (None, label)


async def test_confidence_falls_for_a_text_that_fits_nothing() -> None:
    sure = await MIND.classify("I want a refund please", TAUGHT, instructions="")
    unsure = await MIND.classify("the train to Leeds leaves at nine", TAUGHT, instructions="")
    assert unsure.confidence < sure.confidence


async def test_a_label_without_examples_beside_taught_ones_can_win() -> None:
    labels = (*TAUGHT, Label("legal", "My lawyer will sue you, I take legal action in court."))
    assert (await MIND.classify("we will take you to court", labels, instructions="")).label == "legal"


async def test_the_nearest_example_is_named() -> None:
    assert (await MIND.classify("I want a refund!", TAUGHT, instructions="")).nearest == "I want a refund"


def test_the_agent_model_is_the_one_handed_in() -> None:
    assert MIND.agent_model() == "the model"


@pytest.mark.parametrize(
    "text",
    [
        "You are a bunch of idiots, nothing works and nobody answers!",
        "This is absolutely unacceptable. Three days without a reply and my shop is closed.",
        "I am furious about your update, it deleted my whole catalogue.",
        "WHY IS THIS BROKEN AGAIN??? FIX YOUR APP NOW",
        "Oh great, the import crashed again and all my work is gone.",
        "Thanks for nothing.",
        "Worst support I have ever had to deal with.",
        "Your fucking app lost my orders again.",
        "Hello,\nI imported our list yesterday.\nIt is a disaster, you ruined my week and I am sick of your excuses.\nBob",
        "Enough is enough. Stop ignoring me, this is pathetic.",
    ],
)
async def test_anger_is_rated_below_the_line_with_a_cue(text: str) -> None:
    rating = await MIND.rate_sentiment(text, instructions="")
    assert rating.score < 0.3
    assert rating.cues


@pytest.mark.parametrize(
    "text",
    [
        "How do I kill a process that hangs?",
        "The sync failed with a fatal error and then the app crashed.",
        "This is killing me, which button do I press?",
        "I feel like an idiot, where is the export button?",
        "I'm a bit frustrated, the import stops at 40 percent every time.",
        "I want to cancel my subscription.",
        "A customer of mine is very angry about a late parcel, how do I look up the shipment?",
        "My customers are furious about late parcels, which report shows me the delays?",
        "I have a customer who is livid, can I see when her order was shipped?",
        "I am not angry, I would just like to understand what happened.",
        "Can I mark items as damaged or lost?",
        "My API KEY for the REST API returns HTTP 401",
        "Where is my order? It has not arrived yet.",
        "No worries at all, thanks for checking!",
        "URGENT: our label printer stopped and we ship at noon, please help",
    ],
)
async def test_questions_and_mild_frustration_stay_above_the_line(text: str) -> None:
    assert (await MIND.rate_sentiment(text, instructions="")).score >= 0.3


@pytest.mark.parametrize("text", ["Holy shit, this update is amazing!", "Damn, that was fast. Thank you!"])
async def test_profane_praise_is_praise(text: str) -> None:
    assert (await MIND.rate_sentiment(text, instructions="")).score > 0.6


async def test_the_same_text_has_the_same_rating() -> None:
    text = "I am disappointed, this is the second time."
    other = OfflineMind(SentenceEmbedder(E5), agent_model=None)
    assert await other.rate_sentiment(text, instructions="") == await MIND.rate_sentiment(text, instructions="")


async def test_a_rewritten_query_differs_from_what_was_tried() -> None:
    question = "Hi! Could you please tell me how I can get rid of a teammate in our workspace? Thanks"
    first = await MIND.rewrite_query(question, tried=[question], instructions="")
    second = await MIND.rewrite_query(question, tried=[question, first], instructions="")
    assert first.split()[-2:] == ["teammate", "workspace"]
    assert len({question.lower(), first.lower(), second.lower()}) == 3


async def test_codes_survive_rewriting() -> None:
    assert "TR-1042" in await MIND.rewrite_query(
        "why do i get TR-1042?", tried=["why do i get TR-1042?"], instructions=""
    )


async def test_a_question_of_courtesy_words_alone_comes_back() -> None:
    assert await MIND.rewrite_query("help please", tried=["help please"], instructions="") == "help please"
