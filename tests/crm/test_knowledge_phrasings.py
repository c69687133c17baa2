"""How customers ask is another way to be found, and never a text that is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm.knowledge.pages import UnreadablePage
from crm.knowledge.search import KnowledgeBase
from crm.knowledge.sync import sync_folder
from crm.pool import Pool
from llm.embedding import MINI_LM, SentenceEmbedder

PAGE = """---
title: Reverse an adjustment
slug: reverse-adjustment
{questions}
---
## Take it back

A booked adjustment can be reversed under Stock > Movements.
"""
ASKED = 'questions:\n  "Take it back":\n    - typed a thousand instead of ten jars, how do I undo that booking'


@pytest.fixture(scope="module")
def embedder() -> SentenceEmbedder:
    return SentenceEmbedder(MINI_LM)


def _write(folder: Path, questions: str) -> None:
    (folder / "page.md").write_text(PAGE.format(questions=questions), encoding="utf-8")


async def test_a_phrasing_leads_to_its_section(pool: Pool, embedder: SentenceEmbedder, tmp_path: Path) -> None:
    question = "I typed a thousand jars instead of ten"
    _write(tmp_path, "")
    await sync_folder(pool, embedder, tmp_path)
    before = (await KnowledgeBase(pool, embedder).search(question)).best_score
    _write(tmp_path, ASKED)
    report = await sync_folder(pool, embedder, tmp_path)
    found = await KnowledgeBase(pool, embedder).search(question)
    assert report.chunks == 0, "the section itself did not change"
    assert found.best_score > before + 0.2
    assert found.passages[0].text.startswith("A booked adjustment")


async def test_a_phrasing_that_was_taken_out_leads_nowhere(
    pool: Pool, embedder: SentenceEmbedder, tmp_path: Path
) -> None:
    _write(tmp_path, ASKED)
    await sync_folder(pool, embedder, tmp_path)
    found = (await KnowledgeBase(pool, embedder).search("typed a thousand instead of ten jars")).best_score
    _write(tmp_path, "")
    await sync_folder(pool, embedder, tmp_path)
    assert (await KnowledgeBase(pool, embedder).search("typed a thousand instead of ten jars")).best_score < found - 0.2


async def test_a_phrasing_under_a_heading_that_does_not_exist_is_an_error_that_names_it(
    pool: Pool, embedder: SentenceEmbedder, tmp_path: Path
) -> None:
    _write(tmp_path, ASKED.replace("Take it back", "Take it forward"))
    with pytest.raises(UnreadablePage, match="Take it forward"):
        await sync_folder(pool, embedder, tmp_path)
