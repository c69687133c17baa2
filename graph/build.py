"""The state machine: six nodes, edges and routes, nothing else."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from core.turn import TurnContext
from graph.routes import after_guardrail, after_responder, after_start
from nodes.escalation import escalation
from nodes.guardrail import guardrail
from nodes.responder import responder
from nodes.retrieval import retrieval
from nodes.sentiment import sentiment
from nodes.state import TurnState
from nodes.triage import triage

NODES = {
    "triage": triage,
    "sentiment": sentiment,
    "retrieval": retrieval,
    "guardrail": guardrail,
    "responder": responder,
    "escalation": escalation,
}
# Part of every turn's record. Raise it when a change of nodes, edges or state would confuse a waiting turn.
GRAPH_VERSION = "1"


TurnGraph: TypeAlias = CompiledStateGraph[TurnState, TurnContext, TurnState, TurnState]


def build_graph(checkpointer: BaseCheckpointSaver[Any] | None = None) -> TurnGraph:
    """Compile the graph. Without a checkpointer it is what LangGraph Studio opens."""
    graph = StateGraph(TurnState, context_schema=TurnContext)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_conditional_edges(START, after_start, ["triage", "sentiment", "retrieval", "escalation"])
    graph.add_edge(["triage", "sentiment", "retrieval"], "guardrail")
    graph.add_conditional_edges("guardrail", after_guardrail, ["responder", "escalation", END])
    graph.add_conditional_edges("responder", after_responder, ["guardrail", "escalation"])
    graph.add_edge("escalation", END)
    return graph.compile(checkpointer=checkpointer, name="customer_success")


def graph_version() -> str:
    """The graph's version and a fingerprint of its shape, kept with every turn."""
    shape = build_graph().get_graph().draw_mermaid()
    return f"{GRAPH_VERSION}+{hashlib.sha256(shape.encode()).hexdigest()[:8]}"
