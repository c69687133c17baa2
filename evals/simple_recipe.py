"""The reference that retrieval has to beat: what a textbook would do in an afternoon, over the same vectors.

Pages cut into 130 words with the title in front, cosine + 0.3 * BM25 as a share of the most that the question could
reach, an article as good as its best piece. It knows no headings, no versions and no second chunk.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.ports import Embedder
from crm.knowledge.lexemes import split_lexemes

WORDS = 130
LEXICAL_WEIGHT = 0.3
K1 = 1.2
B = 0.75

Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Article:
    id: str
    title: str
    text: str


class SimpleRecipe:
    """Articles in memory. `postings` tells by lexeme in which pieces it stands and how often."""

    def __init__(self, owners: Sequence[str], vectors: Numbers, pieces: Sequence[Counter[str]]) -> None:
        self._owners = owners
        self._vectors = vectors
        lengths = np.array([piece.total() for piece in pieces], dtype=float)
        self._norms = K1 * (1 - B + B * lengths / (lengths.mean() or 1.0))
        self._postings: dict[str, dict[int, int]] = defaultdict(dict)
        for place, piece in enumerate(pieces):
            for lexeme, count in piece.items():
                self._postings[lexeme][place] = count

    @classmethod
    async def of(cls, articles: Sequence[Article], embedder: Embedder) -> SimpleRecipe:
        pieces = [(a.id, f"{a.title}\n{piece}".strip()) for a in articles for piece in _pieces(a.text)]
        texts = [text for _, text in pieces]
        vectors = np.array(await embedder.embed(texts), dtype=np.float32)
        return cls([owner for owner, _ in pieces], vectors, [Counter(split_lexemes(text)) for text in texts])

    def best(self, question: str, vector: Sequence[float]) -> str:
        """The id of the article that it would show first."""
        scores = self._vectors @ np.asarray(vector, dtype=np.float32) + LEXICAL_WEIGHT * self._bm25(question)
        return self._owners[int(scores.argmax())]

    def _bm25(self, question: str) -> Numbers:
        scores, most = np.zeros(len(self._owners)), 0.0
        for lexeme in set(split_lexemes(question)):
            found = self._postings.get(lexeme, {})
            idf = math.log(1 + (len(scores) - len(found) + 0.5) / (len(found) + 0.5))
            most += idf * (K1 + 1)
            for place, count in found.items():
                scores[place] += idf * count * (K1 + 1) / (count + self._norms[place])
        return scores / most if most else scores


def _pieces(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[start : start + WORDS]) for start in range(0, len(words), WORDS)] or [""]
