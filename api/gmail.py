"""The mailbox's door: Pub/Sub says that something changed. The push is a hint; the intake worker asks Gmail what."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.bodies import JSON, media_type, parse_json
from api.context import ApiContext, context_of
from api.counters import acknowledging, count_refused
from api.problems import RETRY_AFTER_S, ApiProblem, problem_for_status, problem_responses
from api.webhooks import accept, not_configured
from channels.email.push import Push, decode_push
from core.errors import InvalidInbound

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
log = structlog.get_logger()


class PushMessage(BaseModel):
    message_id: str = Field(alias="messageId")
    data: str = Field(description="Base64 of {emailAddress, historyId}")


class PushBody(BaseModel):
    """https://cloud.google.com/pubsub/docs/push#receive_push"""

    message: PushMessage
    subscription: str


@router.post(
    "/gmail",
    summary="A change of the mailbox, from Pub/Sub",
    status_code=204,
    response_class=Response,
    responses={
        **problem_responses(400, 401, 408, 413, 415, 503),
        204: {"description": "Stored, stored before, or of a mailbox that is not ours"},
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/PushBody"}}}},
        "parameters": [{"name": "Authorization", "in": "header", "required": True, "schema": {"type": "string"}}],
    },
)
async def receive_push(request: Request) -> Response:
    """Google's OIDC token proves the speaker. What is not understood is refused, so that Pub/Sub keeps it for us."""
    with acknowledging("email"):
        context = context_of(request)
        await _authenticate(request, context)
        if media_type(request) != JSON:
            raise problem_for_status(415)
        push, body = _read(await request.body())
        if not _ours(context, push):
            return Response(status_code=204)  # a refusal would come back for seven days
        await accept(request, "email", "push", source_key=push.message_id, body=body, key=f"gmail:{push.mailbox}")
        return Response(status_code=204)


async def _authenticate(request: Request, context: ApiContext) -> None:
    if context.push_verifier is None:
        count_refused("email", "not_configured")
        raise not_configured("Email", "the FTE_GMAIL_... settings that .env.example lists")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    refusal = "missing" if scheme.lower() != "bearer" else await context.push_verifier(token.strip())
    if refusal is not None:
        count_refused("email", f"token_{refusal}")
        log.warning("webhook.refused", channel="email", reason=refusal)
        if refusal == "keys_unavailable":
            detail = "Google's signing keys cannot be fetched right now, so nobody can be believed. Send it again."
            raise ApiProblem(503, "temporarily-unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})
        detail = "Send the OIDC token of the push subscription's service account."
        raise ApiProblem(401, "unauthorised", detail, headers={"WWW-Authenticate": 'Bearer realm="gmail"'})


def _read(raw: bytes) -> tuple[Push, dict[str, Any]]:
    """The push, and what of it is stored: `decode_push` reads it again. Twice delivered it is the same."""
    fields = parse_json(raw)
    try:
        push = decode_push(fields)
        if "\x00" in push.message_id + push.subscription + push.mailbox:
            raise InvalidInbound
    except (InvalidInbound, ValueError):
        count_refused("email", "unreadable")
        detail = "This is no Pub/Sub push of a Gmail watch; payload unwrapping must be off."
        raise ApiProblem(400, "unreadable-push", detail) from None
    message = {"messageId": push.message_id, "data": fields["message"]["data"]}
    return push, {"message": message, "subscription": push.subscription}


def _ours(context: ApiContext, push: Push) -> bool:
    if context.push_subscription and push.subscription != context.push_subscription:
        outcome = "unknown_subscription"
    elif context.mailbox and push.mailbox != context.mailbox.lower():
        outcome = "unknown_mailbox"
    else:
        return True
    count_refused("email", outcome)
    log.warning("webhook.ignored", channel="email", reason=outcome)
    return False
