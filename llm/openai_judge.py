"""Structured judgements: instructions and a text in, an answer of a given shape out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import OpenAIRefusalError

from core.model_use import ModelUse, Node
from llm.openai_answers import Answer
from llm.openai_calls import Caller
from llm.openai_failures import Unusable
from llm.pricing import Tokens

A = TypeVar("A", bound=Answer)


class Judge:
    """Asks each node's model for answers of any shape.

    `use_of` says how a node uses its model, `build` makes the client, `see` what of a text the provider may see.
    """

    def __init__(
        self,
        caller: Caller,
        use_of: Callable[[Node], ModelUse],
        build: Callable[[ModelUse], ChatOpenAI],
        see: Callable[[str], str],
    ) -> None:
        self._caller = caller
        self._use_of = use_of
        self._build = build
        self._see = see
        self._structured: dict[tuple[Node, type[Answer]], Runnable[Any, Any]] = {}

    async def ask(self, node: Node, shape: type[A], instructions: str, text: str) -> A:
        """One answer. `instructions` are the same for every customer; `text` comes last. Raises ModelError, BudgetSpent."""
        use = self._use_of(node)
        model = self._model(node, use, shape)
        messages = [SystemMessage(instructions.strip()), HumanMessage(self._see(text))]

        async def attempt(used: Tokens) -> A:
            answer = await model.ainvoke(messages)
            _read_usage(answer["raw"].usage_metadata or {}, used)
            if answer["parsed"] is None:
                raise Unusable("refusal" if isinstance(answer["parsing_error"], OpenAIRefusalError) else "garbage")
            return answer["parsed"]

        return await self._caller.call(node, use, attempt)

    def _model(self, node: Node, use: ModelUse, shape: type[Answer]) -> Runnable[Any, Any]:
        if (node, shape) not in self._structured:
            self._structured[node, shape] = self._build(use).with_structured_output(
                shape, method="json_schema", include_raw=True, strict=True
            )
        return self._structured[node, shape]


def _read_usage(said: Any, used: Tokens) -> None:
    """LangChain's `UsageMetadata`."""
    used.read, used.written = said.get("input_tokens", 0), said.get("output_tokens", 0)
    used.cached = said.get("input_token_details", {}).get("cache_read", 0)
    used.reasoned = said.get("output_token_details", {}).get("reasoning", 0)
