"""What a model call costs. List prices of https://openai.com/api/pricing; a model that is not listed costs an unknown amount."""

from __future__ import annotations

import re

# Micro-dollars for a million tokens: input, input from the provider's prompt cache, output (reasoning included).
PRICES: dict[str, tuple[int, int, int]] = {
    "gpt-5": (1_250_000, 125_000, 10_000_000),
    "gpt-5-mini": (250_000, 25_000, 2_000_000),
    "gpt-5-nano": (50_000, 5_000, 400_000),
    "gpt-4.1": (2_000_000, 500_000, 8_000_000),
    "gpt-4.1-mini": (400_000, 100_000, 1_600_000),
    "gpt-4.1-nano": (100_000, 25_000, 400_000),
    "gpt-4o": (2_500_000, 1_250_000, 10_000_000),
    "gpt-4o-mini": (150_000, 75_000, 600_000),
}
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def cost_usd_micros(model: str, input_tokens: int, cached_tokens: int, output_tokens: int) -> int | None:
    """Micro-dollars, rounded up; `cached_tokens` are part of `input_tokens`. None for a model without a known price."""
    price = PRICES.get(_SNAPSHOT.sub("", model))
    if price is None:
        return None
    fresh, cached, output = price
    total = (input_tokens - cached_tokens) * fresh + cached_tokens * cached + output_tokens * output
    return -(-total // 1_000_000)
