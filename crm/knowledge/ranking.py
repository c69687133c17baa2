"""Which candidates answer a question best: one absolute score, comparable between questions.

    score = max(cosine, heading cosine - 0.03)      what the chunk says, or what it is called
          + 0.4 * lexical                           BM25 as a share of the most that the question could reach
          + 0.1 * naming                            the same share for words of title and headings, by idf alone
          + 0.1 * agreement                         how well the article's second-best chunk fits, above 0.35
          + 0.06                                    when the question names the version that the article is about

Chosen on the development questions of six data sets and the tuning half of the sample tickets; `fte eval run retrieval`
measures it again. Without agreement kb_polar loses 2 points of hit@1; the heading's own vector is worth 6 on kb_polar
and 8 on kb_arduino against `cosine + 0.3 * lexical`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

import numpy as np

from core.models import Passage

K1 = 0.9
B = 0.6
HEADING_DISCOUNT = 0.03
ASKED_DISCOUNT = -0.05
LEXICAL_WEIGHT = 0.4
NAMING_WEIGHT = 0.1
AGREEMENT_WEIGHT = 0.1
AGREEMENT_FROM = 0.35
VERSION_WEIGHT = 0.06
# Nothing below this is an answer. It keeps 96 % of the sample tickets that have an answer (those lost had the wrong
# article first) and 99.7 % of 1,224 questions of five data sets; asked of our own documents, it rejects 89 % of
# clinc150's out-of-scope questions and half of another company's FAQ. Questions about things that the documents name
# but do not answer score as high as answerable ones (kb_techqa: AUROC .73), so a floor alone is never the whole check.
FLOOR = 0.38
CHUNKS_PER_ARTICLE = 4
SAME_TEXT_COSINE = 0.97
AS_GOOD = 0.05
_WORD = re.compile(r"[\w.-]*\w")


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
    """A chunk that may answer.

    `counts` are its occurrences of the question's lexemes, `named` those of them in title and headings, `length` the
    number of all its lexemes. A page without a title has no `heading_cosine`.
    """

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
    heading_cosine: float | None
    asked_cosine: float | None
    counts: Mapping[str, int]
    named: Sequence[str]
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate with its score and the parts that it is made of; `matched` are lexemes, the weightiest first."""

    candidate: Candidate
    score: float
    lexical: float
    naming: float
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
            ordinal=c.ordinal,
        )


def rank(question: Question, corpus: Corpus, candidates: Sequence[Candidate], *, limit: int = 5) -> list[Hit]:
    """The best `limit`, near-duplicates merged, at most CHUNKS_PER_ARTICLE of an article."""
    weights = {lexeme: corpus.idf(lexeme) for lexeme in question.lexemes}
    hits = _agree([_score(question, corpus, weights, candidate) for candidate in candidates])
    return _select(
        question, sorted(hits, key=lambda hit: (-hit.score, hit.candidate.slug, hit.candidate.heading)), limit
    )


def _score(question: Question, corpus: Corpus, weights: Mapping[str, float], candidate: Candidate) -> Hit:
    parts = _bm25_parts(corpus, weights, candidate)
    weight = sum(weights.values()) or 1.0
    lexical = sum(parts.values()) / (weight * (K1 + 1))
    naming = sum(weights[lexeme] for lexeme in candidate.named) / weight
    heading = -1.0 if candidate.heading_cosine is None else candidate.heading_cosine
    asked = -1.0 if candidate.asked_cosine is None else candidate.asked_cosine
    meaning = max(candidate.cosine, heading - HEADING_DISCOUNT, asked - ASKED_DISCOUNT)
    score = meaning + LEXICAL_WEIGHT * lexical + NAMING_WEIGHT * naming
    score += VERSION_WEIGHT * names_version(question.text, candidate.version)
    matched = tuple(sorted(parts, key=lambda lexeme: -parts[lexeme]))
    return Hit(candidate, score, lexical, naming, agreement=0.0, matched=matched)


def _bm25_parts(corpus: Corpus, weights: Mapping[str, float], candidate: Candidate) -> dict[str, float]:
    """What each lexeme adds; at most idf * (k1 + 1)."""
    average = corpus.lexeme_count / corpus.chunk_count
    norm = K1 * (1 - B + B * candidate.length / average)
    return {lexeme: weights[lexeme] * n * (K1 + 1) / (n + norm) for lexeme, n in candidate.counts.items()}


def _agree(hits: Sequence[Hit]) -> list[Hit]:
    """An article of which two chunks fit is likelier to be the right one than an article with one."""
    by_article: dict[UUID, list[float]] = {}
    for hit in hits:
        by_article.setdefault(hit.candidate.article_id, []).append(hit.score)
    second = {article: sorted(scores)[-2] for article, scores in by_article.items() if len(scores) > 1}
    agreement = {article: max(0.0, score - AGREEMENT_FROM) for article, score in second.items()}
    return [
        replace(hit, agreement=found, score=hit.score + AGREEMENT_WEIGHT * found)
        for hit in hits
        for found in (agreement.get(hit.candidate.article_id, 0.0),)
    ]


def _select(question: Question, hits: Sequence[Hit], limit: int) -> list[Hit]:
    """Drop what exceeds an article's share; of near-duplicates keep one, at the place of the better."""
    chosen: list[Hit] = []
    per_article: dict[UUID, int] = {}
    for hit in hits:
        twin = next((n for n, other in enumerate(chosen) if _same_text(hit.candidate, other.candidate)), None)
        if twin is not None:
            if _fits_better(question, hit, chosen[twin]):
                chosen[twin] = replace(hit, score=chosen[twin].score)
            continue
        if len(chosen) == limit:
            break
        article = hit.candidate.article_id
        if per_article.get(article, 0) < CHUNKS_PER_ARTICLE:
            per_article[article] = per_article.get(article, 0) + 1
            chosen.append(hit)
    return chosen


def _same_text(one: Candidate, other: Candidate) -> bool:
    return one.hash == other.hash or float(one.vector @ other.vector) > SAME_TEXT_COSINE


def names_version(text: str, version: str | None) -> bool:
    """Whether the text speaks of this version. A bare number counts only behind a word that makes it one: "app 4"."""
    if not version:
        return False
    lead = r"(?:version|release|app|mobile|android|ios|ipad|iphone|api|v)[ .]?" if version.isdigit() else ""
    return re.search(rf"\b{lead}{re.escape(version)}(?:\.[\dx]+)*\b", text, re.IGNORECASE) is not None


def _fits_better(question: Question, one: Hit, other: Hit) -> bool:
    """Of two that say the same: the one whose version or product the question names, else the newer if as good."""
    words = set(_WORD.findall(question.text.lower()))

    def named(hit: Hit) -> tuple[bool, bool]:
        product = (hit.candidate.product or "").lower()
        return names_version(question.text, hit.candidate.version), product in words

    if named(one) != named(other):
        return named(one) > named(other)
    newer = (one.candidate.updated_on or date.min) > (other.candidate.updated_on or date.min)
    return newer and other.score - one.score < AS_GOOD
