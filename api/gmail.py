"""The mailbox's door: Pub/Sub says that something changed. The push is a hint; the intake worker asks Gmail what."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from api.bodies import JSON, media_type, parse_json
from api.context import ApiContext, context_of
from api.counters import acknowledging, count_refused
from api.problems import ApiProblem, problem_for_status, problem_responses
from api.webhooks import accept, not_configured

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
log = structlog.get_logger()

_Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]


class PushMessage(BaseModel):
    message_id: _Text = Field(alias="messageId", min_length=1)
    publish_time: _Text = Field(default="", alias="publishTime")
    data: _Text = Field(description="Base64 of {emailAddress, historyId}")


class Push(BaseModel):
    """https://cloud.google.com/pubsub/docs/push#receive_push"""

    message: PushMessage
    subscription: _Text


class _Notice(BaseModel):
    """What Gmail put into the push; the history id comes as a number or as text."""

    email_address: _Text = Field(alias="emailAddress")
    history_id: int = Field(alias="historyId", ge=0)


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
        "requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Push"}}}},
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
        push, notice = _read(await request.body())
        if not _ours(context, push, notice):
            return Response(status_code=204)  # a refusal would come back for seven days
        await accept(
            request,
            "email",
            "push",
            source_key=push.message.message_id,
            body=push.model_dump(by_alias=True),
            key=f"gmail:{notice.email_address.lower()}",
        )
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
        detail = "Send the OIDC token of the push subscription's service account."
        raise ApiProblem(401, "unauthorised", detail, headers={"WWW-Authenticate": 'Bearer realm="gmail"'})


def _read(raw: bytes) -> tuple[Push, _Notice]:
    try:
        push = Push.model_validate(parse_json(raw))
        notice: Any = from_json(base64.b64decode(push.message.data + "==", altchars=b"-_"), allow_inf_nan=False)
        return push, _Notice.model_validate(notice)
    except (ValidationError, ValueError, binascii.Error):
        count_refused("email", "unreadable")
        raise ApiProblem(
            400, "unreadable-push", "This is no Pub/Sub push of a Gmail watch; payload unwrapping must be off."
        ) from None


def _ours(context: ApiContext, push: Push, notice: _Notice) -> bool:
    if context.push_subscription and push.subscription != context.push_subscription:
        outcome = "unknown_subscription"
    elif context.mailbox and notice.email_address.lower() != context.mailbox.lower():
        outcome = "unknown_mailbox"
    else:
        return True
    count_refused("email", outcome)
    log.warning("webhook.ignored", channel="email", reason=outcome)
    return False
