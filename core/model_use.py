"""How each node uses its language model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# The nodes that ask a model; retrieval asks for other words for a question, grounding whether sources
# say what a reply says.
Node = Literal["triage", "sentiment", "retrieval", "guardrail", "grounding", "responder", "escalation"]
# What is particular to a node. The summary for a person holds up the customer's notice, so it gets one short try.
PARTICULAR: dict[Node, dict[str, Any]] = {
    "responder": {"temperature": None, "max_tokens": 16_000},
    "escalation": {"timeout_s": 15, "retries": 0},
}


class ModelUse(BaseModel):
    """`temperature` is sent only to models that take one; None leaves it to the provider. `max_tokens` caps one answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("", min_length=1)
    temperature: float | None = Field(None, ge=0, le=2)
    timeout_s: float = Field(30, gt=0)
    retries: int = Field(2, ge=0, le=5)
    max_tokens: int = Field(default=4_000, ge=16)
