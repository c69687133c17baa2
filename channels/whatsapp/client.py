"""The real `twilio` client over httpx: time-outs and cancellation that hold, errors in our words."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from core.errors import ChannelError, RecipientStopped, WindowClosed

API_BASE: Final = "https://api.twilio.com"
TIMEOUT: Final = "timeout"
_UNREADABLE: Final = "unreadable"
_PAGE: Final = 100
# Refusals that are about the moment, not about the message: concurrency, the sender's rate, the daily cap.
_PASSING: Final = {"20429": 5.0, "63018": 10.0, "63017": 10.0, "63038": 3600.0, "14107": 10.0}
UNSUBSCRIBED: Final = "21610"
WINDOW_CLOSED: Final = "63016"
_CAUSES: Final[Mapping[str, type[ChannelError]]] = {UNSUBSCRIBED: RecipientStopped, WINDOW_CLOSED: WindowClosed}
_WORDS: Final = {
    WINDOW_CLOSED: "The customer wrote more than 24 hours ago: WhatsApp takes only approved templates now",
    UNSUBSCRIBED: "The customer has unsubscribed from our number",
    "21617": "The message is longer than the 1,600 characters that Twilio takes",
    "21211": "The recipient is not a number that Twilio can reach",
    "20003": "Twilio refuses our credentials: check the account and its auth token",
}


class TwilioApi:
    """Messages of one account: create and list. Raises ChannelError."""

    def __init__(
        self, account_sid: str, auth_token: str, *, base_url: str | None = None, timeout_s: float = 15.0
    ) -> None:
        self._http = _Transport(timeout_s)
        self._client = Client(account_sid, auth_token, http_client=self._http, environment={})
        if base_url:
            self._client.api.base_url = base_url.rstrip("/")

    async def create(self, *, to: str, sender: str, content: Mapping[str, str], status_callback: str | None) -> str:
        """The id of the accepted message. `content` is a body, or the id and the variables of a template."""
        optional: dict[str, Any] = {"status_callback": status_callback} if status_callback else {}
        try:
            message = await self._client.messages.create_async(to=to, from_=sender, **content, **optional)
        except TwilioException as error:
            raise _translate(error) from error
        return str(message.sid)

    async def fetch(self, sid: str) -> MessageInstance | None:
        try:
            return await self._client.messages(sid).fetch_async()
        except TwilioException as error:
            if isinstance(error, TwilioRestException) and error.status == 404:
                return None
            raise _translate(error) from error

    async def list_sent(self, *, to: str, sender: str, since: datetime) -> list[MessageInstance]:
        """What went to a recipient, oldest first."""
        return await self._list(since, to=to, from_=sender)

    async def list_received(self, *, to: str, since: datetime) -> list[MessageInstance]:
        """What customers wrote to our number, oldest first."""
        return [m for m in await self._list(since, to=to) if m.direction == "inbound"]

    async def list_media(self, sid: str) -> list[tuple[str, str]]:
        """Address and content type of each medium of a message."""
        try:
            found = await self._client.messages(sid).media.list_async()
        except TwilioException as error:
            raise _translate(error) from error
        return [(f"{API_BASE}{str(m.uri).removesuffix('.json')}", m.content_type or "") for m in found]

    async def _list(self, since: datetime, **wanted: str) -> list[MessageInstance]:
        """Newest first as they come, so the first that is too old ends it; a queued message has no date_sent to filter by."""
        options: dict[str, Any] = dict(wanted)
        found: list[MessageInstance] = []
        try:
            async for message in await self._client.messages.stream_async(page_size=_PAGE, **options):
                if message.date_created is not None and message.date_created < since:
                    break
                found.append(message)
        except TwilioException as error:
            raise _translate(error) from error
        recent = [m for m in found if m.date_created is not None]
        return sorted(reversed(recent), key=lambda m: m.date_created or since)

    async def close(self) -> None:
        await self._http.close()


class _Transport(AsyncHttpClient):
    """twilio's own asynchronous client stands on an aiohttp feature that is going away, hence ours."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(logging.getLogger("twilio.http_client"), True, timeout_s)
        self._client = httpx.AsyncClient(timeout=timeout_s, trust_env=False, follow_redirects=False)

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is twilio's
        allow_redirects: bool = False,
    ) -> Response:
        try:
            answer = await self._client.request(method, uri, params=params, data=data, headers=headers, auth=auth)
        except httpx.HTTPError as error:
            raise ChannelError(
                "Twilio did not answer in time; whether it took the message is open", code=TIMEOUT
            ) from error
        if answer.status_code in (429, 503):
            words = "Twilio is busy" if answer.status_code == 429 else "Twilio is out of service"
            raise ChannelError(words, retry_after_s=_retry_after_s(answer), code=str(answer.status_code))
        return Response(answer.status_code, answer.text, answer.headers)

    async def close(self) -> None:
        await self._client.aclose()


def _translate(error: TwilioException) -> ChannelError:
    if not isinstance(error, TwilioRestException):
        return ChannelError("Twilio gave an answer that cannot be read", code=_UNREADABLE)
    code = str(error.code or error.status)
    if error.status >= 500:
        return ChannelError(f"Twilio failed with {error.status}", code=str(error.status))
    if error.status in (401, 403) or code in _PASSING:
        return ChannelError(_words(code), retry_after_s=_PASSING.get(code, 60.0), code=code)
    return refusal(code)


def refusal(code: str, words: str | None = None) -> ChannelError:
    """A refusal for good, by Twilio's error code: inline, or in a status report."""
    return _CAUSES.get(code, ChannelError)(words or _words(code), permanent=True, code=code)


def never_taken(error: ChannelError) -> bool:
    """True where Twilio certainly did not take the message; a time-out or a 5xx leaves that open."""
    code = error.code or TIMEOUT
    return code not in (TIMEOUT, _UNREADABLE) and not re.fullmatch(r"5\d\d", code)


def _words(code: str) -> str:
    return _WORDS.get(code, f"Twilio refused with error {code}")


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds, or a date: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after. None where Twilio does not say."""
    given = answer.headers.get("Retry-After", "").strip()
    if given.isascii() and given.isdecimal():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
