"""How each node uses its model: defaults, and what a setting changes."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from core.errors import ConfigurationError
from core.model_use import ModelUse, Node
from core.settings import PROJECT_ROOT, Settings, load_settings


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)  # pyright: ignore[reportCallIssue]


def test_a_small_model_judges_coldly_and_a_larger_one_writes() -> None:
    chosen = settings(model_judge="small", model_reply="large")
    uses = {node: chosen.model_use(node) for node in get_args(Node)}
    assert {node for node, use in uses.items() if use.model == "large"} == {"responder"}
    assert {node: use.temperature for node, use in uses.items() if use.temperature is not None} == dict.fromkeys(
        set(get_args(Node)) - {"responder"}, 0
    )


def test_what_a_node_leaves_out_it_has_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTE_MODEL_TIMEOUT_S", "7")
    monkeypatch.setenv("FTE_MODELS__TRIAGE__MODEL", "tiny")
    monkeypatch.setenv("FTE_MODELS", '{"responder": {"temperature": 0.7, "max_tokens": 900}}')
    chosen = settings()
    assert chosen.model_use("triage") == ModelUse(model="tiny", temperature=0, timeout_s=7, retries=2, max_tokens=4000)
    reply = chosen.model_use("responder")
    assert (reply.model, reply.temperature, reply.timeout_s, reply.max_tokens) == ("gpt-5", 0.7, 7, 900)


@pytest.mark.parametrize(
    ("name", "said"),
    [("FTE_MODELS__TRIAG__MODEL", "'triage', 'sentiment'"), ("FTE_MODELS__TRIAGE__MODLE", "triage.modle")],
)
def test_a_misspelt_node_or_property_is_refused_and_named(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError, match=said):
        load_settings()


def test_the_configuration_page_names_every_node_and_property() -> None:
    page = (PROJECT_ROOT / "docs" / "operate" / "configuration.md").read_text()
    for word in (*get_args(Node), *ModelUse.model_fields):
        assert f"`{word}`" in page, word
