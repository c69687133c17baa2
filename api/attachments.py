"""What a customer sent besides text, for the person who answers: fetched from the provider now, kept nowhere."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response

from api.auth import require
from api.context import ANSWER_TIMEOUT_S, context_of
from api.problems import ApiProblem, problem_responses
from channels.whatsapp.media import Media
from core.errors import ChannelError
from crm.attachments import get_attachment
from crm.keys import ApiKey
from crm.pool import transaction

router = APIRouter(tags=["conversations"])
_RETRY_AFTER_S: Final = 30
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file, to be saved", "content": {"application/octet-stream": {}}}
}


@router.get(
    "/conversations/{conversation_id}/messages/{message_id}/attachments/{number}",
    summary="Read an attachment of a WhatsApp message",
    response_class=Response,
    responses={**_FILE, **problem_responses(401, 403, 404, 422, 503)},
)
async def read_attachment(
    request: Request,
    conversation_id: UUID,
    message_id: UUID,
    number: Annotated[int, Path(ge=0, le=100, description="Its place in the message's list, from 0")],
    key: Annotated[ApiKey, require("conversations:read")],
) -> Response:
    async with transaction(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
        known = await get_attachment(conn, conversation_id, message_id, number)
    media = await _fetch(request, str(known.get("url") or ""))
    # Never shown by the browser under our address: a customer's file is data.
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(str(known.get('name') or 'attachment'), safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(media.content, media_type=media.content_type, headers=headers)


async def _fetch(request: Request, url: str) -> Media:
    fetcher = context_of(request).whatsapp_media
    if fetcher is None or not url:
        raise ApiProblem(404, "attachment-elsewhere", "The content is with the provider: open the message there.")
    try:
        return await fetcher.fetch(url)
    except ChannelError as error:
        if error.permanent:
            raise ApiProblem(404, "attachment-not-given", f"{error.detail}.") from error
        detail = "Twilio does not answer now. Try again in half a minute."
        raise ApiProblem(503, "provider-unavailable", detail, headers={"Retry-After": str(_RETRY_AFTER_S)}) from error
