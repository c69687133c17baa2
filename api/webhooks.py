"""The providers' doors: prove who speaks, store what was said to the letter, answer. Nothing else happens here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Request, Response

from api.bodies import FORM, media_type, parse_form
from api.context import ANSWER_TIMEOUT_S, context_of
from api.counters import acknowledging, count_accepted, count_refused
from api.problems import ApiProblem, problem_for_status, problem_responses
from api.tracing import trace_of
from channels.whatsapp.inbound import event_body, message_sid, sender_address
from channels.whatsapp.signature import public_url, refuse
from channels.whatsapp.status import read_status
from core.errors import Conflict, InvalidInbound
from core.vocabulary import Channel, InboundKind
from crm.inbound import accept_event
from crm.pool import single_statements

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
log = structlog.get_logger()

Pairs = list[tuple[str, str]]
_EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_XML: dict[str, Any] = {"text/xml": {"schema": {"type": "string"}}}
_TWILIO_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {FORM: {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}},
    },
    "parameters": [{"name": "X-Twilio-Signature", "in": "header", "required": True, "schema": {"type": "string"}}],
}
_TWILIO_RESPONSES: dict[int | str, dict[str, Any]] = {
    **problem_responses(400, 408, 413, 415, 503),
    200: {"description": "Stored, or stored before", "content": _XML},
    403: {"description": "Not signed by Twilio; the body is empty"},
}


@router.post(
    "/whatsapp", summary="A WhatsApp message from Twilio", responses=_TWILIO_RESPONSES, openapi_extra=_TWILIO_FORM
)
async def receive_whatsapp(request: Request) -> Response:
    """Signed over the public address and all fields. What cannot be understood is stored too: a person looks."""
    with acknowledging("whatsapp"):
        raw = await request.body()
        params = _form(request, raw)
        if not _signed(request, params):
            return Response(status_code=403)
        body = event_body(params)
        await accept(
            request,
            "whatsapp",
            "message",
            source_key=_message_key(body, raw),
            body=body,
            key=_sender_key(body),
            raw=raw,
        )
        return Response(_EMPTY_TWIML, media_type="text/xml")


@router.post(
    "/whatsapp/status",
    summary="What became of a WhatsApp message we sent",
    responses={**_TWILIO_RESPONSES, **problem_responses(422)},
    openapi_extra=_TWILIO_FORM,
)
async def receive_whatsapp_status(request: Request) -> Response:
    """Stored with the fields of our own callback address (`oid`, `part`) beside Twilio's."""
    with acknowledging("whatsapp"):
        raw = await request.body()
        params = _form(request, raw)
        if not _signed(request, params):
            return Response(status_code=403)
        query = parse_qsl(request.url.query, keep_blank_values=True)
        body = event_body([*params, *query])
        try:
            report = read_status(body, body)
        except InvalidInbound:
            count_refused("whatsapp", "invalid")
            detail = "A status callback needs a MessageSid and a MessageStatus that we know."
            raise ApiProblem(422, "unknown-status", detail) from None
        await accept(
            request, "whatsapp", "status", source_key=report.source_key, body=body, key=report.provider_message_id
        )
        return Response(_EMPTY_TWIML, media_type="text/xml")


def _form(request: Request, raw: bytes) -> Pairs:
    if context_of(request).whatsapp_secrets is None:
        count_refused("whatsapp", "not_configured")
        raise not_configured("WhatsApp", "FTE_TWILIO_ACCOUNT_SID, FTE_TWILIO_AUTH_TOKEN and FTE_TWILIO_WHATSAPP_FROM")
    if media_type(request) != FORM:
        raise problem_for_status(415)
    return parse_form(raw)


def _signed(request: Request, params: Pairs) -> bool:
    """The address is the public one that Twilio called, whatever a proxy made of it."""
    context = context_of(request)
    assert context.whatsapp_secrets is not None
    base = context.public_base_url or str(request.base_url)
    url = public_url(base, request.url.path, request.url.query)
    refusal = refuse(context.whatsapp_secrets, url, params, request.headers)
    if refusal is not None:
        count_refused("whatsapp", f"signature_{refusal}")
        log.warning("webhook.refused", channel="whatsapp", reason=refusal)
    return refusal is None


def _message_key(body: Mapping[str, str], raw: bytes) -> str:
    try:
        return message_sid(body)
    except InvalidInbound:
        return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _sender_key(body: Mapping[str, str]) -> str:
    """What keeps one sender's messages in order, without being an address."""
    try:
        address = sender_address(body)[1]
    except InvalidInbound:
        address = ""
    return f"whatsapp:{hashlib.sha256(address.encode()).hexdigest()[:32]}"


async def accept(
    request: Request,
    channel: Channel,
    kind: InboundKind,
    *,
    source_key: str,
    body: Mapping[str, Any],
    key: str,
    raw: bytes | None = None,
) -> None:
    """Store an event. A redelivery that differs in a detail is still the same event: the first is kept."""
    try:
        async with single_statements(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
            accepted = await accept_event(
                conn,
                channel=channel,
                kind=kind,
                source_key=source_key,
                body=body,
                key=key,
                raw=raw,
                trace=trace_of(request),
            )
    except Conflict as conflict:
        count_accepted(channel, duplicate=True, message=kind == "message")
        log.warning("webhook.differs", channel=channel, kind=kind, event_id=str(conflict.ids.get("event_id")))
        return
    count_accepted(channel, duplicate=accepted.duplicate, message=kind == "message")
    log.info(
        "webhook.accepted", channel=channel, kind=kind, event_id=str(accepted.event_id), duplicate=accepted.duplicate
    )


def not_configured(channel: str, names: str) -> ApiProblem:
    return ApiProblem(503, "channel-not-configured", f"{channel} is not configured here: set {names}.")
