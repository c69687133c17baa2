"""The online mind: any provider that speaks OpenAI's Responses or Chat Completions API."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TypeVar

import openai
import structlog
from agents import ModelSettings, set_tracing_disabled
from agents.models.interface import Model
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from langchain_openai import ChatOpenAI
from prometheus_client import Counter

from core.errors import ConfigurationError, ModelError
from core.marking import mark
from core.model_use import ModelUse, Node
from core.models import Claim, Classification, Label, Rating, Suspicion
from core.policy import Rule
from core.ports import Mind
from core.redaction import redact
from core.settings import Settings
from core.vocabulary import Stage
from llm.breaker import Breaker
from llm.openai_agent import PatientModel
from llm.openai_answers import (
    Answer,
    PolicyAnswer,
    QueryAnswer,
    SentimentAnswer,
    SummaryAnswer,
    SupportAnswer,
    claims_to_judge,
    label_answer,
    label_instructions,
    mark_customer_text,
    other_words,
    policy_instructions,
)
from llm.openai_calls import Caller
from llm.openai_judge import Judge
from llm.pricing import load_prices

log = structlog.get_logger()
mind_fell_back = Counter("support_mind_fell_back", "Judgements that the offline mind made for the online one", ["node"])

A = TypeVar("A", bound=Answer)
OPENAI = "https://api.openai.com/v1"
# These think before they answer: they take an effort and refuse a temperature.
_REASONS = re.compile(r"o\d|gpt-([5-9]|\d\d)(?!.*chat)")
_MAX_CUES = 5
# Below this a model guesses; the patterns and the local verdict have already let the text pass.
_SURE = 0.7


class OpenAiMind:
    """`core.ports.Mind` over the wire. A judgement that fails is made by `offline`; the responder's failure is a ModelError.

    The Responses API is told to keep nothing (`store=false`; Chat Completions keep nothing of themselves), and no trace
    leaves the machine. Every call is counted on the turn's meter (`core/spending.py`).
    """

    def __init__(
        self, settings: Settings, offline: Mind, *, breaker: Breaker | None = None, pause_s: float = 0.5
    ) -> None:
        if settings.openai_api_key is None:
            raise ConfigurationError(
                "The online mind needs a key: set OPENAI_API_KEY, or leave it empty to stay offline"
            )
        _disable_tracing()
        self._settings = settings
        self._offline = offline
        self._client = openai.AsyncOpenAI(
            api_key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url or OPENAI,
            max_retries=0,
            timeout=None,
        )
        see = redact if settings.model_sees == "masked" else str
        caller = Caller(load_prices(settings.prices_file), breaker or Breaker(), pause_s)
        self._judgements = Judge(caller, settings.model_use, self._chat_model, see)
        use = settings.model_use("responder")
        self._agent_model = PatientModel(self._reply_model(), caller, use, self._manners(), see)

    @property
    def name(self) -> str:
        return f"openai:{self._settings.model_judge}+{self._settings.model_use('responder').model}"

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

    async def summarise(self, case: str, *, instructions: str) -> str:
        answer = await self._judge("escalation", SummaryAnswer, instructions, case)
        return await self._offline.summarise(case, instructions=instructions) if answer is None else answer.summary

    async def find_unsupported(self, claims: Sequence[Claim], *, instructions: str) -> frozenset[int] | None:
        answer = await self._judge("grounding", SupportAnswer, instructions, claims_to_judge(claims))
        if answer is None:
            return await self._offline.find_unsupported(claims, instructions=instructions)
        return frozenset(range(len(claims))) - {number - 1 for number in answer.supported}

    async def judge_policy(
        self, text: str, rules: Sequence[Rule], *, stage: Stage, ordinary: Sequence[str], instructions: str
    ) -> tuple[Suspicion, ...]:
        """On what came in the local verdict costs nothing and comes first; the model is asked once, about what that let pass.

        A draft is the model's to judge: the local verdict, which would stop one true sentence in thirty, stands in for it.
        """

        async def local() -> tuple[Suspicion, ...]:
            return await self._offline.judge_policy(
                text, rules, stage=stage, ordinary=ordinary, instructions=instructions
            )

        if stage == "inbound" and (found := await local()):
            return found
        system = policy_instructions(instructions, tuple(rules))
        answer = await self._judge("guardrail", PolicyAnswer, system, mark("text", text))
        if answer is None:
            return () if stage == "inbound" else await local()
        if answer.confidence < _SURE or answer.rule not in {rule.id for rule in rules}:
            return ()
        return (Suspicion(answer.rule, answer.words[:300], answer.confidence, "the model"),)

    def agent_model(self) -> Model:
        return self._agent_model

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._client.close()

    async def _judge(self, node: Node, shape: type[A], instructions: str, text: str) -> A | None:
        """An answer of that shape, or None where the offline mind has to make the judgement."""
        try:
            return await self._judgements.ask(node, shape, instructions, text)
        except ModelError as error:
            mind_fell_back.labels(node).inc()
            log.warning("mind.fell_back", node=node, cause=error.ids["cause"], attempts=error.ids["attempts"])
            return None

    def _chat_model(self, use: ModelUse) -> ChatOpenAI:
        """A judge's model, over the one client that all share."""
        reasons, responses = _reasons(use.model), self._settings.openai_api == "responses"
        return ChatOpenAI(
            model=use.model,
            api_key=self._settings.openai_api_key,
            base_url=self._settings.openai_base_url or OPENAI,
            async_client=self._client.chat.completions,
            root_async_client=self._client,
            max_retries=0,
            use_responses_api=responses,
            store=False if responses else None,
            temperature=None if reasons else use.temperature,
            reasoning_effort="low" if reasons else None,
            max_completion_tokens=use.max_tokens,
        )

    def _reply_model(self) -> Model:
        model = self._settings.model_use("responder").model
        if self._settings.openai_api == "responses":
            return OpenAIResponsesModel(model, openai_client=self._client)
        return OpenAIChatCompletionsModel(model, openai_client=self._client)

    def _manners(self) -> ModelSettings:
        """What the provider does not store it must be handed back: reasoning goes along, encrypted."""
        use = self._settings.model_use("responder")
        reasons = _reasons(use.model)
        temperature = None if reasons else use.temperature
        if self._settings.openai_api == "responses":
            include = ["reasoning.encrypted_content"] if reasons else None
            return ModelSettings(
                temperature=temperature, max_tokens=use.max_tokens, store=False, response_include=include
            )
        # `max_tokens`, which the SDK would send here, is refused by models that reason.
        return ModelSettings(temperature=temperature, extra_args={"max_completion_tokens": use.max_tokens})


def _reasons(model: str) -> bool:
    return _REASONS.match(model) is not None


def _disable_tracing() -> None:
    """The Agents SDK sends every run to its maker's trace collector unless it is told not to, here and in child processes."""
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    set_tracing_disabled(True)
