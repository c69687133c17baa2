"""The customer's door: submit a question, look at its ticket."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import structlog
from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from starlette.responses import HTMLResponse, RedirectResponse

from api.bodies import (
    FORM,
    JSON,
    MAX_EMAIL_LENGTH,
    MAX_IDEMPOTENCY_KEY_LENGTH,
    EmailAddress,
    FreeText,
    Line,
    check_idempotency_key,
    media_type,
    read_fields,
)
from api.context import ANSWER_TIMEOUT_S, ApiContext, context_of
from api.counters import acknowledging, count_accepted, count_refused
from api.pages import expected_answer, form_page, message_page, ticket_page
from api.problems import ApiProblem, database_away, field_errors, invalid_field, invalid_fields, problem_responses
from api.ratelimit import limit_submissions
from api.tracing import trace_of
from core.errors import Conflict, DatabaseUnavailable, NotFound
from core.ids import new_ticket_id
from core.vocabulary import Author, Category, Channel, Priority, TicketStatus
from crm.inbound import Accepted, accept_event
from crm.pool import single_statements, transaction
from crm.views import TicketPage, get_ticket_page

router = APIRouter(tags=["support"])
log = structlog.get_logger()


class SubmitRequest(BaseModel):
    """A question through the web form."""

    model_config = ConfigDict(extra="ignore")

    name: Line = Field(min_length=1, max_length=120, examples=["Ada Osei"])
    email: EmailAddress = Field(max_length=MAX_EMAIL_LENGTH, examples=["ada@example.com"])
    subject: Line = Field(min_length=3, max_length=200, examples=["Exports stop at row 10,000"])
    category: Category = "general"
    priority: Priority = "medium"
    message: FreeText = Field(min_length=10, max_length=5000, examples=["Since this morning my exports stop."])
    website: str = Field(default="", description="Leave empty: people do not see this field, robots fill it in")

    @field_validator("website")
    @classmethod
    def _empty(cls, value: str) -> str:
        if value:
            raise ValueError("Leave this field empty; your browser may have filled it in by itself.")
        return value


class SubmitReceipt(BaseModel):
    ticket_id: str = Field(description="The key to the ticket page: who knows it can read the ticket")
    message: str
    estimated_response_time: str
    status_url: str = Field(description="The ticket page")


class SourceView(BaseModel):
    title: str
    url: str | None


class TicketMessage(BaseModel):
    id: UUID
    author: Author
    body: str
    created_at: datetime
    sources: list[SourceView]


class TicketView(BaseModel):
    """What its owner may see of a ticket."""

    ticket_id: str
    subject: str | None
    status: TicketStatus
    channel: Channel
    category: Category
    priority: Priority
    created_at: datetime
    updated_at: datetime
    estimated_response_time: str
    messages: list[TicketMessage]


_SCHEMA = {"schema": {"$ref": "#/components/schemas/SubmitRequest"}}


@router.post(
    "/support/submit",
    summary="Submit a question",
    response_model=SubmitReceipt,
    responses={
        **problem_responses(400, 408, 413, 415, 422, 429, 503),
        303: {"description": "A form was stored; Location is its ticket page"},
    },
    openapi_extra={"requestBody": {"required": True, "content": {JSON: _SCHEMA, FORM: _SCHEMA}}},
)
async def submit(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Repeated with the same body it is the same ticket: draw a random one for each question",
            min_length=1,
            max_length=MAX_IDEMPOTENCY_KEY_LENGTH,
        ),
    ] = None,
) -> Any:
    """Stored when answered: the ticket id is valid from that moment. A plain HTML form gets a page, JSON gets JSON."""
    with acknowledging("web_form"):
        if media_type(request) == FORM:
            return await _submit_form(request, idempotency_key)
        return await _submit_json(request, idempotency_key)


async def _submit_json(request: Request, idempotency_key: str | None) -> SubmitReceipt:
    context = context_of(request)
    limit_submissions(request)
    submission = _validated(await read_fields(request))
    accepted = await _accept(request, submission, idempotency_key)
    assert accepted.ticket_id is not None
    return SubmitReceipt(
        ticket_id=accepted.ticket_id,
        message=f"Thank you, {submission.name}. We have your message; the answer appears on your ticket page.",
        estimated_response_time=expected_answer(context.profile, submission.priority),
        status_url=_status_url(context, accepted.ticket_id),
    )


async def _submit_form(request: Request, idempotency_key: str | None) -> Response:
    """Without JavaScript: a page with the typed text and what to correct, or the way to the ticket page."""
    context = context_of(request)
    fields = await read_fields(request)
    typed_key = str(fields.pop("idempotency_key", "")) or uuid4().hex
    try:
        limit_submissions(request)
        accepted = await _accept(request, _validated(fields), idempotency_key or typed_key)
    except (ApiProblem, DatabaseUnavailable) as error:
        problem = database_away() if isinstance(error, DatabaseUnavailable) else error
        page = form_page(context.profile, key=uuid4().hex, typed=fields, problem=problem)
        return HTMLResponse(page, problem.status, problem.headers)
    return RedirectResponse(f"/support/ticket/{accepted.ticket_id}", 303)


def _validated(fields: dict[str, Any]) -> SubmitRequest:
    try:
        return SubmitRequest.model_validate(fields)
    except ValidationError as error:
        count_refused("web_form", "invalid")
        raise invalid_fields(field_errors(error)) from None


async def _accept(request: Request, submission: SubmitRequest, idempotency_key: str | None) -> Accepted:
    """Store the question. The same key again is the first ticket; with another body it is refused."""
    key = uuid4().hex if idempotency_key is None else check_idempotency_key(idempotency_key)
    ticket_id = new_ticket_id()
    try:
        async with single_statements(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
            accepted = await accept_event(
                conn,
                channel="web_form",
                kind="message",
                source_key=key,
                body=submission.model_dump(exclude={"website"}),
                key=ticket_id,
                ticket_id=ticket_id,
                trace=trace_of(request),
            )
    except Conflict:
        count_refused("web_form", "conflict")
        message = "This key was used for another message. Draw a new one for every new message."
        raise invalid_field("Idempotency-Key", message) from None
    count_accepted("web_form", duplicate=accepted.duplicate)
    log.info("submission.accepted", event_id=str(accepted.event_id), duplicate=accepted.duplicate)
    return accepted


def _status_url(context: ApiContext, ticket_id: str) -> str:
    path = f"/ticket/?id={ticket_id}" if context.has_web_pages else f"/support/ticket/{ticket_id}"
    return (context.public_base_url or "").rstrip("/") + path


@router.get(
    "/support/ticket/{ticket_id}",
    summary="Look at a ticket",
    response_model=TicketView,
    responses={**problem_responses(404, 503), 200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def get_ticket(request: Request, response: Response, ticket_id: str) -> Any:
    """The ticket id is the key. A browser that asks for a page gets one; everybody else gets JSON."""
    context = context_of(request)
    as_page = "text/html" in request.headers.get("accept", "")
    headers = {"Cache-Control": "no-store", "Vary": "Accept", "X-Robots-Tag": "noindex"}
    try:
        async with transaction(context.pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
            page = await get_ticket_page(conn, ticket_id)
    except NotFound as error:
        if as_page:
            return HTMLResponse(message_page(context.profile, "Ticket not found", error.detail), 404, headers)
        raise
    if as_page:
        return HTMLResponse(ticket_page(context.profile, page), headers=headers)
    response.headers.update(headers)
    return _ticket_view(context, page)


def _ticket_view(context: ApiContext, page: TicketPage) -> TicketView:
    ticket = page.ticket
    return TicketView(
        ticket_id=ticket.ticket_id,
        subject=ticket.subject,
        status=ticket.status,
        channel=ticket.channel,
        category=ticket.category,
        priority=ticket.priority,
        created_at=ticket.created_at,
        updated_at=ticket.updated_at,
        estimated_response_time=expected_answer(context.profile, ticket.priority, ticket.status),
        messages=[
            TicketMessage(
                id=m.id,
                author=m.author,
                body=m.body,
                created_at=m.created_at,
                sources=[SourceView(**s) for s in m.sources],
            )
            for m in page.messages
        ],
    )
