"""The product's edges and routes over other nodes or another state: to be measured, and to be opened in Studio.

A test holds its picture to that of `graph.build`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from core.turn import TurnContext
from graph.routes import after_guardrail, after_responder, after_start

Node = Callable[[Any, Runtime[TurnContext]], Awaitable[Any]]


def assemble(
    state: type,
    nodes: Mapping[str, Node],
    checkpointer: Any = None,
    *,
    entry: type | None = None,
    context: type | None = TurnContext,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile the six nodes of `nodes` as `graph.build.build_graph` does; `entry` is what comes in, where not the state."""
    graph = StateGraph(state, context_schema=context, input_schema=entry)
    for name, node in nodes.items():
        graph.add_node(name, node)  # pyright: ignore[reportArgumentType]
    graph.add_conditional_edges(START, after_start, ["triage", "sentiment", "retrieval", "escalation"])
    graph.add_edge(["triage", "sentiment", "retrieval"], "guardrail")
    graph.add_conditional_edges("guardrail", after_guardrail, ["responder", "escalation", END])
    graph.add_conditional_edges("responder", after_responder, ["guardrail", "escalation"])
    graph.add_edge("escalation", END)
    return graph.compile(checkpointer=checkpointer, name="customer_success")
