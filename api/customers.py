"""Who is behind an address, for those who may read customers. The query is personal data and is never logged."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import require
from api.bodies import MAX_EMAIL_LENGTH
from api.context import ANSWER_TIMEOUT_S, context_of
from api.problems import ApiProblem, invalid_field, problem_responses
from core.vocabulary import Channel, Evidence, IdentifierKind, Owner, TicketStatus
from crm.keys import ApiKey
from crm.pool import transaction
from crm.views import find_customers

router = APIRouter(tags=["customers"])


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class IdentifierView(_View):
    kind: IdentifierKind
    value: str
    evidence: Evidence


class ConversationSummary(_View):
    id: UUID
    channel: Channel
    subject: str | None
    owner: Owner
    created_at: datetime
    updated_at: datetime
    ticket_id: str | None
    status: TicketStatus | None = Field(description="Of the newest ticket")


class CustomerView(_View):
    id: UUID
    name: str | None
    created_at: datetime
    evidence: Evidence = Field(description="How sure it is that the address is this customer's; claimed proves nothing")
    identifiers: list[IdentifierView]
    conversations: list[ConversationSummary] = Field(description="The newest twenty")


class CustomerList(BaseModel):
    customers: list[CustomerView] = Field(
        description="The proved owner of the address first, then who merely claimed it"
    )


@router.get(
    "/customers/lookup",
    summary="Look a customer up",
    response_model=CustomerList,
    responses=problem_responses(401, 403, 404, 422, 503),
)
async def look_up(
    request: Request,
    response: Response,
    key: Annotated[ApiKey, require("customers:read")],
    email: Annotated[str | None, Query(min_length=3, max_length=MAX_EMAIL_LENGTH)] = None,
    phone: Annotated[
        str | None, Query(description="+491701234567; blanks and hyphens do not matter", max_length=40)
    ] = None,
) -> Any:
    """By exactly one of email and phone."""
    if (email is None) == (phone is None):
        raise invalid_field("email", "Ask by either email or phone.")
    async with transaction(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        if email is not None:
            customers = await find_customers(conn, "email", _storable(email, "email"))
        else:
            customers = await find_customers(conn, "phone", _e164(phone or ""))
    if not customers:
        raise ApiProblem(404, "not-found", "No customer has this address.")
    response.headers["Cache-Control"] = "no-store"
    return {"customers": customers}


def _e164(phone: str) -> str:
    """In a query string an unescaped plus is a blank."""
    digits = "".join(character for character in phone if character.isascii() and character.isdigit())
    if not 6 <= len(digits) <= 15:
        raise invalid_field("phone", "Send the number with its country code, like +491701234567.")
    return f"+{digits}"


def _storable(address: str, field: str) -> str:
    if "\x00" in address:
        raise invalid_field(field, "Send an email address like name@example.com.")
    return address
