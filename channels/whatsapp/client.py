"""The real `twilio` client over httpx: time-outs and cancellation that hold, errors in our words."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

import httpx
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from core.errors import ChannelError

TIMEOUT: Final = "timeout"
_LISTED: Final = 100
# Refusals that are about the moment, not about the message: concurrency, the sender's rate, the daily cap.
_PASSING: Final = {"20429": 5.0, "63018": 10.0, "63017": 10.0, "63038": 3600.0, "14107": 10.0}
_WORDS: Final = {
    "63016": "The customer wrote more than 24 hours ago: WhatsApp takes only approved templates now",
    "21610": "The customer has unsubscribed from our number",
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

    async def create(self, *, to: str, sender: str, body: str, status_callback: str | None) -> str:
        """The id of the accepted message."""
        optional: dict[str, Any] = {"status_callback": status_callback} if status_callback else {}
        try:
            message = await self._client.messages.create_async(to=to, from_=sender, body=body, **optional)
        except TwilioException as error:
            raise _translate(error) from error
        return str(message.sid)

    async def list_sent(self, *, to: str, sender: str, since: datetime) -> list[MessageInstance]:
        """What went to a recipient, oldest first."""
        return await self._list(since, _LISTED, to=to, from_=sender)

    async def list_received(self, *, to: str, since: datetime) -> list[MessageInstance]:
        """What customers wrote to our number, oldest first."""
        return [m for m in await self._list(since, _LISTED * 10, to=to) if m.direction == "inbound"]

    async def _list(self, since: datetime, limit: int, **wanted: str) -> list[MessageInstance]:
        """A queued message has no date_sent, so the filter by time is ours."""
        options: dict[str, Any] = dict(wanted)
        try:
            found = await self._client.messages.list_async(limit=limit, **options)
        except TwilioException as error:
            raise _translate(error) from error
        recent = [m for m in found if m.date_created is not None and m.date_created >= since]
        # Newest first as they come, so that a second's messages keep their order.
        return sorted(recent[::-1], key=lambda m: m.date_created or since)

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
        if answer.status_code == 429:
            raise ChannelError("Twilio is busy", retry_after_s=_retry_after(answer), code="429")
        return Response(answer.status_code, answer.text, answer.headers)

    async def close(self) -> None:
        await self._client.aclose()


def _translate(error: TwilioException) -> ChannelError:
    if not isinstance(error, TwilioRestException):
        return ChannelError("Twilio gave an answer that cannot be read", code="unreadable")
    code = str(error.code or error.status)
    if error.status >= 500:
        return ChannelError(f"Twilio failed with {error.status}", code=str(error.status))
    words = _WORDS.get(code, f"Twilio refused with error {code}")
    if error.status in (401, 403) or code in _PASSING:
        return ChannelError(words, retry_after_s=_PASSING.get(code, 60.0), code=code)
    return ChannelError(words, permanent=True, code=code)


def _retry_after(answer: httpx.Response) -> float:
    try:
        return max(1.0, float(answer.headers.get("Retry-After", "")))
    except ValueError:
        return _PASSING["20429"]
