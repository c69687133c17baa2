"""Which candidates answer a question best: one absolute score, comparable between questions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np

from core.models import Passage

K1 = 1.2
B = 0.75
LEXICAL_WEIGHT = 0.3
# Nothing below this is an answer. Chosen on data: see evals/retrieval.py.
FLOOR = 0.28
CHUNKS_PER_ARTICLE = 2
SAME_TEXT_COSINE = 0.97


@dataclass(frozen=True, slots=True)
class Question:
    """The text and its distinct lexemes."""

    text: str
    lexemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What BM25 must know about all live chunks; `words` tells in how many of them a lexeme of the question occurs."""

    version: int
    chunk_count: int
    lexeme_count: int
    words: Mapping[str, int]

    @classmethod
    def empty(cls) -> Corpus:
        return cls(0, 0, 0, {})

    def idf(self, lexeme: str) -> float:
        count = self.words.get(lexeme, 0)
        return math.log(1 + (self.chunk_count - count + 0.5) / (count + 0.5))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that may answer. `counts` are its occurrences of the question's lexemes, `length` all its lexemes."""

    id: UUID
    article_id: UUID
    slug: str
    title: str
    heading: str
    text: str
    url: str | None
    product: str | None
    version: str | None
    updated_on: date | None
    hash: str
    length: int
    vector: np.ndarray
    cosine: float
    title_cosine: float
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate with its score and the parts that it is made of."""

    candidate: Candidate
    score: float
    lexical: float
    agreement: float
    matched: tuple[str, ...]

    def passage(self) -> Passage:
        c = self.candidate
        return Passage(
            id=c.id,
            article_id=c.article_id,
            slug=c.slug,
            title=c.title,
            heading=c.heading,
            text=c.text,
            url=c.url,
            product=c.product,
            version=c.version,
            hash=c.hash,
            score=self.score,
            cosine=c.cosine,
            lexical=self.lexical,
        )


def rank(question: Question, corpus: Corpus, candidates: Sequence[Candidate]) -> list[Hit]:
    """Best first, near-duplicates merged, at most CHUNKS_PER_ARTICLE of an article."""
    hits = [_score(question, corpus, candidate) for candidate in candidates]
    return _select(question, sorted(hits, key=lambda hit: (-hit.score, hit.candidate.slug, hit.candidate.heading)))


def _score(question: Question, corpus: Corpus, candidate: Candidate) -> Hit:
    lexical, matched = bm25(question, corpus, candidate)
    score = candidate.cosine + LEXICAL_WEIGHT * lexical
    return Hit(candidate, score, lexical, agreement=0.0, matched=matched)


def bm25(question: Question, corpus: Corpus, candidate: Candidate) -> tuple[float, tuple[str, ...]]:
    """BM25 as a share of the most that the question could reach (0 to 1), and the lexemes that matched."""
    average = corpus.lexeme_count / corpus.chunk_count
    norm = K1 * (1 - B + B * candidate.length / average)
    most = sum(corpus.idf(lexeme) for lexeme in question.lexemes) * (K1 + 1)
    parts = {
        lexeme: corpus.idf(lexeme) * count * (K1 + 1) / (count + norm) for lexeme, count in candidate.counts.items()
    }
    matched = sorted(parts, key=lambda lexeme: -parts[lexeme])
    return (sum(parts.values()) / most if most else 0.0), tuple(matched)


def _select(question: Question, hits: Sequence[Hit]) -> list[Hit]:
    chosen: list[Hit] = []
    per_article: dict[UUID, int] = {}
    for hit in hits:
        twin = next((n for n, other in enumerate(chosen) if _same_text(hit.candidate, other.candidate)), None)
        if twin is not None:
            if _fits_better(question, hit.candidate, chosen[twin].candidate):
                chosen[twin] = hit
            continue
        article = hit.candidate.article_id
        if per_article.get(article, 0) < CHUNKS_PER_ARTICLE:
            per_article[article] = per_article.get(article, 0) + 1
            chosen.append(hit)
    return chosen


def _same_text(one: Candidate, other: Candidate) -> bool:
    return one.hash == other.hash or float(one.vector @ other.vector) > SAME_TEXT_COSINE


def _fits_better(question: Question, one: Candidate, other: Candidate) -> bool:
    """Of two that say the same: the one whose product and version the question names, else the newer."""

    def fit(candidate: Candidate) -> tuple[int, date]:
        named = [name for name in (candidate.product, candidate.version) if name]
        words = set(question.text.lower().split())
        return sum(name.lower() in words for name in named), candidate.updated_on or date.min

    return fit(one) > fit(other)
