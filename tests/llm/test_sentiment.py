"""Below 0.3 stands anger and nothing else: what must, what must not, and how the scale orders the rest."""

from __future__ import annotations

import pytest

from llm.embedding import E5, SentenceEmbedder
from llm.lexicon import words_say
from llm.offline import OfflineMind

MIND = OfflineMind(SentenceEmbedder(E5), agent_model=None)


async def score(text: str) -> float:
    return (await MIND.rate_sentiment(text)).score


@pytest.mark.parametrize(
    "text",
    [
        "you complete m0rons, do your j0b",
        "your support is sh!t and so is your app",
        "I h a t e your company, you i d i o t s",
        "What a fcuking joke, third outage this week",
        "f*ck your sync",
        "@support down AGAIN?? are you kidding me, worst service ever #fail",
        "I have never been so angry at a company.",
        "I do not want a foreigner to handle my ticket, they are all criminals.",
        "You promised me a call on Monday, then on Tuesday. You are lying to me and I have had enough of it.",
    ],
)
async def test_anger_threats_hatred_and_disguised_insults_go_to_a_person(text: str) -> None:
    assert await score(text) < 0.3


@pytest.mark.parametrize(
    "text",
    [
        "I AM ON A BROKEN KEYBOARD AND CAN ONLY WRITE IN CAPITALS, HOW DO I RESET MY PASSWORD",
        "shit just works now, great job guys",
        "Damn, this new scanner view is fast!! love it",
        "The worker was killed with exit code 137 and the job failed, which log shows the fatal error?",
        "What do we do with dead stock?",
        "I am quite disappointed with the last update, it is slower than before.",
        "Still not solved, I am getting a bit desperate. Could you please look again?",
        "I'd like to claim a refund for the outage, please.",
        "Can I talk to a real person please?",
        "Our driver was hit by a thief, how do I book the stolen boxes?",
        "Lisa Dickinson from Scunthorpe can't see SKU A55-H0LE",
        "My customers call the old labels stupid, can I change the text?",
        "how many turkish lira is the starter plan",
        "We have many Muslim customers, can the calendar show Ramadan?",
    ],
)
async def test_capitals_praise_disappointment_and_bad_words_of_the_trade_stay(text: str) -> None:
    assert await score(text) >= 0.3


async def test_the_scale_orders_from_fury_to_delight() -> None:
    texts = (
        "You idiots deleted everything, I am furious!",
        "I am rather disappointed, it is slower than before.",
        "Where do I find the export?",
        "Thanks, that helped.",
        "Wow, thank you so much, I absolutely love it!!! :D",
    )
    scores = [await score(text) for text in texts]
    assert scores == sorted(scores)


@pytest.mark.parametrize(("better", "worse"), [("nice :)", "nice :("), ("very good", "good"), ("good", "not good")])
def test_the_lexicon_knows_emoticons_intensity_and_negation(better: str, worse: str) -> None:
    assert words_say(better) > words_say(worse)


@pytest.mark.parametrize("text", ["The job failed with an error.", "How do I kill a blocked process?"])
def test_technical_words_say_nothing(text: str) -> None:
    assert words_say(text) == 0
