"""Vectors of fixed sentences, kept in a file: to compute thousands of them costs seconds at every start."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np

from llm.kernel import Matrix

Embed = Callable[[Sequence[str]], Awaitable[Matrix]]


def keeping(embed: Embed, folder: Path | None, model_id: str) -> Embed:
    """`embed` for the sentences of a fit: once computed they are read from `folder`, where there is one to write to."""
    if folder is None:
        return embed

    async def kept(texts: Sequence[str]) -> Matrix:
        key = hashlib.sha256("\0".join((model_id, *texts)).encode()).hexdigest()[:32]
        path = folder / f"{key}.npy"
        with contextlib.suppress(OSError, ValueError, EOFError):
            vectors = np.load(path, allow_pickle=False)
            if vectors.shape[:1] == (len(texts),):
                return vectors
        vectors = await embed(texts)
        # A folder that cannot be written to costs the next start its seconds and nothing else.
        with contextlib.suppress(OSError):
            _save(path, vectors)
        return vectors

    return kept


def _save(path: Path, vectors: Matrix) -> None:
    """Whole or not at all: two processes may write the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}")
    with half.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)
    half.replace(path)
