"""`fte doctor` tells the truth about the provider, and spends nothing unless it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cli.provider import check_provider
from core.errors import ConfigurationError
from core.settings import Settings
from simulation.openai import OpenAiFake
from simulation.serve import serve

pytestmark = pytest.mark.real


class Rig:
    def __init__(self, fake: OpenAiFake, base_url: str) -> None:
        self.fake = fake
        self.base_url = base_url

    async def check(self, *, probe: bool = False, **settings: Any) -> str:
        values = {"openai_api_key": "sk-fake", "openai_base_url": f"{self.base_url}/v1", "model_retries": 0} | settings
        return await check_provider(Settings(_env_file=None, **values), probe=probe)  # pyright: ignore[reportCallIssue]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    fake = OpenAiFake()
    async with serve(fake.app()) as base_url:
        yield Rig(fake, base_url)


async def test_without_a_key_it_says_that_nothing_leaves_the_machine(rig: Rig) -> None:
    assert "offline mind" in await rig.check(openai_api_key=None)
    assert rig.fake.received == []


async def test_it_asks_which_models_the_key_may_use_and_calls_none(rig: Rig) -> None:
    said = await rig.check()
    assert "offers gpt-5, gpt-5-mini" in said
    assert rig.fake.received == []


async def test_a_model_that_the_key_may_not_use_is_named_with_those_it_may(rig: Rig) -> None:
    with pytest.raises(ConfigurationError, match=r"no gpt-9 for this key; it has gpt-5, gpt-5-mini"):
        await rig.check(models={"triage": {"model": "gpt-9"}})


async def test_a_wrong_key_is_said_to_be_one_and_not_shown(rig: Rig) -> None:
    with pytest.raises(ConfigurationError, match="key is refused") as raised:
        await rig.check(openai_api_key="sk-wrong")
    assert "sk-wrong" not in str(raised.value)


async def test_an_address_where_nobody_answers_is_said_to_be_one(rig: Rig) -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL"):
        await rig.check(openai_base_url="http://127.0.0.1:9/v1")


async def test_a_provider_without_a_list_of_models_is_no_fault(rig: Rig) -> None:
    rig.fake.faults.add("/v1/models", "error", status=404, times=1)
    assert "keeps no list of models" in await rig.check()


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
async def test_a_probe_calls_both_models_and_says_what_it_cost(rig: Rig, api: str) -> None:
    said = await rig.check(probe=True, openai_api=api)
    assert "answered 2 calls for" in said
    assert {received.ask.model for received in rig.fake.received} == {"gpt-5", "gpt-5-mini"}


async def test_a_judgement_that_the_offline_mind_had_to_make_fails_the_probe(rig: Rig) -> None:
    rig.fake.faults.add("*responses", "refusal", times=1)
    with pytest.raises(ConfigurationError, match="gpt-5-mini: refusal"):
        await rig.check(probe=True)
