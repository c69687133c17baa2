"""What of the ranked is shown: near-duplicates merged, no article alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from crm.knowledge.ranking import Candidate, Hit, Question, names_version

CHUNKS_PER_ARTICLE = 4
SAME_TEXT_COSINE = 0.97
AS_GOOD = 0.05
_WORD = re.compile(r"[\w.-]*\w")


def select(question: Question, hits: Sequence[Hit], *, limit: int = 5) -> list[Hit]:
    """The best `limit`, at most CHUNKS_PER_ARTICLE of an article; of near-duplicates one, at the place of the better."""
    chosen: list[Hit] = []
    per_article: dict[UUID, int] = {}
    for hit in hits:
        twin = next((n for n, other in enumerate(chosen) if same_text(hit.candidate, other.candidate)), None)
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


def same_text(one: Candidate, other: Candidate) -> bool:
    return one.hash == other.hash or float(one.vector @ other.vector) > SAME_TEXT_COSINE


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
