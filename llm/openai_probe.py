"""What a provider says of itself: which models a key may use, and whether they answer."""

from __future__ import annotations

import asyncio

import openai
from agents import ModelSettings, ModelTracing

from core.errors import ConfigurationError, ModelError
from core.settings import Settings
from core.spending import Meter, ModelCall, metered
from llm.offline import OfflineMind
from llm.openai import OPENAI, OpenAiMind
from llm.openai_failures import FAILURES, read_failure

_TIMEOUT_S = 10
_CAUSES = {
    "key_refused": "the key is refused: check OPENAI_API_KEY",
    "unreachable": "no connection: check OPENAI_BASE_URL and the network",
    "timeout": f"no answer within {_TIMEOUT_S} s",
}


async def list_models(settings: Settings) -> list[str] | None:
    """The names of the models that the key may use; None where a provider keeps no list. Costs nothing."""
    assert settings.openai_api_key is not None
    client = openai.AsyncOpenAI(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url or OPENAI,
        max_retries=0,
    )
    try:
        async with client, asyncio.timeout(_TIMEOUT_S):
            return sorted([model.id async for model in client.models.list()])
    except openai.NotFoundError:
        return None
    except FAILURES as error:
        cause = read_failure(error).cause
        raise ConfigurationError(f"The provider: {_CAUSES.get(cause, cause)}") from error


async def try_models(settings: Settings, offline: OfflineMind) -> list[ModelCall]:
    """One judgement and one step of the responder's model, which costs a fraction of a cent."""
    mind = OpenAiMind(settings, offline)
    with metered(Meter()) as meter:
        try:
            await mind.rate_sentiment("It works.", instructions="Rate how the customer feels, from 0 to 1.")
            await mind.agent_model().get_response(
                "Answer with one word.", "Are you there?", ModelSettings(), [], None, [], ModelTracing.DISABLED,
                previous_response_id=None, conversation_id=None, prompt=None,
            )  # fmt: skip
        except ModelError as error:
            raise ConfigurationError(f"The provider: {error.detail}") from error
        finally:
            await mind.aclose()
    return meter.calls
