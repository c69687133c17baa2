"""Search over the real model: what is asked for is found, and what is not there is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg
import pytest

from core.errors import DatabaseUnavailable
from crm.knowledge.search import SEARCH, KnowledgeBase, read_vector
from crm.knowledge.store import to_vector
from crm.knowledge.sync import sync_folder
from crm.pool import Pool, open_pool
from llm.embedding import MINI_LM, SentenceEmbedder

EMBEDDER = SentenceEmbedder(MINI_LM)
PAGES = {
    "labels": """---
title: Print labels
---
Choose a label size and click Print.

## Error PA-31

PA-31 means that the paper ran out.
""",
    "members": """---
title: Add members
---
Invite a colleague under Settings > Members.

## Remove a member

Click the three dots and choose Remove.
""",
    "limits": """---
title: API rate limits
version: v2
---
The API answers 429 after 120 requests a minute.
""",
}


@pytest.fixture
async def knowledge(pool: Pool, tmp_path: Path) -> KnowledgeBase:
    for name, text in PAGES.items():
        (tmp_path / f"{name}.md").write_text(text)
    await sync_folder(pool, EMBEDDER, tmp_path, url_base="https://help.example")
    return KnowledgeBase(pool, EMBEDDER)


@pytest.mark.parametrize(
    ("question", "slug", "heading"),
    [
        ("how do I take a teammate out of our account?", "members", "Remove a member"),
        ("PA-31", "labels", "Error PA-31"),
        ("too many requests, we are being throttled", "limits", ""),
    ],
)
async def test_paraphrases_and_codes_are_found(
    knowledge: KnowledgeBase, question: str, slug: str, heading: str
) -> None:
    result = await knowledge.search(question)
    assert (result.passages[0].slug, result.passages[0].heading) == (slug, heading)
    assert result.passages[0].score == result.best_score
    assert result.confidence >= result.floor
    assert result.knowledge_version == 1


async def test_nothing_is_found_where_nothing_fits(knowledge: KnowledgeBase) -> None:
    result = await knowledge.search("write me a poem about the autumn moon")
    assert result.passages == ()
    assert 0 < result.confidence < result.floor
    assert result.best_score > 0


async def test_the_reasons_add_up(knowledge: KnowledgeBase) -> None:
    explanation = await knowledge.explain("error PA-31 paper", limit=10)
    best = explanation.hits[0]
    assert "pa-31" in best.matched[:3]
    assert 0 < best.lexical <= 1
    assert [hit.score for hit in explanation.hits] == sorted((hit.score for hit in explanation.hits), reverse=True)
    assert best.passage() == explanation.result.passages[0]


@pytest.mark.parametrize("question", ["", "   ", "\0", "?!", "the of and", "x" * 100_000, "'; DROP TABLE x; -- \\"])
async def test_odd_questions_are_answered_with_calm(knowledge: KnowledgeBase, question: str) -> None:
    result = await knowledge.search(question)
    assert result.query == question


async def test_an_empty_knowledge_base_finds_nothing(pool: Pool) -> None:
    result = await KnowledgeBase(pool, EMBEDDER).search("anything")
    assert (result.passages, result.knowledge_version) == ((), 0)


async def test_passages_come_in_the_order_asked_for(knowledge: KnowledgeBase) -> None:
    ids = [passage.id for passage in (await knowledge.search("Print labels")).passages][::-1]
    assert [passage.id for passage in await knowledge.get_passages([*ids, uuid4()])] == ids


async def test_a_search_leaves_the_connection_as_it_was(knowledge: KnowledgeBase, pool: Pool) -> None:
    await knowledge.search("label size")
    async with pool.connection() as conn:
        assert conn.autocommit is False


async def test_a_lost_database_is_said_to_be_lost(db: str) -> None:
    pool = await open_pool(db, max_size=1)
    async with pool.connection() as conn:
        row = await (await conn.execute("SELECT pg_backend_pid()")).fetchone()
        assert row is not None
    async with await psycopg.AsyncConnection.connect(db, autocommit=True) as other:
        await other.execute("SELECT pg_terminate_backend(%s)", (row[0],))
    with pytest.raises(DatabaseUnavailable):
        await KnowledgeBase(pool, EMBEDDER).search("anything")
    await pool.close()


async def test_beyond_ten_thousand_chunks_the_index_is_used(knowledge: KnowledgeBase, pool: Pool) -> None:
    async with pool.connection() as conn:
        await conn.execute("UPDATE knowledge_versions SET chunk_count = 10001")
    result = await knowledge.search("how do I invite a colleague")
    assert result.passages[0].slug == "members"
    async with pool.connection() as conn:
        await conn.execute("SET enable_seqscan = off")
        [vector] = await EMBEDDER.embed(["x"])
        arguments = {"lexemes": [], "vector": to_vector(vector), "model_id": EMBEDDER.model_id}
        plan = await (await conn.execute("EXPLAIN " + SEARCH, arguments)).fetchall()
        await conn.rollback()
    shown = "\n".join(line for (line,) in plan)
    assert "knowledge_chunks_embedding" in shown
    assert "knowledge_chunks_heading_embedding" in shown


def test_vectors_are_read_as_they_were_sent() -> None:
    values: Sequence[float] = (0.5, -1.25, 3.0)
    sent = b"\x00\x03\x00\x00" + np.array(values, dtype=">f4").tobytes()
    assert read_vector(sent).tolist() == list(values)


async def test_the_neighbours_of_a_passage_are_of_its_section_and_stand_beside_it(pool: Pool, tmp_path: Path) -> None:
    deeds = ("turn the brass wheel", "lift the oak lever", "wind the long spring", "close the small door")
    steps = "\n\n".join(f"{deed} of the clock with care and wait until it stops. " * 12 for deed in deeds)
    (tmp_path / "a.md").write_text(f"# Wheels\n\n## Turning\n\n{steps}\n\n## Oiling\n\nOil it.\n")
    await sync_folder(pool, EMBEDDER, tmp_path)
    knowledge = KnowledgeBase(pool, EMBEDDER)
    pieces = {
        p.ordinal: p for p in (await knowledge.search("wheel, lever, spring and door of the clock", limit=10)).passages
    }
    places = sorted(n for n, p in pieces.items() if p.heading == "Turning")
    assert len(places) >= 3
    beside = await knowledge.list_neighbours([pieces[places[1]].id])
    assert sorted(p.ordinal for p in beside) == [places[0], places[2]]
