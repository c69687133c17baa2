"""The offline model that drives the responder's agent: deterministic, no network, the same tool calls as a large model.

It reads what any model would read (instructions, the marked customer message, the tools' outputs) and answers with one
tool call. Replies are composed of sentences that stand in the passages, so there is nothing to invent.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import uuid4

from agents import ModelResponse, ModelSettings, Usage
from agents.models.interface import Model
from openai.types.responses import ResponseFunctionToolCall

from core.errors import ModelError
from core.ports import Embedder
from llm.compose import Composer
from llm.questions import split_questions

# The policy's own count: after two searches that found nothing a person takes over.
_FAILED_SEARCHES = 2
Rewrite = Callable[[str, Sequence[str]], str]

_MESSAGE = re.compile(r"<customer_message>\n(.*?)\n</customer_message>", re.DOTALL)
_QUERY = re.compile(r"<suggested_query>\n(.*?)\n</suggested_query>", re.DOTALL)
_FACT = re.compile(r"^(\w+): (.*)$", re.MULTILINE)


class OfflineAgentModel(Model):
    """Plays the responder by a fixed plan: ticket, history, one search a question, then reply or hand over."""

    def __init__(self, embedder: Embedder, *, rewrite: Rewrite) -> None:
        self._composer = Composer(embedder)
        self._rewrite = rewrite

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: ModelSettings,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: Any = None,
    ) -> ModelResponse:
        name, arguments = await self._next_call(_Transcript.read(input))
        call = ResponseFunctionToolCall(
            type="function_call",
            id=f"fc_{uuid4().hex}",
            call_id=f"call_{uuid4().hex}",
            name=name,
            arguments=json.dumps(arguments),
            status="completed",
        )
        return ModelResponse(output=[call], usage=Usage(requests=1), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise ModelError("The offline model answers in one piece: use get_response")

    async def _next_call(self, seen: _Transcript) -> tuple[str, dict[str, Any]]:
        if "create_ticket" not in seen.called:
            return "create_ticket", {
                "category": seen.facts.get("category", "general"),
                "priority": seen.facts.get("priority", "medium"),
            }
        if "get_customer_history" not in seen.called:
            return "get_customer_history", {}
        query = await self._next_query(seen)
        if query is not None:
            return "search_knowledge_base", {"query": query}
        reply = (
            None
            if seen.refused_reply
            else await self._composer.compose(seen.message, seen.searches, seen.channel, sentiment=seen.sentiment)
        )
        if reply:
            return "send_response", {"sentences": reply}
        tried = "; ".join(query for query, _ in seen.searches)
        summary = f"The customer asks: {' '.join(seen.message.split())[:400]}"
        return "escalate_to_human", {
            "reason": "no_answer",
            "evidence": f"searched without a usable result: {tried}"[:300],
            "summary": summary,
        }

    async def _next_query(self, seen: _Transcript) -> str | None:
        """The question as retrieval asked it; further questions of the message; other words where nothing was found."""
        tried = [query for query, _ in seen.searches]
        if not tried:
            return seen.query or seen.message[:300]
        for question in split_questions(seen.message):
            if question not in tried and len(tried) < 4:
                return question
        if any(passages for _, passages in seen.searches) or seen.failed_searches >= _FAILED_SEARCHES:
            return None
        other = self._rewrite(seen.message, tried)
        return other if other and other not in tried else None


class _Transcript:
    """What has happened so far in this run, read from the input items."""

    def __init__(self) -> None:
        self.message = ""
        self.query = ""
        self.facts: dict[str, str] = {}
        self.called: set[str] = set()
        self.searches: list[tuple[str, list[dict[str, Any]]]] = []
        self.failed_searches = 0
        self.refused_reply = False

    @property
    def channel(self) -> str:
        return self.facts.get("channel", "email").split()[0]

    @property
    def sentiment(self) -> float:
        return float(self.facts.get("sentiment", 0.5))

    @classmethod
    def read(cls, items: str | list[Any]) -> _Transcript:
        seen = cls()
        calls: dict[str, tuple[str, dict[str, Any]]] = {}
        for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
            if item.get("role") == "user":
                seen._read_task(_text(item["content"]))
            elif item.get("type") == "function_call":
                calls[item["call_id"]] = (item["name"], json.loads(item["arguments"] or "{}"))
            elif item.get("type") == "function_call_output":
                seen._read_output(*calls[item["call_id"]], str(item["output"]))
        return seen

    def _read_task(self, task: str) -> None:
        match = _MESSAGE.search(task)
        if match:
            self.message = match.group(1)
            self.facts = dict(_FACT.findall(task.split("<", 1)[0]))
        if match := _QUERY.search(task):
            self.query = match.group(1).strip()

    def _read_output(self, name: str, arguments: dict[str, Any], output: str) -> None:
        refused = output.startswith("refused:")
        if name == "send_response":
            self.refused_reply = refused
        if refused:
            return
        self.called.add(name)
        if name == "search_knowledge_base":
            found = json.loads(output)
            self.searches.append((arguments["query"], found.get("passages", [])))
            self.failed_searches = found.get("failed_searches", self.failed_searches)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
