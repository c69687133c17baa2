"""Sentiment: how does the customer feel? Below 0.3 a person takes over; mild frustration is met with empathy."""

from __future__ import annotations

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from core.turn import TurnContext
from nodes.prompts import render_prompt
from nodes.state import Sentiment


class SentimentInput(TypedDict):
    turn_id: str


class SentimentUpdate(TypedDict):
    sentiment: Sentiment


async def sentiment(state: SentimentInput, runtime: Runtime[TurnContext]) -> SentimentUpdate:
    """A score from 0 (furious) to 1 (delighted) and the words that moved it."""
    turn = runtime.context
    with turn.timed("sentiment"):
        if not turn.brief.text.strip():
            return {"sentiment": {"score": 0.5, "cues": []}}
        rating = await turn.deps.mind.rate_sentiment(
            turn.brief.text, instructions=render_prompt("sentiment", turn.deps.profile)
        )
        return {"sentiment": {"score": round(rating.score, 3), "cues": list(rating.cues)}}
