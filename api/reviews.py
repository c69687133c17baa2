"""The reviewers' door: what waits for a person, and what the person decides. A worker carries it out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.auth import require
from api.bodies import FreeText
from api.context import ANSWER_TIMEOUT_S, context_of
from api.problems import invalid_field, problem_responses
from core.vocabulary import Channel, Decision, Priority
from crm.keys import ApiKey
from crm.pool import transaction
from crm.reviews import decide_review, get_review, list_reviews

router = APIRouter(prefix="/reviews", tags=["reviews"])
log = structlog.get_logger()
MAX_TEXT_LENGTH = 10_000


class ReviewView(BaseModel):
    """A hand-over with what the person needs: the rule, the words that fired it, what else would have happened."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    ticket_id: str
    conversation_id: UUID
    turn_id: UUID
    channel: Channel
    priority: Priority
    subject: str | None
    customer_name: str | None
    customer_text: str
    related_to: UUID | None = Field(description="A conversation that may belong to it: same thread, another sender")
    reason: str
    rule: str
    evidence: str
    counterfactual: str
    summary: str
    draft: str | None
    status: Literal["open", "decided", "done"]
    version: int = Field(description="Send it back with the decision: it proves that you saw the newest state")
    decision: Decision | None
    decision_text: str | None
    decision_note: str | None
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime


class ReviewList(BaseModel):
    reviews: list[ReviewView]


class DecisionRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decision: Decision
    version: int = Field(ge=1, le=2**31 - 1)
    text: FreeText | None = Field(default=None, max_length=MAX_TEXT_LENGTH, description="What is sent: edit, respond")
    note: FreeText | None = Field(default=None, max_length=2000, description="Why, for colleagues: required to reject")

    def require_parts(self) -> Self:
        """Raises ApiProblem 422 where the decision lacks what it is made of."""
        if self.decision in ("edit", "respond") and not self.text:
            raise invalid_field("text", "Write the text that the customer gets.")
        if self.decision == "reject" and not self.note:
            raise invalid_field("note", "Say why, in a few words.")
        return self


@router.get("", summary="List reviews", response_model=ReviewList, responses=problem_responses(401, 403, 422, 503))
async def list_(
    request: Request,
    key: Annotated[ApiKey, require("reviews:read")],
    status: Literal["open", "decided", "done"] = "open",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Any:
    """Oldest first."""
    async with transaction(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        return {"reviews": await list_reviews(conn, status=status, limit=limit)}


@router.get(
    "/{review_id}",
    summary="Read a review",
    response_model=ReviewView,
    responses=problem_responses(401, 403, 404, 422, 503),
)
async def get(request: Request, review_id: UUID, key: Annotated[ApiKey, require("reviews:read")]) -> Any:
    async with transaction(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        return await get_review(conn, review_id)


@router.post(
    "/{review_id}/decision",
    summary="Decide a review",
    status_code=202,
    response_model=ReviewView,
    responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 422, 503),
)
async def decide(
    request: Request, review_id: UUID, decision: DecisionRequest, key: Annotated[ApiKey, require("reviews:write")]
) -> Any:
    """Accepted when stored; a worker resumes the turn. 409 when somebody was faster or the review changed."""
    decision.require_parts()
    async with transaction(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        review = await decide_review(
            conn,
            review_id,
            decision=decision.decision,
            reviewer=key.name,
            expected_version=decision.version,
            text=decision.text,
            note=decision.note,
        )
    log.info("review.decided", review_id=str(review_id), decision=decision.decision, key=key.prefix)
    return review
