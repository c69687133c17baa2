"""The nouns: what the rooms hand to each other. Rows are read into these classes by their field names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.spending import ModelCall
from core.vocabulary import (
    Author,
    Category,
    Channel,
    Decision,
    Direction,
    EscalationReason,
    Evidence,
    IdentifierKind,
    InboundKind,
    MessageKind,
    Outcome,
    Owner,
    Priority,
    SentenceKind,
    TicketStatus,
)


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """What a webhook or the form accepted, to the letter. `ticket_id` is minted at the edge where a customer needs it at once."""

    id: UUID
    channel: Channel
    kind: InboundKind
    source_key: str
    body: dict[str, Any]
    received_at: datetime
    ticket_id: str | None = None
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, and how we know: `verified` by a signed channel, `confirmed` by its owner or a person, or merely `claimed` in a form."""

    kind: IdentifierKind
    value: str
    evidence: Evidence
    name: str | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """An inbound event, understood. `text` is what the employee reads; `full_text` keeps quotes and signature.

    `automatic` names the rule that says no person wrote this, or that it is a mere STOP, START or HELP: it is recorded and
    no turn is made of it.
    """

    channel: Channel
    sender: Sender
    text: str
    full_text: str
    provider_message_id: str
    subject: str | None = None
    thread_key: str | None = None
    category: Category | None = None
    priority: Priority = "medium"
    sent_at: datetime | None = None
    automatic: str | None = None
    attachments: tuple[Mapping[str, Any], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    id: UUID
    customer_id: UUID
    channel: Channel
    subject: str | None
    owner: Owner
    owner_epoch: int
    evidence: Evidence
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str
    conversation_id: UUID
    customer_id: UUID
    channel: Channel
    subject: str | None
    category: Category
    priority: Priority
    status: TicketStatus
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    id: UUID
    conversation_id: UUID
    direction: Direction
    author: Author
    kind: MessageKind
    body: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of the company's documents. `score` is absolute (cosine plus weighted BM25), comparable between queries.

    `ordinal` is its place on the page: a long section is several passages under one heading.
    """

    id: UUID
    article_id: UUID
    slug: str
    title: str
    heading: str
    text: str
    url: str | None
    product: str | None
    version: str | None
    hash: str
    score: float
    cosine: float
    lexical: float
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Best first. Empty when `confidence`, that these answer the question, is below `floor`: then nothing is shown.

    `best_score` is the first passage's, or what it would have been.
    """

    query: str
    passages: tuple[Passage, ...]
    best_score: float
    confidence: float
    floor: float
    knowledge_version: int


@dataclass(frozen=True, slots=True)
class ReplySentence:
    """One sentence of a reply and the passages that support it; none means courtesy."""

    text: str
    passages: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sentence of a sent reply came from, kept so that it can be re-checked."""

    sentence_no: int
    sentence: str
    passage_id: UUID
    passage_hash: str
    slug: str
    title: str
    url: str | None
    score: float
    knowledge_version: int


@dataclass(frozen=True, slots=True)
class SentenceProof:
    """Why a sentence of a sent reply was taken: how it stands to its sources and how much of it they cover.

    `rules` is the version of the rules that took it; `judged_by` the model that agreed, None where the rules decided.
    """

    sentence_no: int
    sentence: str
    kind: SentenceKind
    score: float
    rules: str
    judged_by: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence and the text that is said to support it, for a model to judge."""

    sentence: str
    source: str


@dataclass(frozen=True, slots=True)
class FormattedReply:
    """The final text in the manner of the channel: exactly what the customer gets. `parts` are sent in order."""

    channel: Channel
    text: str
    parts: tuple[str, ...]
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An earlier message. `same_conversation` is False for one from another conversation of the customer."""

    author: Author
    channel: Channel
    text: str
    at: datetime
    same_conversation: bool = True


@dataclass(frozen=True, slots=True)
class Escalation:
    """Why a person is asked: the rule, the words that fired it and what would have happened without it."""

    reason: EscalationReason
    rule: str
    evidence: str
    counterfactual: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class TurnBrief:
    """What one turn is about, read from the CRM before the graph runs. `lease` proves that this worker holds the turn.

    `tokens_today` and `usd_micros_today` are what models cost in this customer's turns of the last 24 hours.
    `moods` are the sentiments of the customer's two messages before it, the older first.
    """

    turn_id: UUID
    lease: UUID
    conversation_id: UUID
    customer_id: UUID
    ticket_id: str
    channel: Channel
    customer_name: str | None
    evidence: Evidence
    subject: str | None
    text: str
    category: Category
    priority: Priority
    owner_epoch: int
    first_reply: bool
    attempt: int
    received_at: datetime
    resuming: bool = False
    tokens_today: int = 0
    usd_micros_today: int = 0
    moods: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class ReviewDecision:
    """What a person decided about a handed-over turn."""

    review_id: UUID
    decision: Decision
    reviewer: str
    text: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TurnResult:
    """How a turn ended. Everything in it becomes true in one transaction."""

    outcome: Outcome
    reason: str
    reply: FormattedReply | None = None
    reply_author: Author = "assistant"
    sources: tuple[Source, ...] = ()
    proof: tuple[SentenceProof, ...] = ()
    escalation: Escalation | None = None
    held_draft: str | None = None
    intent: str | None = None
    sentiment: float | None = None
    category: Category | None = None
    priority: Priority | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    node_ms: Mapping[str, float] = field(default_factory=dict)
    decision: ReviewDecision | None = None
    calls: tuple[ModelCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A stored message on its way out. `parts` is what was stored, to the letter; `attempt` counts from 1.

    A copy goes a second way: the customer has the message itself on the way by which they wrote.
    """

    delivery_id: UUID
    message_id: UUID
    ticket_id: str
    channel: Channel
    recipient: str
    subject: str | None
    parts: tuple[str, ...]
    attempt: int
    author: Author
    conversation_id: UUID
    thread: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider said about a send. `sending`: a part is out, and more of them wait for their turn."""

    provider_message_id: str
    status: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Label:
    """A class that text can belong to, with words for a model and labelled examples to learn from.

    `in_scope` is False for a class of what is none of our business.
    """

    id: str
    description: str
    examples: tuple[str, ...] = ()
    in_scope: bool = True


@dataclass(frozen=True, slots=True)
class Classification:
    """`familiarity` orders texts of one classifier by how surely they belong to any label in scope; None: not known."""

    label: str
    confidence: float
    runner_up: str | None = None
    nearest: str | None = None
    familiarity: float | None = None


@dataclass(frozen=True, slots=True)
class Rating:
    """Sentiment from 0 (furious) to 1 (delighted); `cues` are the words that moved it."""

    score: float
    cues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A rule that a mind sees broken: on which words of the text, how sure it is, and why it thinks so."""

    rule_id: str
    evidence: str
    confidence: float
    because: str
