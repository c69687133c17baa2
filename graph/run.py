"""Run a turn, resume a turn: from the brief to a result that the desk makes true in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from core.errors import BudgetSpent, DatabaseUnavailable, LoopSuspected, SupportError
from core.models import Escalation, FormattedReply, ReplySentence, ReviewDecision, TurnBrief, TurnResult
from core.spending import Meter, Spent, metered
from core.turn import Deps, TurnContext
from graph.build import TurnGraph
from graph.notices import handover_notice
from nodes.boundary import stop_at_boundary
from nodes.failures import as_escalation
from nodes.state import Draft, HandOver, TurnState, Verdict

UNDELIVERED = "delivery.failed"


class NotWaiting(SupportError):
    """The turn does not wait for a person, so there is nothing to resume."""


async def run_turn(graph: TurnGraph, deps: Deps, brief: TurnBrief, *, failure: Escalation | None = None) -> TurnResult:
    """Run a fresh turn to its end or to its interrupt, and finish it. `failure` sends it straight to a person.

    A turn whose worker died left no trace but its row, so running it again starts clean.
    """
    async with _accounted(deps, brief) as meter:
        turn = TurnContext(deps, brief)
        try:
            state = await _invoke(graph, turn, failure=failure)
        except BudgetSpent as spent:
            state = await _invoke(graph, turn, failure=as_escalation(spent))
        result = replace(_result_of(turn, state), calls=tuple(meter.calls))
        try:
            await deps.desk.finish_turn(brief, result)
        except LoopSuspected as suspicion:
            state = await _hand_over_instead(graph, turn, state, _loop(suspicion.detail))
            # Without a notice: whoever answers that fast would answer it too.
            result = replace(_result_of(turn, state), reply=None, calls=tuple(meter.calls))
            await deps.desk.finish_turn(brief, result)
    return result


@asynccontextmanager
async def _accounted(deps: Deps, brief: TurnBrief) -> AsyncIterator[Meter]:
    """Counts what models use. What a turn cost is kept where it fails, too: the money is spent."""
    with metered(Meter(deps.budget, Spent(brief.tokens_today, brief.usd_micros_today))) as meter:
        try:
            yield meter
        except BaseException:
            with suppress(DatabaseUnavailable):
                await deps.desk.keep_calls(brief, meter.calls)
            raise


async def _invoke(graph: TurnGraph, turn: TurnContext, *, failure: Escalation | None = None) -> dict[str, Any]:
    """The graph, and at its end the send boundary: what it stops goes to a person."""
    entry: TurnState = {"turn_id": str(turn.brief.turn_id)}
    if failure is not None:
        entry["hand_over"] = _as_hand_over(failure)
    state = await graph.ainvoke(entry, _config(turn.brief), context=turn, durability="exit")
    stopped = _stopped_at_boundary(turn, state)
    if stopped is not None:
        state = await _hand_over_instead(graph, turn, state, stopped)
    return state


async def _hand_over_instead(
    graph: TurnGraph, turn: TurnContext, state: dict[str, Any], hand_over: HandOver
) -> dict[str, Any]:
    """The draft is held, and a person decides."""
    entry: TurnState = {"turn_id": str(turn.brief.turn_id), "draft": state["draft"], "hand_over": hand_over}
    return await graph.ainvoke(entry, _config(turn.brief), context=turn, durability="exit")


async def resume_turn(graph: TurnGraph, deps: Deps, brief: TurnBrief, decision: ReviewDecision) -> TurnResult:
    """Carry out a person's decision on an interrupted turn."""
    config = _config(brief)
    turn = TurnContext(deps, brief)
    snapshot = await graph.aget_state(config)
    # `next` alone would call a half-finished run finished; the pending tasks tell the truth.
    if not any(task.interrupts for task in snapshot.tasks):
        raise NotWaiting(turn_id=brief.turn_id)
    verdict: Verdict = {
        "review_id": str(decision.review_id),
        "decision": decision.decision,
        "reviewer": decision.reviewer,
        "text": decision.text,
        "note": decision.note,
    }
    state = await graph.ainvoke(Command(resume=verdict), config, context=turn, durability="exit")
    result = _decided(turn, state, decision)
    await deps.desk.finish_turn(brief, result)
    return result


def _config(brief: TurnBrief) -> RunnableConfig:
    """One turn, one thread: new input can never throw a pending interrupt away. `resuming` says that a checkpoint exists."""
    return {"configurable": {"thread_id": str(brief.turn_id), "resuming": brief.resuming}, "recursion_limit": 25}


def _result_of(turn: TurnContext, state: dict[str, Any]) -> TurnResult:
    interrupts: Sequence[Any] = state.get("__interrupt__", ())
    if interrupts:
        return _handed_over(turn, state, interrupts[0].value)
    if state.get("silent"):
        return TurnResult(outcome="silent", reason=state["silent"], **_judgements(turn, state))
    reply = _reply(turn, state["draft"])
    label = state.get("intent", {}).get("label", "answered")
    return TurnResult(
        outcome="answered",
        reason=label,
        reply=reply,
        sources=turn.work.sources,
        proof=turn.work.proof,
        **_judgements(turn, state),
    )


def _as_hand_over(escalation: Escalation) -> HandOver:
    return {
        "reason": escalation.reason,
        "rule": escalation.rule,
        "evidence": escalation.evidence,
        "counterfactual": escalation.counterfactual,
        "summary": escalation.summary,
    }


def _loop(evidence: str) -> HandOver:
    """Over the cap (docs/adr/0013): the draft goes to a person, who sees whether a machine is writing."""
    return {
        "reason": "policy_violation",
        "rule": "loop_cap",
        "evidence": evidence,
        "counterfactual": "The reply would have been sent.",
        "summary": "Too many replies in too short a time: a machine may be answering the assistant.",
    }


def _stopped_at_boundary(turn: TurnContext, state: dict[str, Any]) -> HandOver | None:
    """The send boundary (law 10): deterministic, on the final text, whatever the nodes before it believed."""
    draft: Draft | None = state.get("draft")
    return None if draft is None or state.get("__interrupt__") else stop_at_boundary(turn, draft)


def _handed_over(turn: TurnContext, state: dict[str, Any], hand_over: HandOver) -> TurnResult:
    draft: Draft | None = state.get("draft")
    escalation = Escalation(
        reason=hand_over["reason"],  # pyright: ignore[reportArgumentType]
        rule=hand_over["rule"],
        evidence=hand_over["evidence"],
        counterfactual=hand_over["counterfactual"],
        summary=hand_over["summary"],
    )
    return TurnResult(
        outcome="handed_over",
        reason=hand_over["reason"],
        # The channel has just refused a message to this customer: a notice would meet the same refusal.
        reply=None if hand_over["rule"] == UNDELIVERED else handover_notice(turn, hand_over["reason"]),
        escalation=escalation,
        held_draft=draft["text"] if draft else turn.work.held_draft,
        **_judgements(turn, state),
    )


def _decided(turn: TurnContext, state: dict[str, Any], decision: ReviewDecision) -> TurnResult:
    reason = state["hand_over"]["reason"]
    reply = None
    if decision.decision == "approve":
        draft: Draft | None = state.get("draft")
        reply = _reply(turn, draft) if draft else None
    elif decision.decision in ("edit", "respond"):
        reply = turn.deps.formatter.format(
            turn.brief.channel,
            [ReplySentence(decision.text or "")],
            customer_name=turn.brief.customer_name,
            subject=turn.brief.subject,
            ticket_id=turn.brief.ticket_id,
            first_reply=turn.brief.first_reply,
        )
    if decision.decision != "reject" and reply is None:
        raise NotWaiting("There is no draft to approve", turn_id=turn.brief.turn_id)
    return TurnResult(
        outcome="handed_over",
        reason=reason,
        reply=reply,
        reply_author="human",
        decision=decision,
        **_judgements(turn, state),
    )


def _reply(turn: TurnContext, draft: Draft) -> FormattedReply:
    return FormattedReply(
        channel=turn.brief.channel, text=draft["text"], parts=tuple(draft["parts"]), subject=draft["subject"]
    )


def _judgements(turn: TurnContext, state: dict[str, Any]) -> dict[str, Any]:
    """What the nodes found, kept with the turn: for metrics, for replay and for whoever asks why."""
    kept = {key: value for key, value in state.items() if key in TurnState.__annotations__}
    return {
        "intent": state.get("intent", {}).get("label"),
        "sentiment": state.get("sentiment", {}).get("score"),
        "state": {
            **kept,
            "queries": [r.query for r in turn.work.searches.values()],
            "refused_sentences": [
                {"sentence": v.sentence, "rule": v.rule, "evidence": v.evidence} for v in turn.work.refused
            ],
            "mind": turn.deps.mind.name,
            "policy": turn.deps.policy.version_hash,
        },
        "node_ms": {node: round(ms, 3) for node, ms in turn.work.node_ms.items()},
    }
