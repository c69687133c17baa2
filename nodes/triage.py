"""Triage: what does the customer want, and is there anything to answer at all?"""

from __future__ import annotations

import re

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from core.consent import consent_word
from core.turn import TurnContext
from nodes.prompts import render_prompt
from nodes.state import Intent

_WORD = re.compile(r"\w")
_THANKS_CONFIDENCE = 0.5
_THANKS_MAX_WORDS = 25


class TriageInput(TypedDict):
    turn_id: str


class TriageUpdate(TypedDict):
    intent: Intent
    silent: str | None
    foreign: bool


async def triage(state: TriageInput, runtime: Runtime[TurnContext]) -> TriageUpdate:
    """Name the intent; `silent` carries the reason when nothing should be said, `foreign` is a language we cannot write."""
    turn = runtime.context
    with turn.timed("triage"):
        text = turn.brief.text
        if not _WORD.search(text):
            return _settled("none", silent="thanks" if text.strip() else "empty")
        if turn.brief.channel == "whatsapp" and consent_word(text) == "stop":
            return _settled("opt_out", silent="opt_out")
        if not turn.deps.mind.speaks(text):
            return {"intent": {"label": "none", "confidence": 0.0}, "silent": None, "foreign": True}
        instructions = render_prompt("triage", turn.deps.profile)
        found = await turn.deps.mind.classify(text, turn.deps.intents, instructions=instructions)
        intent: Intent = {"label": found.label, "confidence": round(found.confidence, 3)}
        return {"intent": intent, "silent": _silence(text, found.label, found.confidence), "foreign": False}


def _settled(label: str, *, silent: str) -> TriageUpdate:
    return {"intent": {"label": label, "confidence": 1.0}, "silent": silent, "foreign": False}


def _silence(text: str, label: str, confidence: float) -> str | None:
    """A mere "thanks" needs no answer; a question after the thanks does."""
    short = "?" not in text and len(text.split()) <= _THANKS_MAX_WORDS
    return "thanks" if label == "thanks_closing" and confidence >= _THANKS_CONFIDENCE and short else None
