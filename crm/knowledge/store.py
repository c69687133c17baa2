"""Rows of the knowledge base. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from crm.knowledge.chunk import Chunk
from crm.knowledge.lexemes import split_lexemes, to_tsvector
from crm.knowledge.pages import Page
from crm.pool import Connection


@dataclass(frozen=True, slots=True)
class StoredArticle:
    id: UUID
    source: str
    slug: str
    title: str
    product: str | None
    version: str | None
    url: str | None
    content_hash: str
    model_id: str
    removed: bool


def to_vector(values: Sequence[float]) -> str:
    """Numbers as pgvector reads them from text."""
    return "[" + ",".join(f"{value:.7g}" for value in values) + "]"


async def try_lock(conn: Connection, key: int) -> bool:
    cursor = await conn.execute("SELECT pg_try_advisory_lock(%s)", (key,))
    row = await cursor.fetchone()
    await (
        conn.commit()
    )  # a session lock outlives the transaction; an open one would block vacuum while vectors are made
    return bool(row and row[0])


async def unlock(conn: Connection, key: int) -> None:
    await conn.execute("SELECT pg_advisory_unlock(%s)", (key,))
    await conn.commit()


LIST_ARTICLES = """
SELECT id, source, slug, title, product, version, url, content_hash, model_id, removed_at IS NOT NULL AS removed
FROM knowledge_articles ORDER BY slug
"""


async def list_articles(conn: Connection) -> list[StoredArticle]:
    async with conn.cursor(row_factory=class_row(StoredArticle)) as cursor:
        await cursor.execute(LIST_ARTICLES)
        return await cursor.fetchall()


async def current_version(conn: Connection) -> int:
    """0 before the first sync."""
    cursor = await conn.execute("SELECT coalesce(max(id), 0) FROM knowledge_versions")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


LIST_LIVE_CHUNKS = """
SELECT a.slug, c.hash FROM knowledge_chunks c JOIN knowledge_articles a ON a.id = c.article_id
WHERE a.slug = ANY(%s) AND c.model_id = %s AND c.retired_at IS NULL
"""


async def list_live_chunks(conn: Connection, slugs: Sequence[str], model_id: str) -> set[tuple[str, str]]:
    """Slug and hash of what is already there: it need not be embedded again."""
    cursor = await conn.execute(LIST_LIVE_CHUNKS, (list(slugs), model_id))
    return {(row[0], row[1]) for row in await cursor.fetchall()}


BEGIN_VERSION = """
INSERT INTO knowledge_versions (summary, chunk_count, lexeme_count) VALUES (%s, 0, 0) RETURNING id
"""


async def begin_version(conn: Connection, summary: str) -> int:
    cursor = await conn.execute(BEGIN_VERSION, (summary,))
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


SAVE_ARTICLE = """
INSERT INTO knowledge_articles
    (source, slug, title, summary, url, category, product, version, updated_on, content_hash, model_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (slug) DO UPDATE SET
    source = EXCLUDED.source, title = EXCLUDED.title, summary = EXCLUDED.summary, url = EXCLUDED.url,
    category = EXCLUDED.category, product = EXCLUDED.product, version = EXCLUDED.version,
    updated_on = EXCLUDED.updated_on, content_hash = EXCLUDED.content_hash,
    model_id = EXCLUDED.model_id, changed_at = now(), removed_at = NULL
RETURNING id
"""


async def save_article(conn: Connection, page: Page, *, source: str, model_id: str) -> UUID:
    about = (page.slug, page.title, page.summary, page.url, page.category, page.product, page.version, page.updated_on)
    cursor = await conn.execute(SAVE_ARTICLE, (source, *about, page.content_hash, model_id))
    row = await cursor.fetchone()
    assert row is not None
    return row[0]


RETIRE_CHUNKS = """
UPDATE knowledge_chunks SET retired_at = now()
WHERE article_id = %s AND retired_at IS NULL AND (model_id <> %s OR hash <> ALL(%s)) RETURNING id
"""


async def retire_chunks(conn: Connection, article_id: UUID, *, keep: Sequence[str], model_id: str) -> list[UUID]:
    cursor = await conn.execute(RETIRE_CHUNKS, (article_id, model_id, list(keep)))
    return [row[0] for row in await cursor.fetchall()]


REMOVE_ARTICLES = """
WITH gone AS (UPDATE knowledge_articles SET removed_at = now() WHERE id = ANY(%s) RETURNING id)
UPDATE knowledge_chunks c SET retired_at = now() FROM gone WHERE c.article_id = gone.id AND c.retired_at IS NULL
RETURNING c.id
"""


async def remove_articles(conn: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """The articles go, their chunks retire; the retired chunks' ids."""
    cursor = await conn.execute(REMOVE_ARTICLES, (list(ids),))
    return [row[0] for row in await cursor.fetchall()]


ADD_CHUNK = """
INSERT INTO knowledge_chunks
    (article_id, ordinal, heading, text, hash, lexemes, lexeme_count, embedding, heading_embedding, model_id, since_version)
VALUES (%s, %s, %s, %s, %s, %s::tsvector, %s, %s::vector, %s::vector, %s, %s)
"""


async def add_chunks(
    conn: Connection,
    article_id: UUID,
    chunks: Sequence[Chunk],
    vectors: Mapping[str, str],
    *,
    version: int,
    model_id: str,
) -> None:
    """`vectors`: of the chunks by hash, of their headings by text."""
    rows = []
    for chunk in chunks:
        place = (article_id, chunk.ordinal, chunk.heading, chunk.text, chunk.hash)
        body = chunk.text if chunk.named else chunk.embedded_text
        words = (to_tsvector(chunk.named, body), len(split_lexemes(chunk.embedded_text)))
        rows.append((*place, *words, vectors[chunk.hash], vectors.get(chunk.named), model_id, version))
    async with conn.cursor() as cursor:
        await cursor.executemany(ADD_CHUNK, rows)


PLACE_CHUNKS = """
UPDATE knowledge_chunks c SET ordinal = place.ordinal
FROM unnest(%s::text[], %s::integer[]) AS place(hash, ordinal)
WHERE c.article_id = %s AND c.retired_at IS NULL AND c.hash = place.hash AND c.ordinal <> place.ordinal
"""


async def place_chunks(conn: Connection, article_id: UUID, chunks: Sequence[Chunk]) -> None:
    """Chunks that stayed take their new places in the article."""
    places = ([chunk.hash for chunk in chunks], [chunk.ordinal for chunk in chunks])
    await conn.execute(PLACE_CHUNKS, (*places, article_id))


FORGET_PHRASINGS = "DELETE FROM knowledge_phrasings WHERE article_id = ANY(%s)"
ADD_PHRASING = """
INSERT INTO knowledge_phrasings (article_id, heading, text, embedding, model_id) VALUES (%s, %s, %s, %s::vector, %s)
"""


async def forget_phrasings(conn: Connection, article_ids: Sequence[UUID]) -> None:
    await conn.execute(FORGET_PHRASINGS, (list(article_ids),))


async def replace_phrasings(
    conn: Connection,
    article_id: UUID,
    phrasings: Sequence[tuple[str, str]],
    vectors: Mapping[str, str],
    *,
    model_id: str,
) -> None:
    """`phrasings`: heading path and question; `vectors` by question. Nothing refers to them, so they are simply replaced."""
    await forget_phrasings(conn, [article_id])
    rows = [(article_id, heading, text, vectors[text], model_id) for heading, text in phrasings]
    async with conn.cursor() as cursor:
        await cursor.executemany(ADD_PHRASING, rows)


FORGET_LEXEMES = """
WITH gone AS (
    SELECT lexeme, count(*) AS chunk_count
    FROM knowledge_chunks, unnest(lexemes) WHERE id = ANY(%s) GROUP BY lexeme
), dropped AS (
    DELETE FROM knowledge_lexemes l USING gone g WHERE l.lexeme = g.lexeme AND l.chunk_count <= g.chunk_count
)
UPDATE knowledge_lexemes l SET chunk_count = l.chunk_count - g.chunk_count
FROM gone g WHERE l.lexeme = g.lexeme AND l.chunk_count > g.chunk_count
"""

LEARN_LEXEMES = """
INSERT INTO knowledge_lexemes (lexeme, chunk_count)
SELECT lexeme, count(*) FROM knowledge_chunks, unnest(lexemes) WHERE since_version = %s GROUP BY lexeme ORDER BY lexeme
ON CONFLICT (lexeme) DO UPDATE SET chunk_count = knowledge_lexemes.chunk_count + EXCLUDED.chunk_count
"""

CLOSE_VERSION = """
UPDATE knowledge_versions SET (chunk_count, lexeme_count) = (
    SELECT count(*), coalesce(sum(lexeme_count), 0) FROM knowledge_chunks WHERE retired_at IS NULL
) WHERE id = %s
"""


async def close_version(conn: Connection, version: int, retired: Sequence[UUID]) -> None:
    """Bring the word statistics up to date with what the version retired and added."""
    if retired:
        await conn.execute(FORGET_LEXEMES, (list(retired),))
    await conn.execute(LEARN_LEXEMES, (version,))
    await conn.execute(CLOSE_VERSION, (version,))
