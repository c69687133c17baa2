"""The graph for LangGraph Studio: a message comes in, the real nodes and tools run, nothing is stored.

Studio brings its own checkpoints and its own input, and opens `graph` anew for every run and for every picture. So what
a turn needs is opened when the first node asks for it: the configured database, or the embedded one, beside a running
`fte up` too. As everywhere in the product, one thread is one turn: a further message wants a new thread. Files are read
in the loop, so start the server with `langgraph dev --allow-blocking`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")

from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from cli.database import open_database
from cli.deps import build_deps, make_embedder, sync_dossier
from core.clock import SystemClock
from core.errors import InvalidInbound
from core.settings import load_settings
from core.turn import Deps, TurnContext
from core.vocabulary import CHANNELS
from evals.assemble import Node, assemble
from graph.build import NODES
from graph.dry_run import DryRunDesk, draft_brief
from nodes.state import TurnState


class Message(TypedDict, total=False):
    """What a customer writes. `channel` is email, whatsapp or web_form (when left out)."""

    text: str
    channel: str
    subject: str | None
    customer_name: str | None


class StudioState(TurnState, total=False):
    """The product's state, and the message that the product would read from the CRM."""

    text: str
    channel: str
    subject: str | None
    customer_name: str | None


OpenTurn = Callable[[StudioState], Awaitable[TurnContext]]


@asynccontextmanager
async def graph() -> AsyncIterator[CompiledStateGraph[Any, Any, Any, Any]]:
    """What `langgraph.json` names."""
    async with AsyncExitStack() as stack:
        visit = _Visit(stack)
        nodes = {name: _with_turn(node, visit.turn) for name, node in NODES.items()}
        yield assemble(StudioState, nodes, entry=Message, context=None)


class _Visit:
    """One opening of the graph, in which its nodes share one turn."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._one_at_a_time = asyncio.Lock()
        self._turn: TurnContext | None = None

    async def turn(self, state: StudioState) -> TurnContext:
        async with self._one_at_a_time:
            if self._turn is None:
                channel = state.get("channel") or "web_form"
                if channel not in CHANNELS:
                    raise InvalidInbound(f"channel {channel!r} is none of {', '.join(CHANNELS)}")
                brief = draft_brief(
                    SystemClock(),
                    state.get("text", ""),
                    channel=channel,
                    subject=state.get("subject"),
                    customer_name=state.get("customer_name"),
                )
                self._turn = TurnContext(await self._open_deps(), brief)
            return self._turn

    async def _open_deps(self) -> Deps:
        settings = load_settings()
        pool = await self._stack.enter_async_context(open_database(settings))
        embedder = make_embedder(settings)
        await sync_dossier(settings, pool, embedder)
        return build_deps(settings, pool, DryRunDesk(SystemClock()), embedder=embedder)


def _with_turn(node: Node, open_turn: OpenTurn) -> Node:
    async def run(state: StudioState, runtime: Runtime[Any]) -> Any:
        return await node(state, runtime.override(context=await open_turn(state)))

    return run
