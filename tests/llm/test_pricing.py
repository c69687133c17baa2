"""Prices are data with a source and a date; what nobody knows is unknown."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from core.errors import ConfigurationError
from core.settings import Settings
from llm.pricing import Tokens, load_prices

FILE = Settings(_env_file=None).prices_file  # pyright: ignore[reportCallIssue]


def test_every_price_has_a_source_and_the_day_it_was_read() -> None:
    for group in yaml.safe_load(FILE.read_text()):
        assert group["source"].startswith("https://")
        assert isinstance(group["read"], date)
        assert all(fresh >= cached for fresh, cached, _ in group["models"].values())


def test_the_default_models_have_a_price() -> None:
    chosen = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    prices = load_prices(FILE)
    for model in (chosen.model_judge, chosen.model_reply):
        assert prices.cost_usd_micros(model, Tokens(1_000, 0, 10)) is not None


def test_cached_input_is_cheaper_and_fractions_are_rounded_up(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("[{models: {m: [2, 0.5, 10]}}]")
    prices = load_prices(tmp_path / "prices.yaml")
    assert prices.cost_usd_micros("m", Tokens(1_000, 0, 100)) == 3_000
    assert prices.cost_usd_micros("m", Tokens(1_000, 800, 100)) == 400 + 400 + 1_000
    assert prices.cost_usd_micros("m", Tokens(1, 1, 0)) == 1
    assert prices.cost_usd_micros("m-2026-01-31", Tokens(1_000, 0, 0)) == 2_000


def test_a_model_that_is_not_listed_costs_an_unknown_amount() -> None:
    assert load_prices(FILE).cost_usd_micros("my-own-model", Tokens(1_000, 0, 10)) is None


@pytest.mark.parametrize(
    "text", ["", "[{models: {m: [1, 2]}}]", "[{models: {m: [1, 2, free]}}]", "[{models: {m: [-1, 0, 1]}}]"]
)
def test_a_list_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"prices\.yaml"):
        load_prices(tmp_path / "prices.yaml")
