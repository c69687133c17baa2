"""The ways to answer a message that the benchmark compares: two styles, each under three loads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg_pool import AsyncConnectionPool

from channels.formatting import ChannelFormatter
from core.clock import SystemClock
from core.models import TurnBrief, TurnResult
from core.policy import Policy
from core.ports import Desk
from core.profile import load_profile
from core.turn import Deps
from crm.checkpoints import TurnSaver
from crm.desk import CrmDesk
from crm.pool import Pool, transaction
from crm.turns import claim_turn
from evals.bench_crm import Thread
from evals.bench_graphs import ChatGraph, chat_graph, lean_graph, plain_responder
from evals.bench_world import (
    CannedKnowledge,
    CheckpointDesk,
    ForgetfulDesk,
    NoPolicy,
    Prose,
    ScriptedAgent,
    ScriptedMind,
    make_passages,
)
from graph.build import TurnGraph, build_graph, graph_version
from graph.dry_run import draft_brief
from graph.run import run_turn
from nodes.responder import responder

Style = Literal["ours", "defaults"]
# What is inside the measured stretch: the graph and its checkpoints; and the CRM's rows; and the agent loop with its tools.
Load = Literal["orchestration", "with_crm", "whole"]
STYLES: tuple[Style, ...] = ("ours", "defaults")
LOADS: tuple[Load, ...] = ("orchestration", "with_crm", "whole")


class StepwiseDesk(CrmDesk):
    """The same rows in the CRM, but the nodes' measurements were written by the nodes, one after the other."""

    async def finish_turn(self, brief: TurnBrief, result: TurnResult) -> None:
        await CrmDesk.finish_turn(self, brief, replace(result, node_ms={}))


@dataclass(frozen=True, slots=True)
class Employee:
    """One style under one load: answers the message that waits in a thread."""

    graph: TurnGraph
    deps: Deps
    claim: Callable[[Thread, str], Awaitable[TurnBrief]]

    async def answer(self, thread: Thread, text: str) -> TurnResult:
        return await run_turn(self.graph, self.deps, await self.claim(thread, text))

    async def remember(self, thread: Thread, texts: list[str]) -> None:
        """Only a state that holds the conversation has to be told what was said before."""
        graph = cast(Any, self.graph)
        if isinstance(graph, ChatGraph):
            await graph.remember(thread.conversation_id, texts)


def make_employees(
    pool: Pool, saver_pool: AsyncConnectionPool, dossier: Path, prose: Prose
) -> dict[tuple[Load, Style], Employee]:
    """All six. `saver_pool` is set up as LangGraph's documentation says: autocommit, prepared, rows as dicts."""
    profile = load_profile(dossier)
    policy = Policy.load(dossier / "policy.yaml", dossier / "profile.yaml")
    passages = make_passages(prose, policy)
    deps = Deps(
        mind=ScriptedMind(ScriptedAgent(passages)),
        knowledge=CannedKnowledge(passages),
        desk=ForgetfulDesk(SystemClock()),
        formatter=ChannelFormatter(profile),
        policy=NoPolicy((), "none", ()),
        profile=profile,
        intents=(),
        clock=SystemClock(),
    )
    employees: dict[tuple[Load, Style], Employee] = {}
    for load in LOADS:
        loaded = replace(deps, policy=policy) if load == "whole" else deps
        employees[load, "ours"] = _ours(load, pool, loaded, prose)
        employees[load, "defaults"] = _defaults(load, pool, saver_pool, loaded, prose)
    return employees


def _ours(load: Load, pool: Pool, deps: Deps, prose: Prose) -> Employee:
    saver = TurnSaver(pool)
    desk: Desk = CrmDesk(pool, saver)
    if load == "orchestration":
        desk = CheckpointDesk(deps.clock, pool=pool, saver=saver)
    graph = build_graph(saver) if load == "whole" else lean_graph(saver, plain_responder(prose))
    return Employee(graph, replace(deps, desk=desk), _claimer(load, pool, deps))


def _defaults(load: Load, pool: Pool, saver_pool: AsyncConnectionPool, deps: Deps, prose: Prose) -> Employee:
    saver = AsyncPostgresSaver(cast(Any, saver_pool))
    if load == "orchestration":
        graph = chat_graph(saver, plain_responder(prose), record_in=None)
        return Employee(graph, deps, _claimer(load, pool, deps))
    graph = chat_graph(saver, responder if load == "whole" else plain_responder(prose), record_in=pool)
    return Employee(graph, replace(deps, desk=StepwiseDesk(pool, TurnSaver(pool))), _claimer(load, pool, deps))


def _claimer(load: Load, pool: Pool, deps: Deps) -> Callable[[Thread, str], Awaitable[TurnBrief]]:
    async def draft(thread: Thread, text: str) -> TurnBrief:
        return replace(draft_brief(deps.clock, text), conversation_id=thread.conversation_id)

    async def claim(thread: Thread, text: str) -> TurnBrief:
        async with transaction(pool) as conn:
            claimed = await claim_turn(conn, thread.conversation_id, lease_s=60, graph_version=version)
        assert claimed.brief is not None, "a message waits in every thread that is answered"
        return claimed.brief

    version = graph_version()
    return draft if load == "orchestration" else claim
