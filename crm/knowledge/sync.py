"""Bring the knowledge base in line with a folder of documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.ports import Embedder
from crm.knowledge import store
from crm.knowledge.chunk import HEADING_SEPARATOR, Chunk, cut_page
from crm.knowledge.pages import Page, UnreadablePage, read_folder
from crm.pool import Connection, Pool, transaction
from crm.proofs import count_relying_replies

_LOCK = 7_402_118_553_901_264_001
_LOCK_RETRY_S = 0.2


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Articles added, updated, unchanged and removed; chunks made; the version that is now current.

    `relying_replies`: of each page that lost passages, how many sent replies rest on one of those.
    """

    added: int
    updated: int
    unchanged: int
    removed: int
    chunks: int
    knowledge_version: int
    relying_replies: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    changed: Mapping[str, tuple[Page, list[Chunk]]]
    known: Mapping[str, store.StoredArticle]
    gone: Sequence[store.StoredArticle]
    unchanged: int

    @property
    def empty(self) -> bool:
        return not self.changed and not self.gone

    @property
    def added(self) -> int:
        return sum(1 for slug in self.changed if slug not in self.known or self.known[slug].removed)


async def sync_folder(
    pool: Pool,
    embedder: Embedder,
    folder: Path,
    *,
    url_base: str | None = None,
    source: str = "docs",
    phrasings: bool = True,
) -> SyncReport:
    """Ingest new and changed pages of the folder and retire what is no longer in it.

    Other sources stay as they are. Vectors are computed outside the transaction, the change itself is one.
    Without `phrasings` the customers' ways to ask are left for a later sync, which then finds every page changed.
    Raises UnreadablePage when a page cannot be read; then nothing has changed.
    """
    pages = await asyncio.to_thread(read_folder, folder, url_base=url_base)
    if not phrasings:
        pages = [replace(page, questions={}, content_hash=f"{page.content_hash}:bare") for page in pages]
    async with _exclusively(pool):
        async with transaction(pool) as conn:
            plan = _compare(pages, await store.list_articles(conn), source=source, model_id=embedder.model_id)
            if plan.empty:
                return SyncReport(0, 0, plan.unchanged, 0, 0, await store.current_version(conn))
            live = await store.list_live_chunks(conn, list(plan.changed), embedder.model_id)
        new = {
            slug: [chunk for chunk in chunks if (slug, chunk.hash) not in live]
            for slug, (_, chunks) in plan.changed.items()
        }
        asked = [text for page, chunks in plan.changed.values() for _, text in _phrasings(page, chunks)]
        vectors = await _embed(embedder, [chunk for chunks in new.values() for chunk in chunks], asked)
        async with transaction(pool) as conn:
            return await _apply(conn, plan, new, vectors, source=source, model_id=embedder.model_id)


@asynccontextmanager
async def _exclusively(pool: Pool) -> AsyncIterator[None]:
    """One sync at a time in the whole database; the lock dies with its connection."""
    async with pool.connection() as conn:
        while not await store.try_lock(conn, _LOCK):  # noqa: ASYNC110 - the holder may be another process
            await asyncio.sleep(_LOCK_RETRY_S)
        try:
            yield
        finally:
            await store.unlock(conn, _LOCK)


def _compare(pages: Sequence[Page], articles: Sequence[store.StoredArticle], *, source: str, model_id: str) -> _Plan:
    known = {article.slug: article for article in articles}
    changed: dict[str, tuple[Page, list[Chunk]]] = {}
    for page in pages:
        article = known.get(page.slug)
        if article and not article.removed and article.source != source:
            raise UnreadablePage(f"the slug {page.slug!r} already belongs to the source {article.source!r}; rename it")
        if not article or article.removed or (article.content_hash, article.model_id) != (page.content_hash, model_id):
            changed[page.slug] = (page, cut_page(page))
    here = {page.slug for page in pages}
    gone = [a for a in articles if a.source == source and not a.removed and a.slug not in here]
    return _Plan(changed, known, gone, unchanged=len(pages) - len(changed))


def _phrasings(page: Page, chunks: Sequence[Chunk]) -> list[tuple[str, str]]:
    """Heading path and question, for the sections that have text of their own."""
    paths = {chunk.heading.rsplit(HEADING_SEPARATOR, 1)[-1]: chunk.heading for chunk in chunks}
    return [(paths[heading], text) for heading, asked in page.questions.items() if heading in paths for text in asked]


async def _embed(embedder: Embedder, chunks: Sequence[Chunk], questions: Sequence[str]) -> dict[str, str]:
    """Vectors of the chunks by hash, of their headings and of the questions by text, as PostgreSQL reads them."""
    texts = {chunk.hash: chunk.embedded_text for chunk in chunks}
    texts |= {chunk.named: chunk.named for chunk in chunks if chunk.named} | {text: text for text in questions}
    vectors = await embedder.embed(list(texts.values()))
    return {key: store.to_vector(vector) for key, vector in zip(texts, vectors, strict=True)}


async def _apply(
    conn: Connection,
    plan: _Plan,
    new: Mapping[str, Sequence[Chunk]],
    vectors: Mapping[str, str],
    *,
    source: str,
    model_id: str,
) -> SyncReport:
    updated = len(plan.changed) - plan.added
    summary = f"{source}: {plan.added} added, {updated} updated, {len(plan.gone)} removed"
    version = await store.begin_version(conn, summary)
    retired = await store.remove_articles(conn, [article.id for article in plan.gone])
    await store.forget_phrasings(conn, [article.id for article in plan.gone])
    for slug, (page, chunks) in plan.changed.items():
        article_id = await store.save_article(conn, page, source=source, model_id=model_id)
        retired += await store.retire_chunks(conn, article_id, keep=[chunk.hash for chunk in chunks], model_id=model_id)
        await store.place_chunks(conn, article_id, chunks)
        await store.add_chunks(conn, article_id, new[slug], vectors, version=version, model_id=model_id)
        await store.replace_phrasings(conn, article_id, _phrasings(page, chunks), vectors, model_id=model_id)
    await store.close_version(conn, version, retired)
    made = sum(map(len, new.values()))
    relying = await count_relying_replies(conn, retired)
    return SyncReport(plan.added, updated, plan.unchanged, len(plan.gone), made, version, relying)
