"""Responder: one agent run a turn. The agent reads and writes through the five tools and in no other way."""

from __future__ import annotations

from typing import Any

from agents import Agent, MaxTurnsExceeded, ModelSettings, RunConfig, RunContextWrapper, Runner
from agents.agent import ToolsToFinalOutputResult
from agents.tool import FunctionToolResult
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from core.errors import BudgetSpent, ModelError
from core.marking import mark
from core.models import Escalation
from core.turn import TurnContext
from nodes.failures import as_escalation
from nodes.prompts import render_prompt
from nodes.state import Draft, Found, HandOver, Intent, Sentiment
from tools.toolbox import TOOLS

MAX_STEPS = 12
_STYLE = {
    "email": "formal, complete, at most 350 words",
    "whatsapp": "conversational and short, at most 250 characters",
    "web_form": "semi-formal, at most 220 words",
}


class ResponderInput(TypedDict, total=False):
    intent: Intent
    sentiment: Sentiment
    found: Found


class ResponderUpdate(TypedDict):
    draft: Draft | None
    hand_over: HandOver | None


async def responder(state: ResponderInput, runtime: Runtime[TurnContext]) -> ResponderUpdate:
    """Run the agent; it ends with a staged reply or with a hand-over, never with neither."""
    turn = runtime.context
    with turn.timed("responder"):
        agent = Agent[TurnContext](
            name="responder",
            instructions=render_prompt("responder", turn.deps.profile),
            tools=list(TOOLS),
            model=turn.deps.mind.agent_model(),
            model_settings=ModelSettings(parallel_tool_calls=False, tool_choice="required"),
            tool_use_behavior=_stop_when_settled,
            reset_tool_choice=False,
        )
        config = RunConfig(tracing_disabled=True, trace_include_sensitive_data=False)
        try:
            await Runner.run(agent, _task(turn, state), context=turn, run_config=config, max_turns=MAX_STEPS)
        except MaxTurnsExceeded:
            turn.work.escalation = turn.work.escalation or _undecided(turn)
        except (ModelError, BudgetSpent) as error:
            turn.work.escalation = as_escalation(error)
        return _settle(turn)


def _stop_when_settled(run: RunContextWrapper[Any], _: list[FunctionToolResult]) -> ToolsToFinalOutputResult:
    """A reply staged or a person asked: the run is over. A refused tool call goes back to the model."""
    work = run.context.work
    return ToolsToFinalOutputResult(
        is_final_output=work.reply is not None or work.escalation is not None, final_output="done"
    )


def _task(turn: TurnContext, state: ResponderInput) -> str:
    brief = turn.brief
    intent = state.get("intent", {}).get("label", "unknown")
    feeling = state.get("sentiment", {}).get("score", 0.5)
    return "\n".join(
        [
            f"channel: {brief.channel} ({_STYLE[brief.channel]})",
            f"intent: {intent}",
            f"sentiment: {feeling}",
            f"category: {brief.category}",
            f"priority: {brief.priority}",
            # Customer words, all of it: the question as it was looked up, then the message to the letter.
            mark("suggested_query", state.get("found", {}).get("query", "")),
            mark("customer_message", brief.text),
        ]
    )


def _settle(turn: TurnContext) -> ResponderUpdate:
    work = turn.work
    if work.reply is not None and work.escalation is None:
        return {
            "draft": {"text": work.reply.text, "parts": list(work.reply.parts), "subject": work.reply.subject},
            "hand_over": None,
        }
    escalation = work.escalation or _undecided(turn)
    return {
        "draft": None,
        "hand_over": {
            "reason": escalation.reason,
            "rule": escalation.rule,
            "evidence": escalation.evidence,
            "counterfactual": escalation.counterfactual,
            "summary": escalation.summary,
        },
    }


def _undecided(turn: TurnContext) -> Escalation:
    return Escalation(
        reason="policy_violation" if turn.work.held_draft else "no_answer",
        rule="responder.undecided",
        evidence=turn.work.held_draft or f"{len(turn.work.searches)} searches",
        counterfactual="The customer would have got no answer.",
        summary="The assistant ended without a reply that may be sent.",
    )
