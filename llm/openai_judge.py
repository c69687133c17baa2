"""Structured judgements: instructions and a text in, an answer of a given shape out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import OpenAIRefusalError

from llm.openai_answers import Answer
from llm.openai_calls import Patience, Unusable

A = TypeVar("A", bound=Answer)


class Judge:
    """Asks one model for answers of any shape. `on_usage` hears of every answer, be it of use or not."""

    def __init__(self, model: ChatOpenAI, patience: Patience, on_usage: Callable[[str, Any], None]) -> None:
        self._model = model
        self._patience = patience
        self._on_usage = on_usage
        self._structured: dict[type[Answer], Runnable[Any, Any]] = {}

    async def ask(self, node: str, shape: type[A], instructions: str, text: str) -> A:
        """One answer. `instructions` never change between customers, `text` comes last. Raises ModelError."""
        if shape not in self._structured:
            self._structured[shape] = self._model.with_structured_output(
                shape, method="json_schema", include_raw=True, strict=True
            )
        model, messages = self._structured[shape], [SystemMessage(instructions.strip()), HumanMessage(text)]

        async def attempt() -> A:
            answer = await model.ainvoke(messages)
            self._on_usage(node, answer["raw"].usage_metadata or {})
            if answer["parsed"] is None:
                raise Unusable("refusal" if isinstance(answer["parsing_error"], OpenAIRefusalError) else "garbage")
            return answer["parsed"]

        return await self._patience.call(node, attempt)
