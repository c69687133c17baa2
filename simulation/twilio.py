"""Twilio as our client and our webhooks see it: Messages, signed webhooks, status callbacks, its errors."""

from __future__ import annotations

import json
import re
import secrets
from base64 import b64decode
from binascii import Error as BinasciiError
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator

from simulation.faults import App, Faults, FaultyApp
from simulation.notify import Notifier

_TO = re.compile(r"whatsapp:(?:\+[1-9]\d{5,14}|[A-Z]{2}\.[A-Za-z0-9.]+)")
_MESSAGES = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21211: "Invalid 'To' Phone Number",
    21602: "Message body is required.",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21656: "The ContentVariables Parameter is invalid",
    63016: "Failed to send freeform message because you are outside the allowed window",
}


@dataclass(slots=True)
class TwilioFake:
    """One account. `webhook_url` is where customers' messages go; `inline_63016` refuses at once instead of later.

    `templates`: the approved texts by ContentSid; only they reach a customer outside the window. `media`: content
    type and content of what came with customers' messages, by the sid of a medium.
    """

    account_sid: str = "AC" + "0" * 32
    auth_token: str = "fake-auth-token"
    number: str = "whatsapp:+15550001111"
    webhook_url: str | None = None
    callback_gap_s: float = 0.01
    inline_63016: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)
    unsubscribed: set[str] = field(default_factory=set)
    outside_window: set[str] = field(default_factory=set)
    templates: dict[str, str] = field(default_factory=dict)
    media: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    notifier: Notifier = field(init=False)

    def __post_init__(self) -> None:
        self.notifier = Notifier(self.faults)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """What customers got, in the order that Twilio took it."""
        return [m for m in self.messages if m["direction"] == "outbound-api"]

    def app(self) -> App:
        account = "/2010-04-01/Accounts/{account}"
        routes = [
            Route(f"{account}/Messages.json", self._list, methods=["GET"]),
            Route(f"{account}/Messages.json", self._create, methods=["POST"]),
            Route(f"{account}/Messages/{{sid}}.json", self._get, methods=["GET"]),
            Route(f"{account}/Messages/{{sid}}/Media.json", self._list_media, methods=["GET"]),
            Route(f"{account}/Messages/{{sid}}/Media/{{media}}", self._move_to_cdn, methods=["GET"]),
            Route("/cdn/{media}", self._give_media, methods=["GET"]),
            Route("/_sent", self._inspect, methods=["GET"]),
            Route("/_inbound", self._inbound, methods=["POST"]),
            Route("/_recipients", self._recipients, methods=["POST"]),
            *self.faults.routes(),
        ]

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            await self.notifier.close()

        return FaultyApp(Starlette(routes=routes, lifespan=lifespan), self.faults, _error_body)

    async def customer_writes(
        self, sender: str, body: str, *, profile_name: str = "", media: Sequence[tuple[str, bytes]] = (), **more: str
    ) -> dict[str, Any]:
        """A customer's WhatsApp message, stored and sent to the webhook. Returns its sid and the webhook's status.

        `media`: content type and content of each.
        """
        address = sender if sender.startswith("whatsapp:") else f"whatsapp:{sender}"
        self.outside_window.discard(address)
        message = self._store(address, self.number, body, "inbound", "received")
        sid = message["sid"]
        message["num_media"] = str(len(media))
        stored = {f"ME{sid[2:-2]}{n:02}": medium for n, medium in enumerate(media)}
        self.media |= stored
        for n, (media_sid, (content_type, _)) in enumerate(stored.items()):
            url = f"https://api.twilio.com/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}/Media/{media_sid}"
            more |= {f"MediaUrl{n}": url, f"MediaContentType{n}": content_type}
        form = {
            "SmsMessageSid": sid, "NumMedia": str(len(media)), "ProfileName": profile_name, "MessageType": "text",
            "SmsSid": sid, "WaId": address.removeprefix("whatsapp:+"), "SmsStatus": "received", "Body": body,
            "To": self.number, "NumSegments": "1", "ReferralNumMedia": "0", "MessageSid": sid,
            "AccountSid": self.account_sid, "From": address, "ApiVersion": "2010-04-01",
        }  # fmt: skip
        status = await self.notifier.deliver(*self._signed(self.webhook_url, form | more)) if self.webhook_url else 0
        return {"sid": sid, "status": status}

    def _signed(self, url: str, form: Mapping[str, str]) -> tuple[str, dict[str, str], bytes]:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": RequestValidator(self.auth_token).compute_signature(url, dict(form)),
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
            "User-Agent": "TwilioProxy/1.1",
        }
        return url, headers, urlencode(form).encode()

    def _store(self, sender: str, to: str, body: str, direction: str, status: str) -> dict[str, Any]:
        sid, now = "SM" + secrets.token_hex(16), format_datetime(datetime.now(UTC))
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}"
        message = {
            "account_sid": self.account_sid, "api_version": "2010-04-01", "body": body, "date_created": now,
            "date_sent": None, "date_updated": now, "direction": direction, "error_code": None, "error_message": None,
            "from": sender, "messaging_service_sid": None, "num_media": "0", "num_segments": "1", "price": None,
            "price_unit": None, "sid": sid, "status": status, "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": to, "uri": f"{uri}.json",
        }  # fmt: skip
        self.messages.append(message)
        return message

    async def _create(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        template = self.templates.get(form.get("ContentSid", ""))
        to, body = form.get("To", ""), form.get("Body", "") if template is None else _filled(template, form)
        if refusal := self._check(request, to, body, late=template is None and to in self.outside_window):
            return refusal
        message = self._store(form.get("From", ""), to, body or "", "outbound-api", "queued")
        answer = dict(message)
        self._report(message, form.get("StatusCallback"), late=template is None and to in self.outside_window)
        return JSONResponse(answer, 201)

    def _check(self, request: Request, to: str, body: str | None, *, late: bool) -> Response | None:
        if not self._authorised(request):
            return _refusal(401, 20003)
        if not _TO.fullmatch(to):
            return _refusal(400, 21211)
        if body is None:
            return _refusal(400, 21656)
        if not body:
            return _refusal(400, 21602)
        if len(body) > 1600:
            return _refusal(400, 21617)
        if to in self.unsubscribed:
            return _refusal(400, 21610)
        return _refusal(400, 63016) if self.inline_63016 and late else None

    def _report(self, message: dict[str, Any], callback: str | None, *, late: bool) -> None:
        steps = ["failed"] if late else ["sent", "delivered"]
        message["status"] = steps[-1]
        message["error_code"] = 63016 if late else None
        message["date_sent"] = None if late else format_datetime(datetime.now(UTC))
        for number, status in enumerate(steps, 1):
            form = {
                "MessageSid": message["sid"], "SmsSid": message["sid"], "MessageStatus": status, "SmsStatus": status,
                "To": message["to"], "From": message["from"], "AccountSid": self.account_sid,
                "ApiVersion": "2010-04-01", "ChannelPrefix": "whatsapp",
            } | ({"ErrorCode": "63016", "ErrorMessage": _MESSAGES[63016]} if late else {})  # fmt: skip
            if callback:
                self.notifier.post(*self._signed(callback, form), after_s=self.callback_gap_s * number)

    async def _list(self, request: Request) -> Response:
        if not self._authorised(request):
            return _refusal(401, 20003)
        query = request.query_params
        wanted = {ours: query[theirs] for ours, theirs in (("to", "To"), ("from", "From")) if query.get(theirs)}
        found = [m for m in reversed(self.messages) if all(m[name] == value for name, value in wanted.items())]
        size, page = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
        rows, more = found[page * size : (page + 1) * size], len(found) > (page + 1) * size
        following = (
            f"{request.url.path}?{urlencode(dict(query) | {'Page': page + 1, 'PageSize': size})}" if more else None
        )
        return JSONResponse({"messages": rows, "page": page, "page_size": size, "next_page_uri": following})

    async def _get(self, request: Request) -> Response:
        if not self._authorised(request):
            return _refusal(401, 20003)
        found = [m for m in self.messages if m["sid"] == request.path_params["sid"]]
        return JSONResponse(found[0]) if found else _refusal(404, 20404)

    async def _list_media(self, request: Request) -> Response:
        if not self._authorised(request):
            return _refusal(401, 20003)
        sid, now = request.path_params["sid"], format_datetime(datetime.now(UTC))
        rows = [
            {
                "sid": media_sid, "account_sid": self.account_sid, "parent_sid": sid, "content_type": content_type,
                "date_created": now, "date_updated": now,
                "uri": f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}/Media/{media_sid}.json",
            }
            for media_sid, (content_type, _) in self.media.items() if media_sid[2:-2] == sid[2:-2]
        ]  # fmt: skip
        return JSONResponse({"media_list": rows, "page": 0, "page_size": 50, "next_page_uri": None})

    async def _move_to_cdn(self, request: Request) -> Response:
        if not self._authorised(request):
            return _refusal(401, 20003)
        media_sid = request.path_params["media"]
        if media_sid not in self.media:
            return _refusal(404, 20404)
        base = request.url.path.partition("/2010-04-01/")[0]
        return RedirectResponse(f"{base}/cdn/{media_sid}", 307)

    async def _give_media(self, request: Request) -> Response:
        content_type, content = self.media[request.path_params["media"]]
        return Response(content, media_type=content_type)

    def _authorised(self, request: Request) -> bool:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = b64decode(value).decode().partition(":")
        except (BinasciiError, UnicodeDecodeError):
            return False
        return scheme.lower() == "basic" and (user, password) == (self.account_sid, self.auth_token)

    async def _inspect(self, request: Request) -> Response:
        return JSONResponse(self.sent)

    async def _inbound(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.json()).items()}
        sender, body = form.pop("from", ""), form.pop("body", "")
        return JSONResponse(await self.customer_writes(sender, body, media=(), **form))

    async def _recipients(self, request: Request) -> Response:
        body = await request.json()
        for name, group in (("unsubscribed", self.unsubscribed), ("outside_window", self.outside_window)):
            if name in body:
                (group.add if body[name] else group.discard)(str(body["address"]))
        return Response(status_code=204)


def _filled(template: str, form: Mapping[str, str]) -> str | None:
    """The approved text with its variables; None where they don't fit it, or one has a line break."""
    try:
        variables = {str(name): str(value) for name, value in json.loads(form.get("ContentVariables", "{}")).items()}
    except (ValueError, AttributeError):
        return None
    wanted = set(re.findall(r"\{\{(\w+)\}\}", template))
    if set(variables) != wanted or any(re.search(r"[\n\t]| {5}", value) for value in variables.values()):
        return None
    return re.sub(r"\{\{(\w+)\}\}", lambda match: variables[match[1]], template)


def _refusal(status: int, code: int) -> Response:
    return JSONResponse(_error_body(status, code), status)


def _error_body(status: int, code: int) -> dict[str, Any]:
    code = code or {429: 20429, 503: 20503}.get(status, status)
    info = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": _MESSAGES.get(code, "Service error"), "more_info": info, "status": status}
