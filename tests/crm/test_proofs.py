"""A sent reply can be held against its passages at any time: as they were, and as they are."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from cli.main import build_app
from core.errors import NotFound
from core.ids import new_id
from crm.knowledge.sync import SyncReport, sync_folder
from crm.pool import transaction
from crm.proofs import Proof, check_replies, list_relying_replies
from tests.fixtures_spine import DOCS, EMBEDDER, Spine
from workers.crew import crew

QUESTION = "How do I change the card that my workspace is billed to?"
SAID = "The Owner of a workspace can change the card"


@pytest.fixture
async def ticket(spine: Spine) -> str:
    """A ticket that was answered from the page about the card."""
    ticket = await spine.submit(QUESTION)
    async with crew(spine.context):
        await spine.until_status(ticket, "resolved")
    return ticket


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return shutil.copytree(DOCS, tmp_path / "docs")


async def prove(spine: Spine, id_: str) -> Proof:
    async with transaction(spine.context.pool) as conn:
        [proof] = await check_replies(conn, id_)
    return proof


async def edit(spine: Spine, docs: Path, old: str, new: str) -> SyncReport:
    page = docs / "change-card.md"
    page.write_text(page.read_text().replace(old, new))
    return await sync_folder(spine.context.pool, EMBEDDER, docs, url_base="https://help.example")


def standing(proof: Proof, words: str) -> str:
    return next(s.standing for s in proof.sentences if words in s.sentence)


async def test_an_answer_is_proved_by_its_ticket_and_by_its_message(spine: Spine, ticket: str) -> None:
    proof = await prove(spine, ticket)
    assert proof.proved
    assert {s.kind for s in proof.sentences} == {"verbatim"}
    assert all(p.hash_cited == p.hash_stored and p.slug == "change-card" for s in proof.sentences for p in s.passages)
    assert (await prove(spine, str(proof.message_id))) == proof


async def test_a_page_that_says_something_else_now_breaks_the_proof_and_names_the_replies(
    spine: Spine, ticket: str, docs: Path
) -> None:
    report = await edit(spine, docs, SAID, "Nobody but an Admin of a workspace can change the card")
    assert report.relying_replies == {"change-card": 1}
    proof = await prove(spine, ticket)
    assert not proof.proved
    assert standing(proof, SAID) == "changed"
    assert standing(proof, "Choose Save card") == "supported"
    async with transaction(spine.context.pool) as conn:
        [reply] = await list_relying_replies(conn, "change-card")
    assert (reply.ticket_id, reply.changed, reply.sentences > 1) == (ticket, True, True)


async def test_a_page_that_says_the_same_in_another_place_still_proves(spine: Spine, ticket: str, docs: Path) -> None:
    await edit(spine, docs, "## Change the card", "## How to replace it\n\nThis is done on the web.")
    assert (await prove(spine, ticket)).proved


async def test_a_page_that_is_gone_proves_nothing(spine: Spine, ticket: str, docs: Path) -> None:
    (docs / "change-card.md").unlink()
    await sync_folder(spine.context.pool, EMBEDDER, docs, url_base="https://help.example")
    proof = await prove(spine, ticket)
    assert {s.standing for s in proof.sentences} == {"gone"}


async def test_a_sentence_that_was_never_supported_is_found_out(spine: Spine, ticket: str) -> None:
    async with transaction(spine.context.pool) as conn:
        await conn.execute(
            "update reply_sentences set sentence = 'Choose Remove card.' where sentence like '%Replace card%'"
        )
    proof = await prove(spine, ticket)
    assert standing(proof, "Remove card") == "unsupported"
    assert not proof.proved


async def test_the_database_keeps_every_version_of_a_chunk(spine: Spine) -> None:
    for change in ("delete from knowledge_chunks", "update knowledge_chunks set text = text || '!'"):
        with pytest.raises(psycopg.Error, match="is kept as it is"):
            async with transaction(spine.context.pool) as conn:
                await conn.execute(change)  # pyright: ignore[reportArgumentType]


async def test_what_is_no_reply_has_no_proof(spine: Spine) -> None:
    with pytest.raises(NotFound):
        await prove(spine, str(new_id()))


async def test_the_commands_say_so_and_exit_by_it(
    spine: Spine, ticket: str, docs: Path, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", db)

    def fte(*arguments: str):
        return asyncio.to_thread(CliRunner().invoke, build_app(), arguments)

    shown = await fte("proof", ticket)
    assert (shown.exit_code, "supported" in shown.output) == (0, True)
    await edit(spine, docs, SAID, "Nobody but an Admin of a workspace can change the card")
    shown = await fte("proof", ticket, "--json")
    assert (shown.exit_code, '"changed"' in shown.output) == (1, True)
    by_path, by_slug = await fte("kb", "impact", str(docs / "change-card.md")), await fte("kb", "impact", "change-card")
    assert ticket in by_slug.output
    assert by_path.output == by_slug.output
