"""A mind that is content with everything: what others leave unsaid when they script one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.models import Claim, Classification, Label, Rating, Suspicion
from core.policy import Rule
from core.vocabulary import Stage


@dataclass
class ContentMind:
    """`core.ports.Mind`: every message a calm question, every sentence and every draft in order."""

    agent: Any = None
    name: str = "content"

    def speaks(self, text: str) -> bool:
        return True

    async def classify(self, text: str, labels: Sequence[Label], *, instructions: str) -> Classification:
        return Classification("how_to", 0.8)

    async def rate_sentiment(self, text: str, *, instructions: str) -> Rating:
        return Rating(0.5)

    async def rewrite_query(self, question: str, *, tried: Sequence[str], instructions: str) -> str:
        return question

    async def summarise(self, case: str, *, instructions: str) -> str:
        return ""

    async def find_unsupported(self, claims: Sequence[Claim], *, instructions: str) -> frozenset[int] | None:
        return None

    async def judge_policy(
        self, text: str, rules: Sequence[Rule], *, stage: Stage, ordinary: Sequence[str], instructions: str
    ) -> tuple[Suspicion, ...]:
        return ()

    def agent_model(self) -> Any:
        return self.agent
