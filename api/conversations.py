"""A whole conversation, for those who may read conversations."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import require
from api.context import ANSWER_TIMEOUT_S, ApiContext, context_of
from api.costs import CostView
from api.problems import ApiProblem, problem_responses
from api.support import SourceView
from core.vocabulary import (
    Author,
    Category,
    Channel,
    DeliveryStatus,
    Direction,
    Evidence,
    MessageKind,
    Outcome,
    Owner,
    Priority,
    TicketStatus,
)
from crm.keys import ApiKey
from crm.moves import move_conversation
from crm.pool import transaction
from crm.views import get_conversation_view

router = APIRouter(tags=["conversations"])
log = structlog.get_logger()


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TurnView(CostView):
    """What the employee did about the messages of that `turn_id`, and what it cost."""

    turn_id: UUID
    ticket_id: str
    outcome: Outcome | None = Field(description="Null while it is at work")
    reason: str | None


class ConversationTicket(_View):
    ticket_id: str
    subject: str | None
    status: TicketStatus
    category: Category
    priority: Priority
    escalation_reason: str | None
    created_at: datetime
    updated_at: datetime
    cost: CostView | None = Field(description="Null before the first turn")


class AttachmentView(BaseModel):
    """What came with a message. The content stays with the provider, who does not always tell its size."""

    name: str = ""
    content_type: str = ""
    bytes: int | None = None
    dangerous: bool = False
    within_limits: bool = True


class ConversationMessage(_View):
    id: UUID
    seq: int
    ticket_id: str
    turn_id: UUID | None
    direction: Direction
    author: Author
    kind: MessageKind
    body: str
    created_at: datetime
    sentiment: float | None
    automatic: str | None = Field(description="The rule that says no person wrote this")
    outcome: Outcome | None = Field(description="What became of an inbound message; null while it is worked on")
    outcome_reason: str | None
    attachments: list[AttachmentView]
    delivery_status: DeliveryStatus | None
    copy_status: DeliveryStatus | None = Field(description="Of the copy by mail that a reply to the form may have")
    sources: list[SourceView]


class ConversationView(BaseModel):
    id: UUID
    channel: Channel
    reply_channel: Channel = Field(description="Where replies leave: elsewhere once the conversation was moved")
    subject: str | None
    owner: Owner = Field(description="Who answers now")
    evidence: Evidence = Field(description="How we know who writes")
    sentiment: float | None
    created_at: datetime
    updated_at: datetime
    customer_id: UUID
    customer_name: str | None
    related_to: UUID | None = Field(
        description="A conversation that may belong to this one; nothing of it is used here"
    )
    tickets: list[ConversationTicket]
    messages: list[ConversationMessage] = Field(description="The newest page, oldest first")
    turns: list[TurnView] = Field(description="The newest turns, oldest first")
    next_before: int | None = Field(description="Send it as `before` for the page before; null at the beginning")


@router.get(
    "/conversations/{conversation_id}",
    summary="Read a conversation",
    response_model=ConversationView,
    responses=problem_responses(401, 403, 404, 422, 503),
)
async def get_conversation(
    request: Request,
    response: Response,
    conversation_id: UUID,
    key: Annotated[ApiKey, require("conversations:read")],
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Any:
    async with transaction(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        view = await get_conversation_view(conn, conversation_id, limit=limit, before=before)
    response.headers["Cache-Control"] = "no-store"
    facts = view.conversation
    return {
        **_fields(facts),
        "tickets": [{**_fields(ticket), "cost": view.costs.get(ticket.ticket_id)} for ticket in view.tickets],
        "messages": view.messages,
        "turns": view.turns,
        "next_before": view.next_before,
    }


def _fields(row: Any) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


class MoveRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: Channel = Field(description="Where further replies leave; the channel it came in by takes a move back")


class MovedConversation(_View):
    id: UUID
    channel: Channel
    reply_channel: Channel


@router.post(
    "/conversations/{conversation_id}/move",
    summary="Go on in another channel",
    response_model=MovedConversation,
    responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 422, 503),
)
async def move(
    request: Request, conversation_id: UUID, body: MoveRequest, key: Annotated[ApiKey, require("reviews:write")]
) -> Any:
    """Only to an address that the customer has proved; 409 where there is none."""
    context = context_of(request)
    if body.channel not in _configured(context):
        raise ApiProblem(409, "conflict", f"{body.channel} is not configured here, so nothing can be sent there.")
    async with transaction(context.pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        await move_conversation(conn, conversation_id, body.channel, by=key.name)
        view = await get_conversation_view(conn, conversation_id, limit=1)
    log.info("conversation.moved", conversation_id=str(conversation_id), channel=body.channel, key=key.prefix)
    return view.conversation


def _configured(context: ApiContext) -> set[Channel]:
    mail: set[Channel] = {"email"} if context.mailbox else set()
    whatsapp: set[Channel] = {"whatsapp"} if context.whatsapp_secrets else set()
    return {"web_form", *mail, *whatsapp}
