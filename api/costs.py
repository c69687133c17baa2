"""What language models cost, as the API tells it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CostView(BaseModel):
    """Tokens and micro-dollars. What nobody can price is counted apart, never as 0."""

    model_config = ConfigDict(from_attributes=True)

    model_calls: int = Field(description="Requests to language models, failed ones included")
    input_tokens: int
    cached_tokens: int = Field(description="Of the input tokens, those read from the provider's prompt cache")
    output_tokens: int
    reasoning_tokens: int = Field(description="Of the output tokens, those of thinking")
    cost_usd_micros: int | None = Field(description="What is known of the cost; null when no call has a known price")
    unpriced_calls: int = Field(description="Calls whose cost nobody knows; they come on top")
