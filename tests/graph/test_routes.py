"""Where a turn goes next."""

from __future__ import annotations

import pytest

from graph.routes import after_guardrail, after_responder, after_start
from nodes.state import Draft, HandOver, TurnState

WHY: HandOver = {"reason": "legal", "rule": "r", "evidence": "e", "counterfactual": "c", "summary": ""}
DRAFT: Draft = {"text": "Hello", "parts": ["Hello"], "subject": None}


async def test_a_fresh_turn_is_judged_and_looked_up_side_by_side() -> None:
    assert await after_start({"turn_id": "t"}) == ["triage", "sentiment", "retrieval"]


async def test_a_turn_that_failed_on_our_side_goes_straight_to_a_person() -> None:
    assert await after_start({"turn_id": "t", "hand_over": WHY}) == ["escalation"]


@pytest.mark.parametrize(
    ("state", "goes_to"),
    [
        ({}, "responder"),
        ({"hand_over": None, "silent": None, "draft": None}, "responder"),
        ({"hand_over": WHY}, "escalation"),
        ({"hand_over": WHY, "silent": "thanks"}, "escalation"),
        ({"hand_over": WHY, "draft": DRAFT}, "escalation"),
        ({"silent": "thanks"}, "__end__"),
        ({"draft": DRAFT}, "__end__"),
    ],
)
async def test_after_the_guardrail_a_person_goes_first_then_silence_or_the_checked_draft(
    state: TurnState, goes_to: str
) -> None:
    assert await after_guardrail(state) == goes_to


async def test_a_draft_is_checked_before_it_may_leave() -> None:
    assert await after_responder({"draft": DRAFT}) == "guardrail"


@pytest.mark.parametrize("state", [{}, {"draft": None}, {"draft": None, "hand_over": WHY}])
async def test_a_responder_without_a_draft_leads_to_a_person(state: TurnState) -> None:
    assert await after_responder(state) == "escalation"
