"""The online mind: any provider that speaks OpenAI's Responses or Chat Completions API."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import openai
import structlog
from agents import ModelResponse, ModelSettings, set_tracing_disabled
from agents.models.interface import Model
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from langchain_openai import ChatOpenAI
from prometheus_client import Counter

from core.errors import ConfigurationError, ModelError
from core.models import Classification, Label, Rating
from core.ports import Mind
from core.settings import Settings
from llm.openai_agent import PatientModel
from llm.openai_answers import (
    Answer,
    QueryAnswer,
    SentimentAnswer,
    label_answer,
    label_instructions,
    mark_customer_text,
    other_words,
)
from llm.openai_calls import Patience
from llm.openai_judge import Judge
from llm.openai_usage import ModelUsage, record_usage
from llm.pricing import cost_usd_micros

log = structlog.get_logger()
mind_fell_back = Counter("support_mind_fell_back", "Judgements that the offline mind made for the online one", ["node"])

A = TypeVar("A", bound=Answer)
OPENAI = "https://api.openai.com/v1"
# These think before they answer: they take an effort and refuse a temperature.
_REASONS = re.compile(r"o\d|gpt-([5-9]|\d\d)(?!.*chat)")
_MAX_CUES = 5


class OpenAiMind:
    """`core.ports.Mind` over the wire. A judgement that fails is made by `offline`; the responder's failure is a ModelError.

    The Responses API is told to keep nothing (`store=false`; Chat Completions keep nothing of themselves), and no trace
    leaves the machine.
    """

    def __init__(
        self,
        settings: Settings,
        offline: Mind,
        *,
        on_usage: Callable[[ModelUsage], None] = record_usage,
        pause_s: float = 0.5,
    ) -> None:
        if settings.openai_api_key is None:
            raise ConfigurationError(
                "The online mind needs a key: set OPENAI_API_KEY, or leave it empty to stay offline"
            )
        _disable_tracing()
        self._settings = settings
        self._offline = offline
        self._on_usage = on_usage
        self._patience = Patience(settings.model_timeout_s, settings.model_retries, pause_s)
        self._client = openai.AsyncOpenAI(
            api_key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url or OPENAI,
            max_retries=0,
            timeout=None,
        )
        self._judgements = Judge(_chat_model(settings, self._client), self._patience, self._record_judgement)
        self._agent_model = PatientModel(
            _agent_model(settings, self._client),
            self._patience,
            defaults=_reply_settings(settings),
            on_answer=self._record_reply,
        )

    @property
    def name(self) -> str:
        return f"openai:{self._settings.model_judge}+{self._settings.model_reply}"

    def speaks(self, text: str) -> bool:
        """Any language: large models write what they read."""
        return True

    async def classify(self, text: str, labels: Sequence[Label], *, instructions: str) -> Classification:
        shape, system = label_answer(tuple(labels)), label_instructions(instructions, tuple(labels))
        answer = await self._judge("triage", shape, system, mark_customer_text(text))
        if answer is None:
            return await self._offline.classify(text, labels, instructions=instructions)
        return Classification(answer.label, answer.confidence, runner_up=answer.runner_up)

    async def rate_sentiment(self, text: str, *, instructions: str) -> Rating:
        answer = await self._judge("sentiment", SentimentAnswer, instructions, mark_customer_text(text))
        if answer is None:
            return await self._offline.rate_sentiment(text, instructions=instructions)
        return Rating(answer.score, tuple(cue[:100] for cue in answer.cues[:_MAX_CUES]))

    async def rewrite_query(self, question: str, *, tried: Sequence[str], instructions: str) -> str:
        answer = await self._judge("retrieval", QueryAnswer, instructions, other_words(question, tried))
        if answer is None:
            return await self._offline.rewrite_query(question, tried=tried, instructions=instructions)
        return " ".join(answer.query.split())[:300]

    def agent_model(self) -> Model:
        return self._agent_model

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._client.close()

    async def _judge(self, node: str, shape: type[A], instructions: str, text: str) -> A | None:
        """An answer of that shape, or None where the offline mind has to make the judgement."""
        try:
            return await self._judgements.ask(node, shape, instructions, text)
        except ModelError as error:
            mind_fell_back.labels(node).inc()
            log.warning("mind.fell_back", node=node, cause=error.ids["cause"], attempts=error.ids["attempts"])
            return None

    def _record_judgement(self, node: str, used: Any) -> None:
        cached = used.get("input_token_details", {}).get("cache_read", 0)
        tokens = used.get("input_tokens", 0), cached, used.get("output_tokens", 0)
        self._record(node, self._settings.model_judge, *tokens)

    def _record_reply(self, response: ModelResponse) -> None:
        used = response.usage
        cached = used.input_tokens_details.cached_tokens or 0
        self._record("responder", self._settings.model_reply, used.input_tokens, cached, used.output_tokens)

    def _record(self, node: str, model: str, read: int, cached: int, written: int) -> None:
        self._on_usage(ModelUsage(node, model, read, cached, written, cost_usd_micros(model, read, cached, written)))


def _disable_tracing() -> None:
    """The Agents SDK sends every run to its maker's trace collector unless it is told not to, here and in child processes."""
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    set_tracing_disabled(True)


def _chat_model(settings: Settings, client: openai.AsyncOpenAI) -> ChatOpenAI:
    reasons = _REASONS.match(settings.model_judge) is not None
    responses = settings.openai_api == "responses"
    return ChatOpenAI(
        model=settings.model_judge,
        api_key=settings.openai_api_key,
        base_url=settings.openai_base_url or OPENAI,
        async_client=client.chat.completions,
        root_async_client=client,
        max_retries=0,
        use_responses_api=responses,
        store=False if responses else None,
        temperature=None if reasons else 0,
        reasoning_effort="low" if reasons else None,
    )


def _agent_model(settings: Settings, client: openai.AsyncOpenAI) -> Model:
    if settings.openai_api == "responses":
        return OpenAIResponsesModel(settings.model_reply, openai_client=client)
    return OpenAIChatCompletionsModel(settings.model_reply, openai_client=client)


def _reply_settings(settings: Settings) -> ModelSettings:
    """What the provider does not store it must be handed back: reasoning goes along, encrypted."""
    if settings.openai_api != "responses":
        return ModelSettings()
    reasons = _REASONS.match(settings.model_reply) is not None
    return ModelSettings(store=False, response_include=["reasoning.encrypted_content"] if reasons else None)
