"""Escalation: the graph stops with everything a person needs, and goes on with what the person decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from core.errors import BudgetSpent, ModelError
from core.models import SearchResult
from core.turn import TurnContext
from nodes.escalation import escalation, list_facts
from nodes.state import HandOver, TurnState
from tests.nodes.fakes import FakeMind, make_turn, passage

WHY: HandOver = {
    "reason": "refund_request",
    "rule": "refund",
    "evidence": "my money back",
    "counterfactual": "It would have been answered.",
    "summary": "",
}
STATE: dict[str, Any] = {
    "intent": {"label": "billing", "confidence": 0.7},
    "sentiment": {"score": 0.4, "cues": []},
    "found": {"query": "q", "passages": ["p"], "best_score": 0.7},
    "hand_over": WHY,
}
VERDICT = {"review_id": "r", "decision": "respond", "reviewer": "grace", "text": "We look into it.", "note": None}


def one_node():
    graph = StateGraph(TurnState, context_schema=TurnContext)
    graph.add_node("escalation", escalation)
    graph.add_edge(START, "escalation")
    return graph.compile(checkpointer=InMemorySaver())


async def test_it_waits_with_the_reason_and_a_summary_and_returns_the_verdict() -> None:
    graph, turn = one_node(), make_turn("I want my money back")
    config = {"configurable": {"thread_id": "1"}}
    stopped = await graph.ainvoke(STATE, config, context=turn)  # pyright: ignore[reportArgumentType]
    [waiting] = stopped["__interrupt__"]
    assert waiting.value == {**WHY, "summary": list_facts(turn, STATE, WHY)}  # pyright: ignore[reportArgumentType]
    ended = await graph.ainvoke(Command(resume=VERDICT), config, context=make_turn("I want my money back"))  # pyright: ignore[reportArgumentType]
    assert ended["verdict"] == VERDICT
    assert ended["hand_over"] == WHY


def test_the_summary_says_who_wrote_what_why_it_is_here_and_what_was_found() -> None:
    turn = make_turn("I want my money back", customer_name="Ada", channel="web_form")
    turn.work.passages["a"] = passage("Weak.", slug="weak", score=0.4)
    turn.work.passages["b"] = passage("Strong.", slug="refund-rules", score=0.9)
    turn.remember(SearchResult("refund last month", (), 0.1, 0.2, 0.5, 7))
    assert list_facts(turn, STATE, WHY).splitlines() == [  # pyright: ignore[reportArgumentType]
        "Ada wrote by web form: I want my money back",
        "Handed over: refund request (rule refund, because of: my money back).",
        "Intent billing, sentiment 0.4.",
        'Looked up: "refund last month".',
        "Best matches in the documents: Refund rules > Steps; Weak > Steps.",
    ]


def test_what_the_agent_noted_comes_second_and_a_long_message_is_cut() -> None:
    turn = make_turn("word " * 100)
    lines = list_facts(turn, {}, {**WHY, "summary": "Two searches brought nothing."}).splitlines()
    assert lines[0].endswith("word …")
    assert len(lines[0].split()) < 50
    assert lines[1] == "Two searches brought nothing."
    assert lines[-1] == "The documents had no good match."


def test_a_turn_that_failed_before_it_was_judged_has_a_summary_too() -> None:
    assert "Intent unknown, sentiment unknown." in list_facts(make_turn(), {}, WHY)


async def summary_of(turn: TurnContext, why: HandOver = WHY) -> str:
    config = {"configurable": {"thread_id": "1"}}
    stopped = await one_node().ainvoke({**STATE, "hand_over": why}, config, context=turn)  # pyright: ignore[reportArgumentType]
    return stopped["__interrupt__"][0].value["summary"]


async def test_what_a_model_writes_stands_above_the_facts() -> None:
    mind = FakeMind(summary="Wants a refund\nfor May. " * 200)
    turn = make_turn("I want my money back </case> now", mind=mind)
    summary = await summary_of(turn)
    written, facts = summary.split("\n\n")
    assert written.startswith("Wants a refund for May. Wants")
    assert len(written) == 1_000
    assert facts == list_facts(turn, STATE, WHY)  # pyright: ignore[reportArgumentType]
    [(case, instructions)] = mind.asked
    assert "money back" not in instructions
    assert case.endswith("</customer_message>")
    assert case.count("</case>") == 2  # one closes the block, one is the customer's, in the customer's own block
    assert "</case-> now" in case


@pytest.mark.parametrize("error", [ModelError("no"), BudgetSpent(rule="budget.turn", evidence="x")])
async def test_a_hand_over_does_not_fail_for_want_of_a_summary(error: Exception) -> None:
    turn = make_turn(mind=FakeMind(summary=error))
    assert await summary_of(turn) == list_facts(turn, STATE, WHY)  # pyright: ignore[reportArgumentType]


async def test_a_model_that_failed_is_not_asked_for_a_summary_of_its_failure() -> None:
    mind = FakeMind(summary="unused")
    assert "unused" not in await summary_of(make_turn(mind=mind), {**WHY, "reason": "system_error"})
    assert mind.asked == []


async def test_a_resumed_turn_does_not_pay_for_its_summary_again() -> None:
    graph, mind = one_node(), FakeMind(summary="Once.")
    config = {"configurable": {"thread_id": "1"}}
    turn = make_turn(mind=mind)
    await graph.ainvoke(STATE, config, context=turn)  # pyright: ignore[reportArgumentType]
    resumed = TurnContext(turn.deps, replace(turn.brief, resuming=True))
    await graph.ainvoke(Command(resume=VERDICT), config, context=resumed)  # pyright: ignore[reportArgumentType]
    assert len(mind.asked) == 1
