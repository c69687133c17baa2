"""OpenAI as our clients see it: Responses and Chat Completions, tools, structured output, usage, its errors."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from simulation.faults import App, Fault, Faults, FaultyApp, Mode
from simulation.openai_brain import Answer, Ask, Brain, Call, Step, think

# refusal, empty, garbage (not the JSON that was asked for), truncated: what the model says. not_json: what is no API
# answer at all. quota, too_long, no_model: refusals that no waiting mends.
_ANSWERS = ("refusal", "empty", "garbage", "truncated", "not_json", "quota", "too_long", "no_model")
_REASONS = re.compile(r"o\d|gpt-([5-9]|\d\d)(?!.*chat)")
_REFUSALS = {
    "quota": (429, "insufficient_quota", "You exceeded your current quota."),
    "too_long": (400, "context_length_exceeded", "Your input exceeds the context window of this model."),
    "no_model": (404, "model_not_found", "The model does not exist or you do not have access to it."),
}
_CACHED_FROM = 1024
_REFUSAL = "I'm sorry, but I can't help with that."


class OpenAiFault(Fault):
    """A `Fault`, or something wrong with the answer itself."""

    def __post_init__(self) -> None:
        if self.mode not in (*get_args(Mode), *_ANSWERS):
            raise ValueError(f"mode must be one of {', '.join((*get_args(Mode), *_ANSWERS))}")


class OpenAiFaults(Faults):
    def add(self, path: str = "*", mode: Any = "5xx", times: int = 1, **options: Any) -> Fault:
        fault = OpenAiFault(path, mode, times, **options)
        self.pending.append(fault)
        return fault


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came, and as the brain sees it."""

    path: str
    body: dict[str, Any]
    ask: Ask


class Usage(NamedTuple):
    """Tokens; `cached` are part of `read`, `thought` of `written`."""

    read: int
    cached: int
    written: int
    thought: int


@dataclass(slots=True)
class OpenAiFake:
    """One account. `brain` decides what the model says, `received` keeps what it was asked.

    `reasoning` is the share of what a reasoning model writes that nobody gets to read.
    """

    api_key: str = "sk-fake"
    brain: Brain = think
    models: tuple[str, ...] = ("gpt-5", "gpt-5-mini")
    reasoning: float = 0.5
    received: list[Received] = field(default_factory=list)
    faults: OpenAiFaults = field(default_factory=OpenAiFaults)
    _prefixes: set[str] = field(default_factory=set)

    def app(self) -> App:
        routes = [
            Route("/v1/chat/completions", self._answer, methods=["POST"]),
            Route("/v1/responses", self._answer, methods=["POST"]),
            Route("/v1/models", self._list_models, methods=["GET"]),
            *self.faults.routes(),
        ]
        return FaultyApp(Starlette(routes=routes), self.faults, _error)

    async def _answer(self, request: Request) -> Response:
        body, chat = await request.json(), request.url.path.endswith("completions")
        ask = _read_chat(body) if chat else _read_responses(body)
        self.received.append(Received(request.url.path, body, ask))
        if refusal := self._check(request, body, ask):
            return refusal
        fault = self.faults.take(request.url.path, "POST", modes=_ANSWERS)  # pyright: ignore[reportArgumentType]
        mode = str(fault.mode) if fault else ""
        if mode in _REFUSALS:
            return _refuse(*_REFUSALS[mode])
        if mode == "not_json":
            return HTMLResponse("<html><body>It works!</body></html>")
        answer = _spoilt(self.brain(ask), ask) if mode == "garbage" else self.brain(ask)
        usage = self._usage(ask, body, answer)
        return JSONResponse((_chat if chat else _response)(body["model"], answer, mode, usage))

    async def _list_models(self, request: Request) -> Response:
        if refusal := self._check_key(request):
            return refusal
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "openai"} for name in self.models]
        return JSONResponse({"object": "list", "data": models})

    def _check_key(self, request: Request) -> Response | None:
        if request.headers.get("Authorization") == f"Bearer {self.api_key}":
            return None
        return _refuse(401, "invalid_api_key", "Incorrect API key provided.")

    def _check(self, request: Request, body: dict[str, Any], ask: Ask) -> Response | None:
        if refusal := self._check_key(request):
            return refusal
        if body.get("stream"):
            return _refuse(400, "unsupported_value", "This server answers in one piece.")
        if _REASONS.match(ask.model) and body.get("temperature") not in (None, 1):
            return _refuse(400, "unsupported_value", "'temperature' does not support this value with this model.")
        if _REASONS.match(ask.model) and "max_tokens" in body:
            return _refuse(400, "unsupported_parameter", "Use 'max_completion_tokens' instead of 'max_tokens'.")
        if ask.schema is not None and (flaw := _flaw(ask.schema)):
            return _refuse(400, "invalid_json_schema", f"Invalid schema for response_format: {flaw}")
        return None

    def _usage(self, ask: Ask, body: dict[str, Any], answer: Answer) -> Usage:
        """A token is four characters here. A prefix is cached once seen."""
        prefix = json.dumps(body.get("tools") or []) + ask.system
        cached = len(prefix) // 4 if prefix in self._prefixes and len(prefix) // 4 >= _CACHED_FROM else 0
        self._prefixes.add(prefix)
        rest = ask.user + "".join(step.output for step in ask.steps)
        said = len(str(answer)) // 4 + 1
        thought = round(said * self.reasoning) if _REASONS.match(ask.model) else 0
        return Usage((len(prefix) + len(rest)) // 4, cached, said + thought, thought)


def _read_chat(body: dict[str, Any]) -> Ask:
    said: dict[str, list[str]] = {"system": [], "user": []}
    calls: dict[str, tuple[str, str]] = {}
    steps: list[Step] = []
    for message in body["messages"]:
        role = "system" if message["role"] == "developer" else message["role"]
        if role in said:
            said[role].append(_text(message["content"]))
        for call in message.get("tool_calls") or []:
            calls[call["id"]] = call["function"]["name"], call["function"]["arguments"]
        if role == "tool":
            steps.append(_step(*calls[message["tool_call_id"]], _text(message["content"])))
    tools = tuple(tool["function"]["name"] for tool in body.get("tools") or [])
    form = body.get("response_format") or {}
    schema = form.get("json_schema", {}).get("schema") if form.get("type") == "json_schema" else None
    return Ask(body["model"], "\n".join(said["system"]), "\n".join(said["user"]), tuple(steps), tools, schema)


def _read_responses(body: dict[str, Any]) -> Ask:
    said: dict[str, list[str]] = {"system": [body["instructions"]] if body.get("instructions") else [], "user": []}
    calls: dict[str, tuple[str, str]] = {}
    steps: list[Step] = []
    items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    for item in items:
        role = "system" if item.get("role") == "developer" else item.get("role")
        if role in said:
            said[role].append(_text(item["content"]))
        elif item.get("type") == "function_call":
            calls[item["call_id"]] = item["name"], item["arguments"]
        elif item.get("type") == "function_call_output":
            steps.append(_step(*calls[item["call_id"]], _text(item["output"])))
    tools = tuple(tool["name"] for tool in body.get("tools") or [] if tool["type"] == "function")
    form = (body.get("text") or {}).get("format") or {}
    schema = form.get("schema") if form.get("type") == "json_schema" else None
    return Ask(body["model"], "\n".join(said["system"]), "\n".join(said["user"]), tuple(steps), tools, schema)


def _step(name: str, arguments: str, output: str) -> Step:
    return Step(name, json.loads(arguments or "{}"), output)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or [])


def _flaw(schema: dict[str, Any]) -> str | None:
    """What strict structured output asks of an object: every property required, no others allowed."""
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    missing = set(properties) - set(schema.get("required", ()))
    return f"'required' must include every key in properties. Missing {sorted(missing)}." if missing else None


def _spoilt(answer: Answer, ask: Ask) -> Answer:
    return Call(answer.tool, '{"query": ') if isinstance(answer, Call) else '{"label": "' if ask.schema else "…"


def _said(answer: Answer, mode: str) -> str:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return text[: len(text) // 2] if mode == "truncated" else text


def _arguments(call: Call, mode: str) -> str:
    return _said(call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments), mode)


def _chat(model: str, answer: Answer, mode: str, usage: Usage) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    finish = "length" if mode == "truncated" else "stop"
    if mode == "refusal":
        message["refusal"] = _REFUSAL
    elif mode == "empty":
        message["content"] = ""
    elif isinstance(answer, Call):
        function = {"name": answer.tool, "arguments": _arguments(answer, mode)}
        message["tool_calls"] = [{"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}]
        finish = "tool_calls"
    else:
        message["content"] = _said(answer, mode)
    read, cached, written, thought = usage
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}", "object": "chat.completion", "created": int(time.time()),
        "model": model, "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
                  "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
                  "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0}},
        "service_tier": "default", "system_fingerprint": None,
    }  # fmt: skip


def _response(model: str, answer: Answer, mode: str, usage: Usage) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    message = {"type": "message", "id": f"msg_{secrets.token_hex(16)}", "role": "assistant", "status": "completed"}
    if mode == "refusal":
        output.append(message | {"content": [{"type": "refusal", "refusal": _REFUSAL}]})
    elif isinstance(answer, Call) and mode != "empty":
        ids = {"id": f"fc_{secrets.token_hex(16)}", "call_id": f"call_{secrets.token_hex(12)}"}
        call = {
            "type": "function_call",
            "name": answer.tool,
            "arguments": _arguments(answer, mode),
            "status": "completed",
        }
        output.append(call | ids)
    elif mode != "empty":
        part = {"type": "output_text", "text": _said(answer, mode), "annotations": [], "logprobs": []}
        output.append(message | {"content": [part]})
    read, cached, written, thought = usage
    short = mode == "truncated"
    return {
        "id": f"resp_{secrets.token_hex(16)}", "object": "response", "created_at": int(time.time()), "error": None,
        "status": "incomplete" if short else "completed", "instructions": None, "metadata": {}, "model": model,
        "incomplete_details": {"reason": "max_output_tokens"} if short else None, "output": output, "store": False,
        "parallel_tool_calls": False, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "usage": {"input_tokens": read, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": written,
                  "output_tokens_details": {"reasoning_tokens": thought}, "total_tokens": read + written},
    }  # fmt: skip


def _refuse(status: int, code: str, message: str) -> Response:
    kind = {401: "authentication_error", 429: "insufficient_quota"}.get(status, "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)


def _error(status: int, _: int) -> dict[str, Any]:
    """The body of a fault that is no answer: what the provider says when it is busy or broken."""
    known = {429: ("rate_limit_exceeded", "Rate limit reached."), 401: ("invalid_api_key", "Incorrect API key.")}
    code, message = known.get(status, ("server_error", "The server had an error while processing your request."))
    return {"error": {"message": message, "type": code, "param": None, "code": code}}
