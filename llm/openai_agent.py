"""The provider's model under the responder's agent: patient, private, and never the cause of an error that is not ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import ModelResponse, ModelSettings, Usage
from agents.models.interface import Model
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage

from core.errors import ModelError
from core.model_use import ModelUse
from llm.openai_calls import Caller
from llm.openai_failures import Unusable
from llm.pricing import Tokens


class PatientModel(Model):
    """A `Model` of the Agents SDK around another: one answer is one patient call. `defaults` yield to the agent's settings."""

    def __init__(
        self, inner: Model, caller: Caller, use: ModelUse, defaults: ModelSettings, see: Callable[[str], str]
    ) -> None:
        self._inner = inner
        self._caller = caller
        self._use = use
        self._defaults = defaults
        self._see = see

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: ModelSettings,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        **conversation: Any,
    ) -> ModelResponse:
        settings = self._defaults.resolve(model_settings)
        input = _as_seen(input, self._see)

        async def attempt(used: Tokens) -> ModelResponse:
            response = await self._inner.get_response(
                system_instructions, input, settings, tools, output_schema, handoffs, tracing, **conversation
            )
            _read_usage(response.usage, used)
            _require_usable(response, {tool.name for tool in tools})
            return response

        return await self._caller.call("responder", self._use, attempt)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise ModelError("The responder's model answers in one piece: use get_response")


def _read_usage(said: Usage, used: Tokens) -> None:
    used.read, used.written = said.input_tokens, said.output_tokens
    used.cached = said.input_tokens_details.cached_tokens or 0
    used.reasoned = said.output_tokens_details.reasoning_tokens or 0


def _as_seen(input: str | list[Any], see: Callable[[str], str]) -> str | list[Any]:
    """What customers wrote, as the provider may see it. Our own documents are left to the letter: the reply quotes them."""
    if isinstance(input, str):
        return see(input)
    documents = {item["call_id"] for item in input if item.get("name") == "search_knowledge_base"}
    return [_item_as_seen(item, see) if item.get("call_id") not in documents else item for item in input]


def _item_as_seen(item: Any, see: Callable[[str], str]) -> Any:
    key = "content" if item.get("role") == "user" else "output" if item.get("type") == "function_call_output" else ""
    return {**item, key: see(item[key])} if isinstance(item.get(key), str) else item


def _require_usable(response: ModelResponse, tools: set[str]) -> None:
    """A refusal, an empty answer, an unknown tool or arguments that are no object are tried again, not carried out."""
    said = False
    for item in response.output:
        if isinstance(item, ResponseFunctionToolCall):
            said = True
            if item.name not in tools:
                raise Unusable("unknown_tool")
            if not isinstance(json.loads(item.arguments or "{}"), dict):
                raise Unusable("garbage")
        elif isinstance(item, ResponseOutputMessage):
            for part in item.content:
                if part.type == "refusal":
                    raise Unusable("refusal")
                said = said or bool(part.text.strip())
    if not said:
        raise Unusable("empty")
