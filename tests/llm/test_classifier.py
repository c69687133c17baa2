"""What the classifier learns from names, descriptions, few examples and many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from core.models import Label
from llm.classifier import Classifier
from llm.embedding import E5, SentenceEmbedder
from llm.kernel import KernelRidge, Matrix
from llm.offline import OfflineMind

EMBEDDER = SentenceEmbedder(E5)
NAMES = ("cancel_order", "contact_human_agent", "reset_password", "track_delivery")


async def embed(texts: Sequence[str]) -> Matrix:
    return np.asarray(await EMBEDDER.embed(texts))


async def classify(labels: Sequence[Label], text: str):
    classifier = await Classifier.fit(labels, embed)
    return await classifier.classify(text, embed)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("could you call off my purchase", "cancel_order"),
        ("let me talk to a human please", "contact_human_agent"),
        ("i forgot my login secret", "reset_password"),
        ("where is my parcel", "track_delivery"),
    ],
)
async def test_a_name_alone_is_enough_to_be_found(text: str, label: str) -> None:
    assert (await classify([Label(name, "") for name in NAMES], text)).label == label


async def test_a_word_of_the_name_decides_where_the_names_are_alike() -> None:
    labels = [Label(name, "") for name in ("contact_customer_service", "contact_human_agent", "track_order")]
    # By the sentences' vectors alone the first is a wish for customer service.
    assert (await classify(labels, "I need assistance chatting with a person")).label == "contact_human_agent"
    assert (await classify(labels, "wanna chat with a person")).label == "contact_human_agent"
    assert (await classify(labels, "how do i reach your customer service")).label == "contact_customer_service"


async def test_a_description_says_what_a_name_does_not() -> None:
    labels = [Label("a1", "Wants the money of a purchase back."), Label("a2", "Cannot sign in.")]
    assert (await classify(labels, "please give me a refund")).label == "a1"
    assert (await classify(labels, "my password is refused")).label == "a2"


@pytest.mark.parametrize("text", ["", "?", "to me"])
async def test_a_text_without_a_telling_word_gets_some_label(text: str) -> None:
    assert (await classify([Label(name, "") for name in NAMES], text)).label in NAMES


async def test_a_text_in_scope_is_more_familiar_than_one_out_of_it() -> None:
    labels = [
        Label("refund", "", ("I want a refund", "give me my money back", "please return my payment")),
        Label("how_to", "", ("how do I add a user", "where can I change my card")),
        Label("oos", "", ("how tall is the eiffel tower", "write me a poem"), in_scope=False),
    ]
    inside = await classify(labels, "may I have my money back")
    outside = await classify(labels, "how high is the tower of pisa")
    assert inside.familiarity is not None
    assert outside.familiarity is not None
    assert inside.familiarity > outside.familiarity


def test_what_is_left_out_is_predicted_as_by_a_model_that_never_saw_it() -> None:
    random = np.random.default_rng(7)
    vectors = random.normal(size=(40, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    targets = random.normal(size=(40, 3))
    whole = KernelRidge.fit(vectors, targets)
    others = np.arange(40) != 11
    without = KernelRidge.fit(vectors[others], targets[others])
    assert whole.left_out[11] == pytest.approx(without.predict(vectors[11:12])[0])


def test_thousands_of_examples_are_learned_with_a_sample_left_out() -> None:
    random = np.random.default_rng(7)
    centres = random.normal(size=(5, 16))
    numbers = np.arange(2500) % 5
    vectors = centres[numbers] + 0.3 * random.normal(size=(2500, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    model = KernelRidge.fit(vectors, np.eye(5)[numbers], left_out=300)
    assert model.left_out.shape == (300, 5)
    assert (model.left_out.argmax(axis=1) == numbers[model.left_out_rows]).mean() > 0.98
    assert (model.predict(vectors).argmax(axis=1) == numbers).mean() > 0.98


async def test_who_asks_while_a_classifier_is_fitted_waits_for_it_instead_of_fitting_another() -> None:
    class Counting(SentenceEmbedder):
        taught = 0

        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            self.taught += len(texts) > 1
            return await super().embed(texts)

    embedder = Counting(E5)
    mind = OfflineMind(embedder, agent_model=None)
    labels = (Label("a", "", ("good morning", "hello")), Label("b", "", ("bye", "see you")))
    await asyncio.gather(*(mind.classify(f"hi {n}", labels) for n in range(4)))
    assert embedder.taught == 1
