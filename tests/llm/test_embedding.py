"""Sentence vectors from the two models that come with the product."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigurationError
from core.policy import Policy
from core.settings import PROJECT_ROOT
from llm.embedding import E5, MINI_LM, SentenceEmbedder, SentenceModel

DOSSIER = PROJECT_ROOT / "dossier"
EMBEDDER = SentenceEmbedder(MINI_LM)
both_models = pytest.mark.parametrize("model", [MINI_LM, E5], ids=lambda model: model.id)


@both_models
async def test_vectors_are_of_length_one_and_in_the_order_of_the_texts(model: SentenceModel) -> None:
    embedder = SentenceEmbedder(model)
    texts = ["How do I reset my password?", "The weather is nice.", "I forgot my password."]
    vectors = np.array(await embedder.embed(texts))
    assert vectors.shape == (3, embedder.dims)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.5 > vectors[0] @ vectors[1]


@both_models
async def test_a_text_has_the_same_vector_alone_and_in_company(model: SentenceModel) -> None:
    alone = await SentenceEmbedder(model).embed(["short"])
    together = await SentenceEmbedder(model).embed(["a much longer text " * 20, "short", "short"])
    assert together[1] == together[2] == alone[0]


async def test_what_the_judging_model_s_vectors_share_is_taken_away() -> None:
    """Any two of its raw vectors have a cosine of .7 and more; without the mean that of unlike texts is about 0."""
    policy = Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml")
    texts = [text for rule in policy.rules for text in rule.lessons.must_match[:12]]
    vectors = np.array(await SentenceEmbedder(E5).embed(texts))
    cosines = (vectors @ vectors.T)[np.triu_indices(len(texts), k=1)]
    assert abs(float(np.median(cosines))) < 0.1


async def test_nothing_and_blank_texts_are_fine() -> None:
    assert await EMBEDDER.embed([]) == []
    assert len((await EMBEDDER.embed([""]))[0]) == EMBEDDER.dims


async def test_a_repeated_query_comes_from_the_cache() -> None:
    embedder = SentenceEmbedder(MINI_LM, cached_texts=2)
    await embedder.embed(["first"])
    started = time.perf_counter()
    for _ in range(50):
        await embedder.embed(["first"])
    assert time.perf_counter() - started < 0.05


async def test_the_event_loop_stays_free_while_texts_are_embedded() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticker = asyncio.create_task(tick())
    await SentenceEmbedder(MINI_LM).embed([f"text number {number} " * 40 for number in range(8)])
    ticker.cancel()
    assert ticks > 10


@both_models
async def test_a_changed_or_missing_model_file_is_refused_with_what_to_do(model: SentenceModel, tmp_path: Path) -> None:
    wrong = tmp_path / "model.onnx"
    for cause in ("cannot be read", "not the expected embedding model"):
        with pytest.raises(ConfigurationError, match=f"{cause}: {model.mended_by}"):
            await SentenceEmbedder(replace(model, file=wrong)).embed(["text"])
        wrong.write_bytes(b"not the model")
