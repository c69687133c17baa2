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
    ) -> None:
        self._inner = inner
        self._patience = patience
        self._defaults = defaults
        self._on_answer = on_answer

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

        async def attempt() -> ModelResponse:
            response = await self._inner.get_response(
                system_instructions, input, settings, tools, output_schema, handoffs, tracing, **conversation
            )
            self._on_answer(response)
            _require_usable(response, {tool.name for tool in tools})
            return response

        return await self._patience.call("responder", attempt)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise ModelError("The responder's model answers in one piece: use get_response")


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
