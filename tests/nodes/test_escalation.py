"""Escalation: the graph stops with everything a person needs, and goes on with what the person decided."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from core.turn import TurnContext
from nodes.escalation import escalation, summarise
from nodes.state import HandOver, TurnState
from tests.nodes.fakes import make_turn, passage

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
    assert waiting.value == {**WHY, "summary": summarise(turn, STATE, WHY)}  # pyright: ignore[reportArgumentType]
    ended = await graph.ainvoke(Command(resume=VERDICT), config, context=make_turn("I want my money back"))  # pyright: ignore[reportArgumentType]
    assert ended["verdict"] == VERDICT
    assert ended["hand_over"] == WHY


def test_the_summary_says_who_wrote_what_why_it_is_here_and_what_was_found() -> None:
    turn = make_turn("I want my money back", customer_name="Ada", channel="web_form")
    turn.work.passages["a"] = passage("Weak.", slug="weak", score=0.4)
    turn.work.passages["b"] = passage("Strong.", slug="refund-rules", score=0.9)
    assert summarise(turn, STATE, WHY).splitlines() == [  # pyright: ignore[reportArgumentType]
        "Ada wrote by web form: I want my money back",
        "Handed over: refund request (rule refund, because of: my money back).",
        "Intent billing, sentiment 0.4.",
        "Best match in the documents: Refund rules > Steps.",
    ]


def test_what_the_agent_noted_comes_second_and_a_long_message_is_cut() -> None:
    turn = make_turn("word " * 100)
    lines = summarise(turn, {}, {**WHY, "summary": "Two searches brought nothing."}).splitlines()
    assert lines[0].endswith("word …")
    assert len(lines[0].split()) < 50
    assert lines[1] == "Two searches brought nothing."
    assert lines[-1] == "The documents had no good match."


def test_a_turn_that_failed_before_it_was_judged_has_a_summary_too() -> None:
    assert "Intent unknown, sentiment unknown." in summarise(make_turn(), {}, WHY)
