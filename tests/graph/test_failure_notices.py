"""What a customer hears when our side failed or may spend no more: in the words of the company, in the manner of the channel."""

from __future__ import annotations

import pytest

from core.errors import BudgetSpent, ModelError
from core.vocabulary import CHANNELS, Channel
from graph.notices import handover_notice
from nodes.failures import as_escalation
from tests.nodes.fakes import make_turn

FAILURES = (
    ModelError("no", node="responder", cause="timeout", attempts=3),
    BudgetSpent(rule="budget.turn", evidence="200001 of 200000 tokens"),
)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("error", FAILURES)
def test_a_failure_of_ours_is_told_in_the_manner_of_the_channel(
    error: ModelError | BudgetSpent, channel: Channel
) -> None:
    turn = make_turn(channel=channel, customer_name="Ada")
    notice = handover_notice(turn, as_escalation(error).reason)
    assert "sorry for the wait" in notice.text
    for word in ("model", "token", "budget", "time-out", "timeout", "200000"):
        assert word not in notice.text.lower()
    greeting = {"email": "Dear Ada", "whatsapp": "Hi Ada!", "web_form": "Hello Ada"}[channel]
    assert notice.text.startswith(greeting)
    if channel == "whatsapp":
        assert len(notice.text) <= 300
        assert len(notice.parts) == 1


def test_a_review_says_what_failed_and_how_often_it_was_tried() -> None:
    model, budget = (as_escalation(error) for error in FAILURES)
    assert (model.reason, model.rule, model.evidence) == (
        "system_error",
        "model.timeout",
        "3 attempts, the last one failed",
    )
    assert (budget.reason, budget.rule, budget.evidence) == (
        "system_error",
        "budget.turn",
        "200001 of 200000 tokens",
    )
