"""The ports: what nodes, tools and workers ask of the rooms beside them. Only `cli/` knows who answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from core.models import (
    Claim,
    Classification,
    FormattedReply,
    HistoryEntry,
    InboundEvent,
    InboundMessage,
    Label,
    Outgoing,
    Passage,
    Rating,
    Receipt,
    ReplySentence,
    SearchResult,
    Suspicion,
    Ticket,
    TurnBrief,
    TurnResult,
)
from core.policy import Rule
from core.spending import ModelCall
from core.vocabulary import Category, Channel, Priority, Stage


class Embedder(Protocol):
    """Texts to unit vectors of `dims` floats. `model_id` is stored beside every vector."""

    @property
    def model_id(self) -> str: ...
    @property
    def dims(self) -> int: ...
    async def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


class Judge(Protocol):
    """What the judging nodes ask of a language model. `name` stands in the proof of what it judged."""

    @property
    def name(self) -> str: ...
    async def classify(self, text: str, labels: Sequence[Label], *, instructions: str) -> Classification: ...
    async def rate_sentiment(self, text: str, *, instructions: str) -> Rating: ...
    async def find_unsupported(self, claims: Sequence[Claim], *, instructions: str) -> frozenset[int] | None:
        """Which claims, by their place, say more than their sources; None from a mind that cannot judge it."""
        ...

    async def judge_policy(
        self, text: str, rules: Sequence[Rule], *, stage: Stage, ordinary: Sequence[str], instructions: str
    ) -> tuple[Suspicion, ...]:
        """Which rules the text breaks by its meaning, the one to act on first; `ordinary` are sentences that break none."""
        ...


class Writer(Protocol):
    """Who finds words: for a search, for a colleague, and through an agent for the customer."""

    def speaks(self, text: str) -> bool:
        """Whether a reply can be written in the language of this text."""
        ...

    async def rewrite_query(self, question: str, *, tried: Sequence[str], instructions: str) -> str:
        """Another way to ask the same, for a search that found nothing."""
        ...

    async def summarise(self, case: str, *, instructions: str) -> str:
        """A few sentences for the colleague who takes over; empty where there is nothing to add to the case as it stands."""
        ...

    def agent_model(self) -> Any:
        """A `Model` of the OpenAI Agents SDK, which drives the responder's agent."""
        ...


class Mind(Judge, Writer, Protocol):
    """Both, from one provider: online or offline."""


class Knowledge(Protocol):
    """The company's documents."""

    async def search(self, query: str, *, limit: int = 5) -> SearchResult: ...
    async def get_passages(self, ids: Sequence[UUID]) -> list[Passage]: ...
    async def list_neighbours(self, ids: Sequence[UUID]) -> list[Passage]:
        """What stands directly before and behind these passages in the same section; scores are 0."""
        ...


class Desk(Protocol):
    """The CRM as one turn sees it. Reading is free; writing happens once, in `finish_turn`."""

    async def find_ticket(self, brief: TurnBrief) -> Ticket | None: ...
    async def open_ticket(self, brief: TurnBrief, *, category: Category, priority: Priority) -> Ticket: ...
    async def list_history(self, brief: TurnBrief, *, limit: int = 20) -> list[HistoryEntry]:
        """Earlier messages, oldest first: this conversation, and others of the customer only where identity is proved."""
        ...

    async def finish_turn(self, brief: TurnBrief, result: TurnResult) -> None:
        """Make the whole result true in one transaction, or nothing of it. Raises StaleTurn or HandOverFence."""
        ...

    async def keep_calls(self, brief: TurnBrief, calls: Sequence[ModelCall]) -> None:
        """Of a turn that was not finished: what models cost all the same."""
        ...


class Formatter(Protocol):
    """The manners of the channels: greeting, length, signature, citations. `language` is of what is added, not of the text."""

    def format(
        self,
        channel: Channel,
        sentences: Sequence[ReplySentence],
        *,
        customer_name: str | None,
        subject: str | None,
        ticket_id: str,
        citations: Sequence[Mapping[str, str]] = (),
        first_reply: bool = True,
        language: str = "en",
    ) -> FormattedReply: ...


class ChannelAdapter(Protocol):
    """One channel: understand what came in, send what goes out."""

    @property
    def channel(self) -> Channel: ...
    async def read(self, event: InboundEvent) -> list[InboundMessage]:
        """The messages that an accepted event brings, none for a hint that brought nothing new. Raises InvalidInbound or ChannelError."""
        ...

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Send the stored text, or its next part; safe to call again after a crash: the provider is asked first.

        Raises ChannelError.
        """
        ...
