"""What the simulated model answers: rules that read what any model would read, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_MESSAGE = re.compile(r"<customer_message>\n(.*?)\n</customer_message>", re.DOTALL)
_LABEL = re.compile(r"^- (\w+): (.*)$")
_WORD = re.compile(r"[a-z']+")
_ANGRY = re.compile(r"\b(furious|scam|disgusting|idiots?|useless|worst|unacceptable|outrage\w*|hate)\b", re.IGNORECASE)
_GLAD = re.compile(r"\b(thanks?|thank you|great|love|perfect|wonderful|awesome)\b", re.IGNORECASE)
_LINES = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A tool call that was made in this run, and what the tool said."""

    tool: str
    arguments: dict[str, Any]
    output: str

    @property
    def refused(self) -> bool:
        return self.output.startswith("refused:")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, whichever API it came by. `schema` is the JSON schema of the answer, where one is asked for."""

    model: str
    system: str
    user: str
    steps: tuple[Step, ...] = ()
    tools: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None

    @property
    def message(self) -> str:
        """The customer's text: the last marked block."""
        blocks = _MESSAGE.findall(self.user)
        return blocks[-1] if blocks else self.user

    def fact(self, name: str) -> str:
        """A line `name: value` before the marked blocks, or a marked block of that name."""
        before = self.user.split("<customer_message>")[0]
        found = re.search(rf"^{name}: (.*)$", before, re.MULTILINE) or re.search(
            rf"<{name}>\n(.*?)\n</{name}>", before, re.DOTALL
        )
        return found.group(1) if found else ""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; arguments as text are sent as they are, be they JSON or not."""

    tool: str
    arguments: dict[str, Any] | str


Answer = Call | str | dict[str, Any]
Brain = Callable[[Ask], Answer]


def think(ask: Ask) -> Answer:
    """The default brain: judges by words, and plays the responder's plan when it is given the tools."""
    if ask.schema is not None:
        return _judge(ask, ask.schema.get("properties", {}))
    return _next_step(ask) if "create_ticket" in ask.tools else "Hello."


def _judge(ask: Ask, fields: dict[str, Any]) -> dict[str, Any]:
    if "label" in fields:
        return {"label": _label(ask, fields["label"]["enum"]), "confidence": 0.8, "runner_up": None}
    if "score" in fields:
        angry, glad = _ANGRY.findall(ask.message), _GLAD.findall(ask.message)
        score = 0.1 if angry else 0.8 if glad else 0.5
        return {"score": score, "cues": (angry or glad)[:5]}
    if "rule" in fields:
        return {"rule": None, "words": "", "confidence": 0.9}
    return {"query": " ".join(_telling(ask.message)) or ask.message}


def _label(ask: Ask, names: list[str]) -> str:
    """The label with the description or example that shares the most telling words with the message, for its length."""
    lines: list[tuple[str, set[str]]] = []
    name = ""
    for line in ask.system.splitlines():
        if (found := _LABEL.match(line)) and found.group(1) in names:
            name = found.group(1)
        if name:
            lines.append((name, set(_WORD.findall(line.lower()))))
    said = set(_WORD.findall(ask.message.lower()))
    weight = {word: 1 / sum(word in words for _, words in lines) for word in said if any(word in w for _, w in lines)}
    best = max(
        lines, key=lambda line: sum(weight.get(w, 0) for w in line[1]) / len(line[1]) ** 0.5, default=(names[0],)
    )
    return best[0]


def _telling(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if len(word) > 4]


def _next_step(ask: Ask) -> Call:
    done = {step.tool for step in ask.steps if not step.refused}
    if "create_ticket" not in done:
        facts = {"category": ask.fact("category") or "general", "priority": ask.fact("priority") or "medium"}
        return Call("create_ticket", facts)
    if "get_customer_history" not in done:
        return Call("get_customer_history", {})
    searches = [step for step in ask.steps if step.tool == "search_knowledge_base" and not step.refused]
    passages = [p for step in searches for p in json.loads(step.output).get("passages", [])]
    if not passages and len(searches) < 2:
        queries = [ask.fact("suggested_query") or ask.message, " ".join(_telling(ask.message)) or ask.message]
        return Call("search_knowledge_base", {"query": queries[len(searches)][:300]})
    since = ask.steps[ask.steps.index(searches[0]) :] if searches else ()
    if passages and not any(step.tool == "send_response" and step.refused for step in since):
        return Call("send_response", {"sentences": _copy(max(passages, key=lambda p: p["score"]))})
    return _give_up(ask, searches)


def _copy(passage: dict[str, Any]) -> list[dict[str, Any]]:
    """The passage's own lines, each with its source."""
    lines = [line.strip() for line in passage["text"].splitlines()]
    kept = [line for line in lines if line and not line.startswith(("#", "|"))][:_LINES]
    return [{"text": line, "passages": [passage["id"]]} for line in kept]


def _give_up(ask: Ask, searches: list[Step]) -> Call:
    tried = "; ".join(step.arguments["query"] for step in searches)
    summary = f"The customer asks: {' '.join(ask.message.split())[:300]}"
    return Call(
        "escalate_to_human", {"reason": "no_answer", "evidence": f"searched: {tried}"[:300], "summary": summary}
    )
