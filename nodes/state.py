"""The typed state that the nodes share: ids, small decisions and the draft. JSON values only; history lives in the CRM."""

from __future__ import annotations

from typing_extensions import TypedDict


class Intent(TypedDict):
    label: str
    confidence: float


class Sentiment(TypedDict):
    score: float
    cues: list[str]


class Found(TypedDict):
    """What retrieval found: ids of passages, best first, and how good the best one is."""

    query: str
    passages: list[str]
    best_score: float


class HandOver(TypedDict):
    reason: str
    rule: str
    evidence: str
    counterfactual: str
    summary: str


class Draft(TypedDict):
    """The final text in the manner of the channel."""

    text: str
    parts: list[str]
    subject: str | None


class Verdict(TypedDict):
    """What a person decided."""

    review_id: str
    decision: str
    reviewer: str
    text: str | None
    note: str | None


class TurnState(TypedDict, total=False):
    turn_id: str
    intent: Intent
    silent: str | None
    foreign: bool
    sentiment: Sentiment
    found: Found
    hand_over: HandOver | None
    draft: Draft | None
    verdict: Verdict
