"""The graph as it is compiled: its shape, its picture in the documents, and turns through all of it on fakes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from agents import ModelResponse, Usage
from langchain_core.runnables import RunnableConfig
from openai.types.responses import ResponseFunctionToolCall

from cli.graph import draw, with_picture
from core.errors import ConfigurationError
from core.models import TurnResult
from core.settings import PROJECT_ROOT
from graph import build
from graph.build import NODES, build_graph, graph_version
from graph.dry_run import dry_run_graph, try_turn
from llm.offline_agent import OfflineAgentModel
from tests.nodes.fakes import FakeKnowledge, FakeMind, FakePolicy, make_turn, passage

CARD = passage("Open Settings and choose Replace card.")


class ScriptedAgent(OfflineAgentModel):
    """A model that calls the tools it is told to call, one an answer."""

    def __init__(self, *calls: tuple[str, dict[str, Any]]) -> None:
        self._calls = list(calls)

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        name, arguments = self._calls.pop(0)
        call = ResponseFunctionToolCall(
            type="function_call", call_id=f"c{len(self._calls)}", name=name, arguments=json.dumps(arguments)
        )
        return ModelResponse(output=[call], usage=Usage(requests=1), response_id=None)


BEGIN = (
    ("create_ticket", {"category": "general", "priority": "medium"}),
    ("get_customer_history", {}),
    ("search_knowledge_base", {"query": "card"}),
)
SEND = ("send_response", {"sentences": [{"text": CARD.text, "passages": [str(CARD.id)]}]})
GIVE_UP = ("escalate_to_human", {"reason": "no_answer", "evidence": "two searches", "summary": "Asks about penguins."})


async def run(
    *, agent: ScriptedAgent | None = None, policy: FakePolicy | None = None, mind: FakeMind | None = None, **turn: Any
) -> TurnResult:
    mind = mind or FakeMind()
    mind.agent = agent
    made = make_turn(mind=mind, policy=policy, knowledge=FakeKnowledge((CARD,)), **turn)
    return await try_turn(made.deps, made.brief)


def test_six_nodes_each_a_file_a_function_and_an_id_of_one_name() -> None:
    assert set(NODES) == {"triage", "sentiment", "retrieval", "guardrail", "responder", "escalation"}
    for name, node in NODES.items():
        assert node.__name__ == name
        assert (PROJECT_ROOT / "nodes" / f"{name}.py").exists()


def test_without_a_checkpointer_it_is_what_studio_opens() -> None:
    assert build_graph().checkpointer is None


def test_nothing_reaches_the_end_but_through_the_guardrail_or_a_person() -> None:
    edges = build_graph().get_graph().edges
    assert {edge.source for edge in edges if edge.target == "__end__"} == {"guardrail", "escalation"}
    assert {edge.target for edge in edges if edge.source == "responder"} == {"guardrail", "escalation"}


def test_the_version_names_the_shape_and_changes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    version = graph_version()
    assert version == graph_version()
    assert version.startswith(f"{build.GRAPH_VERSION}+")
    monkeypatch.setitem(build.NODES, "afterthought", NODES["triage"])
    assert graph_version() != version


def test_the_page_on_the_graph_shows_the_graph_that_runs() -> None:
    page = PROJECT_ROOT / "docs" / "architecture" / "graph.md"
    assert f"```mermaid\n{draw()}\n```" in page.read_text(encoding="utf-8"), (
        "run fte graph --update docs/architecture/graph.md"
    )


def test_a_picture_replaces_the_one_before_and_leaves_the_words() -> None:
    page = with_picture("Before\n```mermaid\nold\n```\nafter\n")
    assert page == f"Before\n```mermaid\n{draw()}\n```\nafter\n"
    assert with_picture(page) == page


@pytest.mark.parametrize("page", ["no block", "```mermaid\na\n```\n```mermaid\nb\n```"])
def test_a_page_without_one_place_for_the_picture_is_refused(page: str) -> None:
    with pytest.raises(ConfigurationError, match="needs exactly one"):
        with_picture(page)


async def test_triage_sentiment_and_retrieval_run_side_by_side() -> None:
    """Each waits until all three are there: one after the other would never end."""
    meeting = asyncio.Barrier(3)

    class Mind(FakeMind):
        async def classify(self, *args: Any, **kwargs: Any) -> Any:
            await meeting.wait()
            return await super().classify(*args, **kwargs)

        async def rate_sentiment(self, *args: Any, **kwargs: Any) -> Any:
            await meeting.wait()
            return await super().rate_sentiment(*args, **kwargs)

    class Knowledge(FakeKnowledge):
        async def search(self, query: str, *, limit: int = 5) -> Any:
            if not self.asked:
                await meeting.wait()
            return await super().search(query, limit=limit)

    turn = make_turn(mind=Mind(agent=ScriptedAgent(*BEGIN, SEND)), knowledge=Knowledge((CARD,)))
    result = await asyncio.wait_for(try_turn(turn.deps, turn.brief), timeout=5)
    assert result.outcome == "answered"


async def test_a_question_is_answered_with_text_sources_and_times_of_its_nodes() -> None:
    result = await run(agent=ScriptedAgent(*BEGIN, SEND))
    assert (result.outcome, result.reason) == ("answered", "how_to")
    assert result.reply is not None
    assert CARD.text in result.reply.text
    assert [source.passage_id for source in result.sources] == [CARD.id]
    assert set(result.node_ms) == {"triage", "sentiment", "retrieval", "guardrail", "responder"}


async def test_the_state_that_is_kept_is_json_and_small() -> None:
    """Ids, small decisions and the draft: a passage's text or a customer's message has no place in it."""
    result = await run(agent=ScriptedAgent(*BEGIN, SEND), text="My own words " + "about the card " * 200)
    kept = json.dumps(dict(result.state))
    assert "about the card about the card about the card" not in kept.replace(result.state["found"]["query"], "")
    assert len(kept) < 4000


async def test_an_agent_that_gives_up_hands_over_with_its_reason() -> None:
    result = await run(agent=ScriptedAgent(*BEGIN, GIVE_UP))
    assert (result.outcome, result.reason) == ("handed_over", "no_answer")
    assert result.escalation is not None
    assert "Asks about penguins." in result.escalation.summary
    assert result.reply is not None


async def test_an_agent_that_never_decides_is_stopped_and_a_person_takes_over() -> None:
    result = await run(agent=ScriptedAgent(*[("get_customer_history", {})] * 40))
    assert (result.outcome, result.reason) == ("handed_over", "no_answer")
    assert result.escalation is not None
    assert result.escalation.rule == "responder.undecided"


async def test_thanks_ends_in_silence_and_no_agent_is_run() -> None:
    result = await run(mind=FakeMind(intent="thanks_closing"), text="Thank you!")
    assert (result.outcome, result.reason, result.reply) == ("silent", "thanks", None)


async def test_the_boundary_stops_what_every_node_let_through() -> None:
    """Law 10: the rule fires at the send stage alone, as if guardrail and tools had been fooled."""
    result = await run(
        agent=ScriptedAgent(*BEGIN, SEND), policy=FakePolicy({"Replace card": "pricing_inquiry"}, stages=("send",))
    )
    assert (result.outcome, result.reason) == ("handed_over", "policy_violation")
    assert result.held_draft is not None
    assert CARD.text in result.held_draft
    assert result.reply is not None
    assert CARD.text not in result.reply.text


async def test_a_turn_that_is_tried_sees_nothing_of_another() -> None:
    """One compiled graph, checkpoints apart."""
    one, other = dry_run_graph(), dry_run_graph()
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}
    turn = make_turn("STOP", channel="whatsapp")
    await one.ainvoke({"turn_id": "t"}, config, context=turn)
    assert (await one.aget_state(config)).values["silent"] == "opt_out"
    assert (await other.aget_state(config)).values == {}
