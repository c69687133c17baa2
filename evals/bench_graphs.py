"""The two ways to run the same six nodes: ours, and LangGraph's defaults as its tutorials use them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any, cast
from uuid import UUID

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from core.turn import TurnContext
from crm.pool import Pool, transaction
from evals.assemble import Node, assemble
from evals.bench_crm import record_step
from evals.bench_world import Prose
from graph.build import NODES, TurnGraph
from nodes.responder import ResponderInput, ResponderUpdate
from nodes.state import TurnState


class ChatState(TurnState, total=False):
    """The state of the tutorials: one channel holds every message of the conversation."""

    messages: Annotated[list[AnyMessage], add_messages]


# A thread that lives on keeps what the turn before decided; these two would lead the next one astray.
_NEW_TURN: dict[str, Any] = {"hand_over": None, "draft": None}


def plain_responder(prose: Prose) -> Node:
    """The responder without its agent loop: ticket and history through the desk, then a reply of ordinary length."""

    async def responder(state: ResponderInput, runtime: Runtime[TurnContext]) -> ResponderUpdate:
        turn = runtime.context
        with turn.timed("responder"):
            await turn.deps.desk.open_ticket(turn.brief, category="general", priority="medium")
            await turn.deps.desk.list_history(turn.brief)
            text = prose.paragraph(6)
            letter = f"Hello,\n\n{text}\n\nBest wishes,\n{runtime.context.deps.profile.name} Support"
            return {"draft": {"text": letter, "parts": [letter], "subject": None}, "hand_over": None}

    return responder


def lean_graph(checkpointer: Any, responder: Node) -> TurnGraph:
    """The product's graph with another responder."""
    return cast(TurnGraph, assemble(TurnState, {**NODES, "responder": responder}, checkpointer))


@dataclass(frozen=True, slots=True)
class ChatGraph:
    """Looks like the product's graph to `run_turn`, and runs as in the tutorials: a thread a conversation, default durability."""

    compiled: CompiledStateGraph[Any, Any, Any]

    async def ainvoke(self, entry: TurnState, _: Any, *, context: TurnContext, **__: Any) -> dict[str, Any]:
        message = HumanMessage(context.brief.text, id=str(context.brief.turn_id))
        config = thread_config(context.brief.conversation_id)
        return await self.compiled.ainvoke({**_NEW_TURN, **entry, "messages": [message]}, config, context=context)

    async def remember(self, conversation_id: UUID, texts: list[str]) -> None:
        """Put earlier messages into the thread's state, as so many turns would have."""
        messages = [HumanMessage(text) if n % 2 == 0 else AIMessage(text) for n, text in enumerate(texts)]
        await self.compiled.aupdate_state(
            thread_config(conversation_id), {"messages": messages, "verdict": None}, as_node="escalation"
        )


def chat_graph(saver: AsyncPostgresSaver, responder: Node, *, record_in: Pool | None) -> TurnGraph:
    """The same nodes; the responder adds its reply to the messages, and with a CRM each node records itself."""
    nodes = {name: _step(name, node, record_in) for name, node in {**NODES, "responder": _say(responder)}.items()}
    return cast(TurnGraph, ChatGraph(assemble(ChatState, nodes, saver)))


def thread_config(conversation_id: UUID) -> RunnableConfig:
    return {"configurable": {"thread_id": str(conversation_id)}}


def _say(responder: Node) -> Node:
    async def say(state: Any, runtime: Runtime[TurnContext]) -> Any:
        update = await responder(state, runtime)
        draft = update["draft"]
        return {**update, "messages": [AIMessage(draft["text"])] if draft else []}

    return say


def _step(name: str, node: Node, record_in: Pool | None) -> Node:
    if record_in is None:
        return node

    async def step(state: Any, runtime: Runtime[TurnContext]) -> Any:
        start = time.perf_counter()
        update = await node(state, runtime)
        async with transaction(record_in) as conn:
            await record_step(conn, runtime.context.brief.turn_id, name, (time.perf_counter() - start) * 1000)
        return update

    return step
