"""The ports: what nodes, tools and workers ask of the rooms beside them. Only `cli/` knows who answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from core.models import (
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
from core.vocabulary import Category, Channel, Priority


class Embedder(Protocol):
    """Texts to unit vectors of `dims` floats. `model_id` is stored beside every vector."""

    @property
    def model_id(self) -> str: ...
    @property
    def dims(self) -> int: ...
    async def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


class Mind(Protocol):
    """What the judging nodes ask of a language model, and the model that drives the responder's agent."""

    @property
    def name(self) -> str: ...
    def speaks(self, text: str) -> bool:
        """Whether a reply can be written in the language of this text."""
        ...

    async def classify(self, text: str, labels: Sequence[Label], *, instructions: str) -> Classification: ...
    async def rate_sentiment(self, text: str, *, instructions: str) -> Rating: ...
    async def rewrite_query(self, question: str, *, tried: Sequence[str], instructions: str) -> str:
        """Another way to ask the same, for a search that found nothing."""
        ...

    async def judge_policy(
        self, text: str, rules: Sequence[Rule], *, ordinary: Sequence[str], instructions: str
    ) -> Suspicion | None:
        """Which rule the text breaks though no pattern of it matched; `ordinary` are sentences that break none."""
        ...

    def agent_model(self) -> Any:
        """A `Model` of the OpenAI Agents SDK."""
        ...


class Knowledge(Protocol):
    """The company's documents."""

    async def search(self, query: str, *, limit: int = 5) -> SearchResult: ...
    async def get_passages(self, ids: Sequence[UUID]) -> list[Passage]: ...


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


class Formatter(Protocol):
    """The manners of the channels: greeting, length, signature, citations."""

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
    ) -> FormattedReply: ...


class ChannelAdapter(Protocol):
    """One channel: understand what came in, send what goes out."""

    @property
    def channel(self) -> Channel: ...
    async def read(self, event: InboundEvent) -> list[InboundMessage]:
        """The messages that an accepted event brings, none for a hint that brought nothing new. Raises InvalidInbound or ChannelError."""
        ...

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Send the stored text; safe to call again after a crash: the provider is asked first. Raises ChannelError."""
        ...
