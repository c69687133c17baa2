"""Which candidates answer a question best: one absolute score, comparable between questions.

    score = max(cosine, heading cosine)   what the chunk says, or what it is called
          + 0.4 * lexical                 BM25 as a share of the most that the question could reach
          + 0.1 * naming                  the same share for words of title and headings, by idf alone
          + 0.1 * agreement               how well the article's second-best chunk fits, above 0.35
          + 0.06                          when the question names the version that the article is about

    and where more sentences follow the first, which then says in short what the matter is, as a subject does:
          + 0.2 * lead naming             naming, for the words of the first sentence alone
          + 0.1 * lead coverage           their share that the article's chunks use together, by idf

Chosen on the development questions of six data sets and the tuning half of the sample tickets; `fte eval run retrieval`
measures it again. Without agreement kb_polar loses 2 points of hit@1; the heading's own vector is worth 6 on kb_polar
and 8 on kb_arduino against `cosine + 0.3 * lexical`; with the lead, and headings as good as texts, kb_techqa gains 2.6 and
the tickets 2.7. Not worth their cost on the same questions: late interaction over token vectors (kb_polar +2, kb_techqa
-0.5), the vectors of a question's single sentences (+0.5 at best), more weight for identifiers (+0.5, kb_stackfaq -0.3).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

import numpy as np

from core.models import Passage
from crm.knowledge.lexemes import split_lexemes

K1 = 0.9
B = 0.6
ASKED_BONUS = 0.05
LEXICAL_WEIGHT = 0.4
NAMING_WEIGHT = 0.1
LEAD_NAMING_WEIGHT = 0.2
LEAD_COVERAGE_WEIGHT = 0.1
AGREEMENT_WEIGHT = 0.1
AGREEMENT_FROM = 0.35
VERSION_WEIGHT = 0.06
# A chunk below this is not shown beside better ones; whether the best is an answer is for `judgement` to say.
FLOOR = 0.38
# Fewer words are a greeting or a stray mark.
_LEAD_WORDS = 3
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Question:
    """The text and its distinct lexemes; `lead` are those of its first sentence, empty where no other follows."""

    text: str
    lexemes: tuple[str, ...]
    lead: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str, *, most_lexemes: int) -> Question:
        lexemes = tuple(dict.fromkeys(split_lexemes(text)))[:most_lexemes]
        first, *more = [s for s in _SENTENCE_END.split(text) if len(s.split()) >= _LEAD_WORDS] or [""]
        return cls(text, lexemes, frozenset(split_lexemes(first)) & set(lexemes) if more else frozenset())


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


def rank(question: Question, corpus: Corpus, candidates: Sequence[Candidate]) -> list[Hit]:
    """All of them, the best first."""
    weights = {lexeme: corpus.idf(lexeme) for lexeme in question.lexemes}
    lead = {lexeme: weights[lexeme] for lexeme in question.lead}
    covered = _lead_coverage(lead, candidates)
    hits = _agree([_score(question, corpus, weights, lead, c, covered.get(c.article_id, 0.0)) for c in candidates])
    return sorted(hits, key=lambda hit: (-hit.score, hit.candidate.slug, hit.candidate.heading))


def _lead_coverage(lead: Mapping[str, float], candidates: Sequence[Candidate]) -> dict[UUID, float]:
    """By article: a page need not say all words of the lead in one chunk."""
    said: dict[UUID, set[str]] = {}
    for candidate in candidates if lead else ():
        said.setdefault(candidate.article_id, set()).update(candidate.counts)
    return {article: _share(lead, words) for article, words in said.items()}


def _share(asked: Mapping[str, float], found: Iterable[str]) -> float:
    """How much of what was asked is among the found, by weight."""
    return sum(asked.get(lexeme, 0.0) for lexeme in found) / (sum(asked.values()) or 1.0)


def _score(
    question: Question,
    corpus: Corpus,
    weights: Mapping[str, float],
    lead: Mapping[str, float],
    candidate: Candidate,
    lead_coverage: float,
) -> Hit:
    parts = _bm25_parts(corpus, weights, candidate)
    lexical = sum(parts.values()) / ((sum(weights.values()) or 1.0) * (K1 + 1))
    naming = _share(weights, candidate.named)
    heading = -1.0 if candidate.heading_cosine is None else candidate.heading_cosine
    asked = -1.0 if candidate.asked_cosine is None else candidate.asked_cosine
    score = max(candidate.cosine, heading, asked + ASKED_BONUS)
    score += LEXICAL_WEIGHT * lexical + NAMING_WEIGHT * naming
    score += LEAD_NAMING_WEIGHT * _share(lead, candidate.named) + LEAD_COVERAGE_WEIGHT * lead_coverage
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


def names_version(text: str, version: str | None) -> bool:
    """Whether the text speaks of this version. A bare number counts only behind a word that makes it one: "app 4"."""
    if not version:
        return False
    lead = r"(?:version|release|app|mobile|android|ios|ipad|iphone|api|v)[ .]?" if version.isdigit() else ""
    return re.search(rf"\b{lead}{re.escape(version)}(?:\.[\dx]+)*\b", text, re.IGNORECASE) is not None
