"""What a model call costs, by a list of prices that is data. A model that is not listed costs an unknown amount."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from core.errors import ConfigurationError

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_MILLION = 1_000_000


@dataclass(slots=True)
class Tokens:
    """What an answer says that it used, filled in once it is there. `cached` are part of `read`, `reasoned` of `written`."""

    read: int = 0
    cached: int = 0
    written: int = 0
    reasoned: int = 0


@dataclass(frozen=True, slots=True)
class PriceList:
    """Micro-dollars for a million tokens by model: fresh input, cached input, output."""

    prices: Mapping[str, tuple[int, int, int]]

    def cost_usd_micros(self, model: str, used: Tokens) -> int | None:
        """Rounded up; None for a model without a known price. A dated snapshot costs what its model costs."""
        price = self.prices.get(model) or self.prices.get(_SNAPSHOT.sub("", model))
        if price is None:
            return None
        fresh, cached, output = price
        saved = min(used.cached, used.read) * (fresh - cached)
        total = used.read * fresh - saved + used.written * output
        return -(-total // _MILLION)


def load_prices(path: Path) -> PriceList:
    """Read a file in the form of `llm/data/prices.yaml`. Raises ConfigurationError."""
    try:
        groups = yaml.safe_load(path.read_text(encoding="utf-8"))
        prices = {
            str(model): tuple(round(float(dollars) * _MILLION) for dollars in row)
            for group in groups
            for model, row in group["models"].items()
        }
    except (OSError, yaml.YAMLError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise ConfigurationError(f"The prices in {path} cannot be read: {error}") from error
    wrong = [model for model, row in prices.items() if len(row) != 3 or min(row) < 0]
    if wrong:
        raise ConfigurationError(f"{path}: {', '.join(wrong)} need three prices: input, cached input, output")
    return PriceList(prices)  # pyright: ignore[reportArgumentType]
