"""Sentence vectors from the bundled model."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigurationError
from llm.embedding import MINI_LM, SentenceEmbedder

EMBEDDER = SentenceEmbedder(MINI_LM)


async def test_vectors_are_of_length_one_and_in_the_order_of_the_texts() -> None:
    texts = ["How do I reset my password?", "The weather is nice.", "I forgot my password."]
    vectors = np.array(await EMBEDDER.embed(texts))
    assert vectors.shape == (3, EMBEDDER.dims)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.5 > vectors[0] @ vectors[1]


async def test_a_text_has_the_same_vector_alone_and_in_company() -> None:
    alone = await SentenceEmbedder(MINI_LM).embed(["short"])
    together = await SentenceEmbedder(MINI_LM).embed(["a much longer text " * 20, "short", "short"])
    assert together[1] == together[2] == alone[0]


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


async def test_a_changed_model_file_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "model.onnx"
    wrong.write_bytes(b"not the model")
    with pytest.raises(ConfigurationError, match="not the expected embedding model"):
        await SentenceEmbedder(replace(MINI_LM, file=wrong)).embed(["text"])
