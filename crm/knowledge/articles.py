"""The live articles, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from psycopg.rows import class_row

from crm.pool import Connection


@dataclass(frozen=True, slots=True)
class ArticleRow:
    slug: str
    title: str
    source: str
    category: str | None
    product: str | None
    version: str | None
    updated_on: date | None
    url: str | None
    chunks: int


LIST_ARTICLES = """
SELECT a.slug, a.title, a.source, a.category, a.product, a.version, a.updated_on, a.url, count(c.id)::int AS chunks
FROM knowledge_articles a LEFT JOIN knowledge_chunks c ON c.article_id = a.id AND c.retired_at IS NULL
WHERE a.removed_at IS NULL GROUP BY a.id ORDER BY a.slug
"""


async def list_articles(conn: Connection) -> list[ArticleRow]:
    async with conn.cursor(row_factory=class_row(ArticleRow)) as cursor:
        await cursor.execute(LIST_ARTICLES)
        return await cursor.fetchall()
