"""The graph as LangGraph Studio opens it: no checkpointer, a plain JSON input, nothing stored."""

from __future__ import annotations

import inspect
import json
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from cli.studio import graph
from core.errors import InvalidInbound
from core.settings import PROJECT_ROOT
from crm.pool import Pool, transaction
from graph.build import build_graph

DOCS = Path(__file__).parents[1] / "data" / "docs"


@pytest.fixture
def surroundings(db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dossier of two pages, so that the first run need not embed them all."""
    dossier = tmp_path / "dossier"
    shutil.copytree(PROJECT_ROOT / "dossier", dossier, ignore=shutil.ignore_patterns("docs", "tickets"))
    shutil.copytree(DOCS, dossier / "docs")
    monkeypatch.setenv("DATABASE_URL", db)
    monkeypatch.setenv("FTE_DOSSIER_DIR", str(dossier))


def test_langgraph_json_names_something_that_studio_can_open() -> None:
    """A factory without arguments that yields the graph is one of the forms that its server takes."""
    named = json.loads((PROJECT_ROOT / "langgraph.json").read_text())["graphs"]["support"]
    path, name = named.rsplit(":", 1)
    factory = getattr(import_module(path.removeprefix("./").removesuffix(".py").replace("/", ".")), name)
    assert list(inspect.signature(factory).parameters) == []
    assert hasattr(factory(), "__aenter__")


async def test_it_has_the_products_picture_asks_for_a_message_and_opens_nothing_to_be_looked_at() -> None:
    async with graph() as opened:
        assert opened.checkpointer is None
        assert opened.get_graph().draw_mermaid() == build_graph().get_graph().draw_mermaid()
        assert set(opened.get_input_jsonschema()["properties"]) == {"text", "channel", "subject", "customer_name"}


@pytest.mark.usefixtures("surroundings")
async def test_a_question_is_answered_from_the_documents_and_nothing_is_stored(pool: Pool) -> None:
    async with graph() as opened:
        state = await opened.ainvoke(
            {"text": "How do I change the card that my workspace is billed to?", "channel": "web_form"}
        )
    assert "Replace card" in state["draft"]["text"]
    async with transaction(pool) as conn:
        counted = await conn.execute("select (select count(*) from messages) + (select count(*) from turns)")
        assert await counted.fetchone() == (0,)


@pytest.mark.usefixtures("surroundings")
async def test_a_hand_over_waits_and_is_resumed_in_another_visit() -> None:
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "1"}}
    async with graph() as opened:
        studio = opened.copy(update={"checkpointer": saver})
        stopped = await studio.ainvoke(
            {"text": "I want a refund for last month, please give me my money back."}, config
        )
        assert stopped["__interrupt__"][0].value["reason"] == "refund_request"
    async with graph() as opened:
        studio = opened.copy(update={"checkpointer": saver})
        ended = await studio.ainvoke(Command(resume={"decision": "respond", "reviewer": "grace"}), config)
    assert ended["verdict"]["reviewer"] == "grace"


async def test_an_unknown_channel_is_a_clear_error() -> None:
    async with graph() as opened:
        with pytest.raises(InvalidInbound, match="'fax' is none of email, whatsapp, web_form"):
            await opened.ainvoke({"text": "Hello", "channel": "fax"})
