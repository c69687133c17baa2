"""The provider's model under the responder's agent: patient, private, and never the cause of an error that is not ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import ModelResponse, ModelSettings
from agents.models.interface import Model
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage

from core.errors import ModelError
from llm.openai_calls import Patience, Unusable


class PatientModel(Model):
    """A `Model` of the Agents SDK around another: one answer is one patient call. `defaults` yield to the agent's settings."""

    def __init__(
        self,
        inner: Model,
        patience: Patience,
        *,
        defaults: ModelSettings,
        on_answer: Callable[[ModelResponse], None],
        see: Callable[[str], str],
    ) -> None:
        self._inner = inner
        self._patience = patience
        self._defaults = defaults
        self._on_answer = on_answer
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

        async def attempt() -> ModelResponse:
            response = await self._inner.get_response(
                system_instructions, input, settings, tools, output_schema, handoffs, tracing, **conversation
            )
            self._on_answer(response)
            _require_usable(response, {tool.name for tool in tools})
            return response

        return await self._patience.call("respond", attempt)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise ModelError("The responder's model answers in one piece: use get_response")


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
