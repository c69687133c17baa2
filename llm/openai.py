"""The online mind: any provider that speaks OpenAI's Responses or Chat Completions API."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import openai
import structlog
from agents import ModelResponse, ModelSettings, set_tracing_disabled
from agents.models.interface import Model
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import OpenAIRefusalError
from prometheus_client import Counter

from core.errors import ConfigurationError, ModelError
from core.models import Classification, Label, Rating, Suspicion
from core.policy import Rule
from core.ports import Mind
from core.settings import Settings
from llm.openai_agent import PatientModel
from llm.openai_answers import (
    Answer,
    PolicyAnswer,
    QueryAnswer,
    SentimentAnswer,
    label_answer,
    label_instructions,
    mark_customer_text,
    other_words,
    policy_instructions,
)
from llm.openai_calls import Patience, Unusable
from llm.openai_usage import ModelUsage, record_usage
from llm.pricing import cost_usd_micros

log = structlog.get_logger()
mind_fell_back = Counter("support_mind_fell_back", "Judgements that the offline mind made for the online one", ["call"])

T = TypeVar("T")
A = TypeVar("A", bound=Answer)
OPENAI = "https://api.openai.com/v1"
# These think before they answer: they take an effort and refuse a temperature.
_REASONS = re.compile(r"o\d|gpt-([5-9]|\d\d)(?!.*chat)")
_MAX_CUES = 5
# Below this a model guesses; the patterns and the local verdict have already let the text pass.
_SURE = 0.7


class OpenAiMind:
    """`core.ports.Mind` over the wire. A judgement that fails is made by `fallback`; the responder's failure is a ModelError.

    The Responses API is told to keep nothing (`store=false`; Chat Completions keep nothing of themselves), and no trace
    leaves the machine.
    """

    def __init__(
        self,
        settings: Settings,
        fallback: Mind,
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
        self._fallback = fallback
        self._on_usage = on_usage
        self._patience = Patience(settings.model_timeout_s, settings.model_retries, pause_s)
        self._client = openai.AsyncOpenAI(
            api_key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url or OPENAI,
            max_retries=0,
            timeout=None,
        )
        self._judge = _chat_model(settings, self._client)
        self._agent_model = PatientModel(
            _agent_model(settings, self._client),
            self._patience,
            defaults=_reply_settings(settings),
            on_answer=self._record_reply,
        )
        self._structured: dict[type[Answer], Runnable[Any, Any]] = {}

    @property
    def name(self) -> str:
        return f"openai:{self._settings.model_judge}+{self._settings.model_reply}"

    def speaks(self, text: str) -> bool:
        """Any language: large models write what they read."""
        return True

    async def classify(self, text: str, labels: Sequence[Label], *, instructions: str) -> Classification:
        async def online() -> Classification:
            system = label_instructions(instructions, tuple(labels))
            answer = await self._ask("classify", label_answer(tuple(labels)), system, mark_customer_text(text))
            return Classification(answer.label, answer.confidence, runner_up=answer.runner_up)

        return await self._or_offline(
            "classify", online, lambda: self._fallback.classify(text, labels, instructions=instructions)
        )

    async def rate_sentiment(self, text: str, *, instructions: str) -> Rating:
        async def online() -> Rating:
            answer = await self._ask("rate_sentiment", SentimentAnswer, instructions, mark_customer_text(text))
            return Rating(answer.score, tuple(cue[:100] for cue in answer.cues[:_MAX_CUES]))

        return await self._or_offline(
            "rate_sentiment", online, lambda: self._fallback.rate_sentiment(text, instructions=instructions)
        )

    async def rewrite_query(self, question: str, *, tried: Sequence[str], instructions: str) -> str:
        async def online() -> str:
            answer = await self._ask("rewrite_query", QueryAnswer, instructions, other_words(question, tried))
            return " ".join(answer.query.split())[:300]

        return await self._or_offline(
            "rewrite_query",
            online,
            lambda: self._fallback.rewrite_query(question, tried=tried, instructions=instructions),
        )

    async def judge_policy(
        self, text: str, rules: Sequence[Rule], *, ordinary: Sequence[str], instructions: str
    ) -> Suspicion | None:
        """The local verdict costs nothing and comes first; the model is asked once, about what that let pass."""
        local = await self._fallback.judge_policy(text, rules, ordinary=ordinary, instructions=instructions)
        if local is not None:
            return local

        async def online() -> Suspicion | None:
            system = policy_instructions(instructions, tuple(rules))
            answer = await self._ask("judge_policy", PolicyAnswer, system, mark_customer_text(text))
            sure = answer.confidence >= _SURE and answer.rule in {rule.id for rule in rules}
            return Suspicion(answer.rule or "", answer.words[:300], answer.confidence, "the model") if sure else None

        async def nothing() -> Suspicion | None:
            return None

        return await self._or_offline("judge_policy", online, nothing)

    def agent_model(self) -> Model:
        return self._agent_model

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._client.close()

    async def _ask(self, call: str, schema: type[A], system: str, user: str) -> A:
        """One structured answer of the small model. Raises ModelError."""
        if schema not in self._structured:
            self._structured[schema] = self._judge.with_structured_output(
                schema, method="json_schema", include_raw=True, strict=True
            )
        model, messages = self._structured[schema], [SystemMessage(system.strip()), HumanMessage(user)]

        async def attempt() -> A:
            answer = await model.ainvoke(messages)
            self._record_judgement(call, answer["raw"].usage_metadata or {})
            if answer["parsed"] is None:
                raise Unusable("refusal" if isinstance(answer["parsing_error"], OpenAIRefusalError) else "garbage")
            return answer["parsed"]

        return await self._patience.call(call, attempt)

    async def _or_offline(
        self, call: str, online: Callable[[], Awaitable[T]], offline: Callable[[], Awaitable[T]]
    ) -> T:
        try:
            return await online()
        except ModelError as error:
            mind_fell_back.labels(call).inc()
            log.warning("mind.fell_back", call=call, cause=error.ids["cause"], attempts=error.ids["attempts"])
            return await offline()

    def _record_judgement(self, call: str, used: Any) -> None:
        cached = used.get("input_token_details", {}).get("cache_read", 0)
        tokens = used.get("input_tokens", 0), cached, used.get("output_tokens", 0)
        self._record(call, self._settings.model_judge, *tokens)

    def _record_reply(self, response: ModelResponse) -> None:
        used = response.usage
        cached = used.input_tokens_details.cached_tokens or 0
        self._record("respond", self._settings.model_reply, used.input_tokens, cached, used.output_tokens)

    def _record(self, call: str, model: str, read: int, cached: int, written: int) -> None:
        self._on_usage(ModelUsage(call, model, read, cached, written, cost_usd_micros(model, read, cached, written)))


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
