"""A turn for unit tests: the real profile and formatter, everything else scripted and in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from langgraph.runtime import Runtime

from channels.formatting import ChannelFormatter
from core.clock import SystemClock
from core.models import Claim, Classification, Label, Passage, Rating, SearchResult, Suspicion
from core.policy import Finding, Rule
from core.ports import Formatter
from core.profile import CompanyProfile, load_profile
from core.settings import PROJECT_ROOT
from core.turn import Deps, TurnContext
from core.vocabulary import EscalationReason, Stage
from graph.dry_run import DryRunDesk, draft_brief


@cache
def profile() -> CompanyProfile:
    return load_profile(PROJECT_ROOT / "dossier")


def passage(text: str, *, slug: str = "change-card", score: float = 0.8) -> Passage:
    """The same text is the same passage."""
    return Passage(
        id=uuid5(NAMESPACE_URL, text),
        article_id=uuid5(NAMESPACE_URL, slug),
        slug=slug,
        title=slug.replace("-", " ").capitalize(),
        heading="Steps",
        text=text,
        url=f"https://help.example/{slug}",
        product=None,
        version="4.2",
        hash=f"hash of {text}",
        score=score,
        cosine=score,
        lexical=0.0,
    )


@dataclass
class FakeMind:
    intent: str = "how_to"
    confidence: float = 0.8
    score: float = 0.5
    cues: tuple[str, ...] = ()
    understands: bool = True
    agent: Any = None
    suspicions: tuple[Suspicion, ...] = ()
    name: str = "fake"
    summary: str | Exception = ""
    other_words: str = ""
    unsupported: frozenset[int] | None = None
    judged: list[tuple[Claim, ...]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def speaks(self, text: str) -> bool:
        return self.understands

    async def classify(self, text: str, labels: Sequence[Label], *, instructions: str) -> Classification:
        self.asked.append((text, instructions))
        return Classification(self.intent, self.confidence)

    async def rate_sentiment(self, text: str, *, instructions: str) -> Rating:
        self.asked.append((text, instructions))
        return Rating(self.score, self.cues)

    async def rewrite_query(self, question: str, *, tried: Sequence[str], instructions: str) -> str:
        return self.other_words or question

    async def find_unsupported(self, claims: Sequence[Claim], *, instructions: str) -> frozenset[int] | None:
        self.judged.append(tuple(claims))
        return self.unsupported

    async def summarise(self, case: str, *, instructions: str) -> str:
        self.asked.append((case, instructions))
        if isinstance(self.summary, Exception):
            raise self.summary
        return self.summary

    async def judge_policy(
        self, text: str, rules: Sequence[Rule], *, stage: Stage, ordinary: Sequence[str], instructions: str
    ) -> tuple[Suspicion, ...]:
        self.asked.append((text, instructions))
        return self.suspicions

    def agent_model(self) -> Any:
        return self.agent


@dataclass
class FakeKnowledge:
    """Finds its passages, whatever is asked; a query that is a key of `only` finds what stands there."""

    passages: tuple[Passage, ...] = ()
    beside: tuple[Passage, ...] = ()
    only: dict[str, tuple[Passage, ...]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def search(self, query: str, *, limit: int = 5) -> SearchResult:
        self.asked.append(query)
        found = self.only.get(query, self.passages)[:limit]
        return SearchResult(query, found, found[0].score if found else 0.11111, 0.9 if found else 0.2, 0.5, 7)

    async def get_passages(self, ids: Sequence[UUID]) -> list[Passage]:
        return [p for p in self.passages if p.id in ids]

    async def list_neighbours(self, ids: Sequence[UUID]) -> list[Passage]:
        return list(self.beside) if ids else []


@dataclass
class FakePolicy:
    """Fires on words; `words` maps each to the reason that its rule names."""

    words: dict[str, EscalationReason] = field(default_factory=dict)
    stages: tuple[str, ...] = ("inbound", "draft", "send")
    version_hash: str = "fake"
    by_id: dict[str, Rule] = field(default_factory=dict)
    checked: list[tuple[str, str, str | None]] = field(default_factory=list)
    ordinary: tuple[str, ...] = ()

    def by_meaning(self, stage: str) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.by_id.values() if stage in rule.stages)

    def check(self, text: str, *, stage: str, channel: str | None = None) -> tuple[Finding, ...]:
        self.checked.append((stage, text, channel))
        fired = [w for w in self.words if w in text] if stage in self.stages else []
        action = "hand_over" if stage == "inbound" else "block"
        return tuple(Finding(f"rule_{w}", action, self.words[w], w, (0, len(w)), "for the test") for w in fired)


def make_turn(
    text: str = "How do I change the card?",
    *,
    mind: FakeMind | None = None,
    knowledge: FakeKnowledge | None = None,
    policy: FakePolicy | None = None,
    formatter: Formatter | None = None,
    **brief: Any,
) -> TurnContext:
    clock = SystemClock()
    deps = Deps(
        mind=mind or FakeMind(),
        knowledge=knowledge or FakeKnowledge((passage("Open Settings and choose Replace card."),)),
        desk=DryRunDesk(clock),
        formatter=formatter or ChannelFormatter(profile()),
        policy=policy or FakePolicy(),  # pyright: ignore[reportArgumentType]
        profile=profile(),
        intents=(),
        clock=clock,
    )
    return TurnContext(deps, draft_brief(clock, text, **brief))


def runtime(turn: TurnContext) -> Runtime[TurnContext]:
    return Runtime(context=turn)
