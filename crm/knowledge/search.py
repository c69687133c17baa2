"""Hybrid search in one round trip: the database finds candidates by vector and by word, `ranking` judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from psycopg.rows import class_row, dict_row

from core.errors import DatabaseUnavailable
from core.models import Passage, SearchResult
from core.ports import Embedder
from crm.knowledge.judgement import ANSWERABLE_FROM, judge
from crm.knowledge.ranking import FLOOR, Candidate, Corpus, Hit, Question, rank
from crm.knowledge.selection import select
from crm.knowledge.store import to_vector
from crm.pool import Pool

# A pasted log says no more in its second thousand words; the embedding model reads 256 tokens anyway.
MAX_QUERY_CHARS = 4_000
MAX_QUERY_LEXEMES = 64

# Up to 10,000 live chunks the scan is exact (adding 0 hides the order from the index: recall 1 in 5-8 ms); above, HNSW
# with ef_search 80. The setting is read when the index scan starts, which is after its gate has been evaluated.
# Words are taken from the rarest up to 800 postings: a word in half of all chunks tells little and costs everything.
# What a commoner word adds is still counted for every candidate.
SEARCH = """
WITH corpus AS MATERIALIZED (
    SELECT id AS version, chunk_count, lexeme_count, set_config('hnsw.ef_search', '80', true) AS ef_search
    FROM knowledge_versions ORDER BY id DESC LIMIT 1
), gate AS MATERIALIZED (
    SELECT chunk_count <= 10000 AS exact FROM corpus
), word AS MATERIALIZED (
    SELECT lexeme, chunk_count, sum(chunk_count) OVER (ORDER BY chunk_count, lexeme) AS postings
    FROM knowledge_lexemes WHERE lexeme = ANY(%(lexemes)s)
), near AS (
    (SELECT id FROM knowledge_chunks WHERE retired_at IS NULL AND (SELECT exact FROM gate)
     ORDER BY (embedding <=> %(vector)s::vector) + 0 LIMIT 50)
    UNION ALL
    (SELECT id FROM knowledge_chunks WHERE retired_at IS NULL AND NOT (SELECT exact FROM gate)
     ORDER BY embedding <=> %(vector)s::vector LIMIT 50)
), named AS (
    (SELECT id FROM knowledge_chunks
     WHERE retired_at IS NULL AND heading_embedding IS NOT NULL AND (SELECT exact FROM gate)
     ORDER BY (heading_embedding <=> %(vector)s::vector) + 0 LIMIT 20)
    UNION ALL
    (SELECT id FROM knowledge_chunks WHERE retired_at IS NULL AND NOT (SELECT exact FROM gate)
     ORDER BY heading_embedding <=> %(vector)s::vector LIMIT 20)
), asked AS (
    SELECT article_id, heading, max(cosine) AS cosine FROM (
        (SELECT article_id, heading, 1 - (embedding <=> %(vector)s::vector) AS cosine FROM knowledge_phrasings
         WHERE (SELECT exact FROM gate) ORDER BY (embedding <=> %(vector)s::vector) + 0 LIMIT 60)
        UNION ALL
        (SELECT article_id, heading, 1 - (embedding <=> %(vector)s::vector) FROM knowledge_phrasings
         WHERE NOT (SELECT exact FROM gate) ORDER BY embedding <=> %(vector)s::vector LIMIT 60)
    ) nearest GROUP BY article_id, heading
), worded AS (
    SELECT c.id
    FROM (SELECT * FROM word WHERE postings <= 800) w
    CROSS JOIN corpus
    JOIN knowledge_chunks c ON c.lexemes @@ quote_literal(w.lexeme)::tsquery AND c.retired_at IS NULL
    GROUP BY c.id
    ORDER BY sum(ln(1 + corpus.chunk_count::float / w.chunk_count)) DESC LIMIT 40
), candidate AS (
    SELECT id FROM near UNION SELECT id FROM named UNION SELECT id FROM worded
    UNION SELECT c.id FROM asked JOIN knowledge_chunks c USING (article_id, heading) WHERE c.retired_at IS NULL
), shown AS (
    SELECT c.id, c.article_id, a.slug, a.title, c.heading, c.text, a.url, a.product, a.version AS article_version,
        a.updated_on, c.hash, c.ordinal, c.lexeme_count AS length, vector_send(c.embedding) AS vector,
        1 - (c.embedding <=> %(vector)s::vector) AS cosine,
        1 - (c.heading_embedding <=> %(vector)s::vector) AS heading_cosine, asked.cosine AS asked_cosine,
        found.counts, found.named
    FROM candidate JOIN knowledge_chunks c USING (id) JOIN knowledge_articles a ON a.id = c.article_id
    LEFT JOIN asked ON asked.article_id = c.article_id AND asked.heading = c.heading
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(lexeme, cardinality(positions)), '{}') AS counts,
            coalesce(array_agg(lexeme) FILTER (WHERE 'A' = ANY(weights)), '{}') AS named
        FROM unnest(c.lexemes) WHERE lexeme = ANY(%(lexemes)s)
    ) found
    WHERE c.model_id = %(model_id)s
)
SELECT corpus.version, corpus.chunk_count, corpus.lexeme_count,
    CASE WHEN row_number() OVER () = 1 THEN (SELECT jsonb_object_agg(lexeme, word.chunk_count) FROM word) END AS words,
    shown.*
FROM corpus LEFT JOIN shown ON true
"""

GET_PASSAGES = """
SELECT c.id, c.article_id, a.slug, a.title, c.heading, c.text, a.url, a.product, a.version, c.hash,
    0::float8 AS score, 0::float8 AS cosine, 0::float8 AS lexical, c.ordinal
FROM knowledge_chunks c JOIN knowledge_articles a ON a.id = c.article_id WHERE c.id = ANY(%s)
"""

LIST_NEIGHBOURS = """
SELECT DISTINCT ON (c.id) c.id, c.article_id, a.slug, a.title, c.heading, c.text, a.url, a.product, a.version, c.hash,
    0::float8 AS score, 0::float8 AS cosine, 0::float8 AS lexical, c.ordinal
FROM knowledge_chunks found
JOIN knowledge_chunks c ON c.article_id = found.article_id AND c.heading = found.heading
    AND c.ordinal BETWEEN found.ordinal - 1 AND found.ordinal + 1 AND c.retired_at IS NULL
JOIN knowledge_articles a ON a.id = c.article_id
WHERE found.id = ANY(%(ids)s) AND c.id <> ALL(%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A search result with the reasons for its order. `hits` go on where nothing is shown, up to the limit."""

    result: SearchResult
    hits: tuple[Hit, ...]


class KnowledgeBase:
    """`core.ports.Knowledge` over PostgreSQL."""

    def __init__(self, pool: Pool, embedder: Embedder) -> None:
        self._pool = pool
        self._embedder = embedder

    async def search(self, query: str, *, limit: int = 5) -> SearchResult:
        return (await self.explain(query, limit=limit)).result

    async def explain(self, query: str, *, limit: int = 5) -> Explanation:
        """The search, with each passage's parts of the score."""
        text = query.replace("\0", " ")[:MAX_QUERY_CHARS].strip()
        if not text:
            return _explained(query, Corpus.empty(), [])
        question = Question.read(text, most_lexemes=MAX_QUERY_LEXEMES)
        [vector] = await self._embedder.embed([text])
        arguments = {
            "lexemes": list(question.lexemes),
            "vector": to_vector(vector),
            "model_id": self._embedder.model_id,
        }
        rows = await self._fetch(arguments)
        if not rows:
            return _explained(query, Corpus.empty(), [])
        corpus = _corpus(rows[0])
        candidates = [_candidate(row) for row in rows if row["id"]]
        ranked = rank(question, corpus, candidates)
        return _explained(query, corpus, select(question, ranked, limit=limit), judge(ranked))

    async def get_passages(self, ids: Sequence[UUID]) -> list[Passage]:
        """The passages in the order of the ids, retired ones too; scores are 0, for nothing was asked."""
        async with self._pool.connection() as conn, conn.cursor(row_factory=class_row(Passage)) as cursor:
            await cursor.execute(GET_PASSAGES, (list(ids),))
            found = {passage.id: passage for passage in await cursor.fetchall()}
        return [found[id] for id in ids if id in found]

    async def list_neighbours(self, ids: Sequence[UUID]) -> list[Passage]:
        async with self._pool.connection() as conn, conn.cursor(row_factory=class_row(Passage)) as cursor:
            await cursor.execute(LIST_NEIGHBOURS, {"ids": list(ids)})
            return await cursor.fetchall()

    async def _fetch(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        """One round trip: without autocommit BEGIN and COMMIT would be two more."""
        try:
            async with self._pool.connection() as conn:
                await conn.set_autocommit(True)
                try:
                    async with conn.cursor(binary=True, row_factory=dict_row) as cursor:
                        await cursor.execute(SEARCH, arguments)
                        return await cursor.fetchall()
                finally:
                    await conn.set_autocommit(False)
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable() from error


def _corpus(row: dict[str, Any]) -> Corpus:
    return Corpus(row["version"], row["chunk_count"], row["lexeme_count"], row["words"] or {})


def _candidate(row: dict[str, Any]) -> Candidate:
    fields = {name: row[name] for name in Candidate.__slots__ if name not in ("version", "vector")}
    return Candidate(version=row["article_version"], vector=read_vector(row["vector"]), **fields)


def read_vector(sent: bytes) -> np.ndarray:
    """What `vector_send` makes: two 16-bit numbers, then the values as big-endian floats."""
    return np.frombuffer(sent, dtype=">f4", offset=4).astype(np.float32)


def _explained(query: str, corpus: Corpus, hits: Sequence[Hit], confidence: float = 0.0) -> Explanation:
    answered = confidence >= ANSWERABLE_FROM
    result = SearchResult(
        query=query,
        passages=tuple(hit.passage() for hit in hits if answered and hit.score >= FLOOR),
        best_score=hits[0].score if hits else 0.0,
        confidence=confidence,
        floor=ANSWERABLE_FROM,
        knowledge_version=corpus.version,
    )
    return Explanation(result, tuple(hits))
