"""How a text is spelled, as a unit vector: what sentence vectors overlook, single words and their misspellings among them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from zlib import crc32

import numpy as np

from llm.kernel import Matrix

DIMS: Final = 1024
_SHORTEST: Final = 2
_LONGEST: Final = 5
_WORD: Final = re.compile(r"\w+|[^\w\s]")


def spell(texts: Sequence[str]) -> Matrix:
    """n x DIMS, no fit needed: character n-grams within words, hashed; counts are dampened by their root.

    Weights for rare n-grams, four times the dimensions and whole words beside them gained nothing.
    """
    vectors = np.zeros((len(texts), DIMS), dtype=np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        said = Counter(place for word in _WORD.findall(text.lower()) for place in _places(word))
        for place, count in said.items():
            # The top bit is the sign, so that what meets in one place by chance cancels out rather than adds up.
            vector[place % DIMS] += count**0.5 if place >> 31 else -(count**0.5)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


@lru_cache(maxsize=16_384)
def _places(word: str) -> tuple[int, ...]:
    """Where the word's n-grams fall. Few words make most texts, so that a start that reads 27,000 lessons computes few."""
    padded = f" {word} "
    grams = (
        padded[start : start + size]
        for size in range(_SHORTEST, _LONGEST + 1)
        for start in range(max(1, len(padded) - size + 1))
    )
    return tuple(crc32(gram.encode("utf-8", "surrogatepass")) for gram in grams)
