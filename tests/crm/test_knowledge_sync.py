"""The knowledge base follows a folder of documents."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from crm.knowledge.pages import UnreadablePage
from crm.knowledge.search import KnowledgeBase
from crm.knowledge.sync import sync_folder
from crm.pool import Pool

PAGE = """---
title: Reset your password
slug: reset-password
product: web
version: "2026.1"
updated: 2026-03-01
---

Open the sign-in page and choose Forgot password.

## When the mail does not arrive

Error TR-1042 means that the address is blocked.
"""


class WordEmbedder:
    """Vectors of hashed words: texts that share words are near. Counts what it is asked."""

    model_id = "hashed-words"
    dims = 384

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked.extend(texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = np.full(self.dims, 1e-3)
        for word in text.lower().split():
            vector[int(hashlib.sha256(word.encode()).hexdigest(), 16) % self.dims] += 1
        return (vector / np.linalg.norm(vector)).tolist()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "reset.md").write_text(PAGE)
    (tmp_path / "labels.md").write_text("# Print labels\n\nPick a label size and press Print.\n")
    return tmp_path


async def test_a_second_sync_of_the_same_folder_costs_nothing(pool: Pool, folder: Path) -> None:
    embedder = WordEmbedder()
    first = await sync_folder(pool, embedder, folder)
    embedder.asked.clear()
    second = await sync_folder(pool, embedder, folder)
    assert (first.added, first.knowledge_version) == (2, 1)
    assert (second.added, second.unchanged, second.chunks, second.knowledge_version) == (0, 2, 0, 1)
    assert embedder.asked == []


async def test_a_changed_page_retires_only_the_chunks_that_changed(pool: Pool, folder: Path) -> None:
    embedder = WordEmbedder()
    await sync_folder(pool, embedder, folder)
    embedder.asked.clear()
    (folder / "reset.md").write_text(PAGE.replace("is blocked", "is unknown"))
    report = await sync_folder(pool, embedder, folder)
    assert (report.updated, report.unchanged, report.knowledge_version) == (1, 1, 2)
    assert len([text for text in embedder.asked if "TR-1042" in text]) == 1
    assert not any("Forgot password" in text for text in embedder.asked)
    assert await _count(pool, "SELECT count(*) FROM knowledge_chunks WHERE retired_at IS NOT NULL") == 1
    assert (
        await _count(pool, "SELECT count(*) FROM knowledge_chunks WHERE since_version = 1 AND retired_at IS NULL") == 2
    )


async def test_a_removed_page_is_no_longer_found_but_its_passages_can_be_read(pool: Pool, folder: Path) -> None:
    knowledge = KnowledgeBase(pool, WordEmbedder())
    await sync_folder(pool, WordEmbedder(), folder)
    [passage, *_] = (await knowledge.search("TR-1042 address blocked")).passages
    (folder / "reset.md").unlink()
    report = await sync_folder(pool, WordEmbedder(), folder)
    assert report.removed == 1
    assert all(p.slug != "reset-password" for p in (await knowledge.search("TR-1042 address blocked")).passages)
    [kept] = await knowledge.get_passages([passage.id])
    assert (kept.text, kept.hash) == (passage.text, passage.hash)


async def test_a_page_that_comes_back_is_found_again(pool: Pool, folder: Path) -> None:
    await sync_folder(pool, WordEmbedder(), folder)
    (folder / "reset.md").rename(folder / "reset.txt")
    await sync_folder(pool, WordEmbedder(), folder)
    (folder / "reset.txt").rename(folder / "reset.md")
    report = await sync_folder(pool, WordEmbedder(), folder)
    assert report.added == 1
    # The confidence is fitted to the real model's vectors; of these only the order means something.
    found = await KnowledgeBase(pool, WordEmbedder()).explain("TR-1042")
    assert found.hits[0].candidate.slug == "reset-password"


async def test_word_statistics_are_those_of_the_live_chunks(pool: Pool, folder: Path) -> None:
    await sync_folder(pool, WordEmbedder(), folder)
    (folder / "labels.md").write_text("# Print labels\n\nPick a printer and press Start.\n")
    await sync_folder(pool, WordEmbedder(), folder)
    (folder / "reset.md").unlink()
    await sync_folder(pool, WordEmbedder(), folder)
    counted = "SELECT lexeme, count(*)::int FROM knowledge_chunks, unnest(lexemes) WHERE retired_at IS NULL GROUP BY 1"
    async with pool.connection() as conn:
        expected = await (await conn.execute(f"{counted} ORDER BY 1")).fetchall()
        kept = await (await conn.execute("SELECT lexeme, chunk_count FROM knowledge_lexemes ORDER BY 1")).fetchall()
        sizes = await (await conn.execute("SELECT chunk_count FROM knowledge_versions ORDER BY id")).fetchall()
    assert kept == expected
    assert sizes == [(3,), (3,), (1,)]


async def test_two_syncs_at_once_make_one_version(pool: Pool, folder: Path) -> None:
    reports = await asyncio.gather(*(sync_folder(pool, WordEmbedder(), folder) for _ in range(2)))
    assert sorted(report.added for report in reports) == [0, 2]
    assert {report.knowledge_version for report in reports} == {1}


async def test_a_failing_embedder_changes_nothing_and_frees_the_lock(pool: Pool, folder: Path) -> None:
    class BrokenEmbedder(WordEmbedder):
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        await sync_folder(pool, BrokenEmbedder(), folder)
    assert await _count(pool, "SELECT count(*) FROM knowledge_articles") == 0
    assert (await sync_folder(pool, WordEmbedder(), folder)).added == 2


async def test_another_source_is_left_alone(pool: Pool, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "api.md").write_text("# API keys\n\nCreate a key under Settings.\n")
    await sync_folder(pool, WordEmbedder(), folder)
    report = await sync_folder(pool, WordEmbedder(), other, source="api")
    assert (report.added, report.removed) == (1, 0)
    (other / "reset-password.md").write_text("# Mine\n\nText.\n")
    with pytest.raises(UnreadablePage, match="belongs to the source 'docs'"):
        await sync_folder(pool, WordEmbedder(), other, source="api")


async def test_an_empty_folder_removes_nothing(pool: Pool, folder: Path) -> None:
    await sync_folder(pool, WordEmbedder(), folder)
    for file in folder.glob("*.md"):
        file.unlink()
    with pytest.raises(UnreadablePage, match="nothing was changed"):
        await sync_folder(pool, WordEmbedder(), folder)
    assert await _count(pool, "SELECT count(*) FROM knowledge_articles WHERE removed_at IS NULL") == 2


async def _count(pool: Pool, query: str) -> int:
    async with pool.connection() as conn:
        row = await (await conn.execute(query)).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]
