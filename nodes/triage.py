"""Triage: what does the customer want, and is there anything to answer at all?"""

from __future__ import annotations

import re
from typing import TypedDict

from langgraph.runtime import Runtime

from core.turn import TurnContext
from nodes.prompts import render_prompt
from nodes.state import Intent

# Stop words of the carriers, honoured only as the whole message: "please stop the sync job" is a question.
_OPT_OUT = re.compile(r"\s*(stop|stopall|unsubscribe|cancel|end|quit|stop all)\s*[.!]*\s*", re.IGNORECASE)
_WORD = re.compile(r"\w")
_THANKS_CONFIDENCE = 0.5
_THANKS_MAX_WORDS = 25


class TriageInput(TypedDict):
    turn_id: str


class TriageUpdate(TypedDict):
    intent: Intent
    silent: str | None


async def triage(state: TriageInput, runtime: Runtime[TurnContext]) -> TriageUpdate:
    """Name the intent; `silent` carries the reason when nothing should be said."""
    turn = runtime.context
    with turn.timed("triage"):
        text = turn.brief.text
        if not _WORD.search(text):
            return {"intent": {"label": "none", "confidence": 1.0}, "silent": "empty" if not text.strip() else "thanks"}
        if turn.brief.channel == "whatsapp" and _OPT_OUT.fullmatch(text):
            return {"intent": {"label": "opt_out", "confidence": 1.0}, "silent": "opt_out"}
        instructions = render_prompt("triage", turn.deps.profile)
        found = await turn.deps.mind.classify(text, turn.deps.intents, instructions=instructions)
        return {
            "intent": {"label": found.label, "confidence": round(found.confidence, 3)},
            "silent": _silence(text, found.label, found.confidence),
        }


def _silence(text: str, label: str, confidence: float) -> str | None:
    """A mere "thanks" needs no answer; a question after the thanks does."""
    if (
        label == "thanks_closing"
        and confidence >= _THANKS_CONFIDENCE
        and "?" not in text
        and len(text.split()) <= _THANKS_MAX_WORDS
    ):
        return "thanks"
    return None
