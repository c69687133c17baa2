"""What a person is told when the models failed, or may cost no more."""

from __future__ import annotations

from core.errors import BudgetSpent, ModelError
from core.models import Escalation


def as_escalation(error: ModelError | BudgetSpent) -> Escalation:
    """`rule` names the cause: `model.timeout`, `budget.turn`."""
    if isinstance(error, BudgetSpent):
        return Escalation(
            reason="system_error",
            rule=error.ids["rule"],
            evidence=error.ids["evidence"],
            counterfactual="The assistant would have gone on, at further cost.",
            summary="The budget for language models is spent.",
        )
    return Escalation(
        reason="system_error",
        rule=f"model.{error.ids.get('cause', 'unusable')}",
        evidence=f"{error.ids.get('attempts', 1)} attempts, the last one failed",
        counterfactual="The assistant would have answered, had the language model done so.",
        summary="The language model failed; the customer has had no answer.",
    )
