"""What the benchmark's graph thinks and looks up with: scripted, because a model's time is not what is measured."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

from agents import ModelResponse, Usage
from agents.models.interface import Model
from openai.types.responses import ResponseFunctionToolCall

from core.errors import ConfigurationError, ModelError
from core.models import Passage, Rating, SearchResult, TurnBrief, TurnResult
from core.policy import Finding, Policy
from crm.checkpoints import TurnSaver
from crm.pool import Pool, transaction
from evals.content_mind import ContentMind
from graph.dry_run import DryRunDesk

REFUND = "I want my money back, please refund last month."
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_MARKUP = re.compile(r"^(?:---.*?---)|[#*`|>\[\]]", re.DOTALL)


class Prose:
    """Real sentences in ever new order: repeated text would be compressed away and make growth look cheap."""

    def __init__(self, folder: Path, *, seed: int = 7) -> None:
        pages = [_MARKUP.sub("", path.read_text(encoding="utf-8")) for path in sorted(folder.glob("**/*.md"))]
        lines = [" ".join(s.split()) for page in pages for s in _SENTENCE.split(page)]
        self.sentences = [line for line in lines if 40 <= len(line) <= 240 and line.endswith(".")]
        if len(self.sentences) < 100:
            raise ConfigurationError(f"{folder} has too little text to make messages from: 100 sentences are needed")
        self._random = Random(seed)

    def paragraph(self, sentences: int = 4) -> str:
        return " ".join(self._random.sample(self.sentences, sentences))


@dataclass
class ScriptedMind(ContentMind):
    """Without a model: only who wants a refund is angry, and goes to a person."""

    name: str = "scripted"

    async def rate_sentiment(self, text: str, *, instructions: str) -> Rating:
        return Rating(0.1 if text == REFUND else 0.6)


class ScriptedAgent(Model):
    """Plays the responder's four tool calls, one an answer, as a model would that needs no second thought."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        reply = [{"text": p.text, "passages": [str(p.id)]} for p in passages[:3]]
        self._calls = (
            ("create_ticket", {"category": "general", "priority": "medium"}),
            ("get_customer_history", {}),
            ("search_knowledge_base", {"query": "scripted"}),
            ("send_response", {"sentences": reply}),
        )

    async def get_response(
        self, system_instructions: str | None, input: str | list[Any], *_: Any, **__: Any
    ) -> ModelResponse:
        done = 0 if isinstance(input, str) else sum(item.get("type") == "function_call_output" for item in input)
        if done >= len(self._calls):
            raise ModelError("The script ends with send_response; its reply was refused")
        name, arguments = self._calls[done]
        call = ResponseFunctionToolCall(
            type="function_call", call_id=f"call_{uuid4().hex}", name=name, arguments=json.dumps(arguments)
        )
        return ModelResponse(output=[call], usage=Usage(requests=1), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise ModelError("The scripted model answers in one piece: use get_response")


@dataclass(frozen=True, slots=True)
class CannedKnowledge:
    """`core.ports.Knowledge` that finds the same passages at no cost."""

    passages: tuple[Passage, ...]

    async def search(self, query: str, *, limit: int = 5) -> SearchResult:
        return SearchResult(query, self.passages[:limit], self.passages[0].score, 1.0, 0.5, 1)

    async def list_neighbours(self, ids: Sequence[UUID]) -> list[Passage]:
        return []

    async def get_passages(self, ids: Sequence[UUID]) -> list[Passage]:
        return [p for p in self.passages if p.id in ids]


def make_passages(prose: Prose, policy: Policy, *, count: int = 5) -> tuple[Passage, ...]:
    """Passages of one sentence that the policy lets out."""
    clean = (s for s in prose.sentences if not policy.check(s, stage="draft") and not policy.check(s, stage="send"))
    return tuple(_passage(number, text) for number, text in zip(range(count), clean, strict=False))


def _passage(number: int, text: str) -> Passage:
    digest = sha256(text.encode()).hexdigest()
    slug = f"page-{number}"
    title = f"Page {number}"
    return Passage(uuid4(), uuid4(), slug, title, title, text, None, None, None, digest, 0.8, 0.8, 0.0)


class NoPolicy(Policy):
    """Lets everything pass: reading text is the product's work, not the orchestration's."""

    def check(self, text: str, **_: Any) -> tuple[Finding, ...]:
        return ()


@dataclass(slots=True)
class CheckpointDesk(DryRunDesk):
    """No CRM; keeps checkpoints as the real desk does: with an interrupted turn's transaction, none for a finished one."""

    pool: Pool = field(kw_only=True)
    saver: TurnSaver = field(kw_only=True)

    async def finish_turn(self, brief: TurnBrief, result: TurnResult) -> None:
        thread_id = str(brief.turn_id)
        if result.outcome == "handed_over":
            async with transaction(self.pool) as conn:
                await self.saver.flush(thread_id, conn)
        self.saver.discard(thread_id)


class ForgetfulDesk(DryRunDesk):
    """No CRM and nothing to finish: LangGraph's own saver has written everything."""

    async def finish_turn(self, brief: TurnBrief, result: TurnResult) -> None:
        return None
