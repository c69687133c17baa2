"""Gmail as our client and our webhook see it: the REST API, the token endpoint, the keys, and Pub/Sub pushes."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulation.faults import App, Faults, FaultyApp
from simulation.gmail_mailbox import Mailbox, StoredMail, write_mail
from simulation.google_login import GoogleLogin
from simulation.notify import Notifier

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class GmailFake:
    """One mailbox. `push_url` is our webhook; pushes go out until `watch_ends`, which each `watch` puts off."""

    mailbox: Mailbox = field(default_factory=Mailbox)
    login: GoogleLogin = field(default_factory=GoogleLogin)
    subscription: str = "projects/fake-project/subscriptions/gmail-push"
    push_url: str | None = None
    watch_ends: float = float("inf")
    watch_lifetime_s: float = 7 * 86_400
    watches: list[dict[str, Any]] = field(default_factory=list)
    page_size: int | None = None
    faults: Faults = field(default_factory=Faults)
    notifier: Notifier = field(init=False)

    def __post_init__(self) -> None:
        self.notifier = Notifier(self.faults, retry=True)

    def app(self) -> App:
        user = "/gmail/v1/users/{user}"
        api: list[tuple[str, str, Handler]] = [
            ("GET", "/profile", self._profile),
            ("GET", "/history", self._history),
            ("GET", "/messages", self._list),
            ("POST", "/messages/send", self._send),
            ("GET", "/messages/{id}", self._get),
            ("GET", "/drafts", self._list_drafts),
            ("POST", "/drafts", self._create_draft),
            ("POST", "/drafts/send", self._send_draft),
            ("GET", "/drafts/{id}", self._get_draft),
            ("POST", "/watch", self._watch),
            ("POST", "/stop", self._stop),
        ]
        routes = [Route(user + path, self._guarded(handler), methods=[method]) for method, path, handler in api]
        routes += [
            Route("/_sent", self._inspect, methods=["GET"]),
            Route("/_inbound", self._inbound, methods=["POST"]),
            *self.login.routes(),
            *self.faults.routes(),
        ]

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            await self.notifier.close()

        return FaultyApp(Starlette(routes=routes, lifespan=lifespan), self.faults, _error_body)

    def customer_writes(self, sender: str, subject: str, text: str, **options: Any) -> StoredMail:
        """A mail of a customer arrives; the push, if any, goes out in the background."""
        return self.deliver(write_mail(self.mailbox.address, sender, subject, text, **options))

    def deliver(self, raw: bytes, labels: Iterable[str] = ("INBOX", "UNREAD")) -> StoredMail:
        mail = self.mailbox.receive(raw, labels)
        self.push()
        return mail

    def push(self, history_id: int | None = None) -> None:
        if not self.push_url or not self.watching:
            return
        body = json.dumps(self.push_body(history_id)).encode()
        headers = {"Authorization": f"Bearer {self.login.push_token()}", "Content-Type": "application/json"}
        self.notifier.post(self.push_url, headers, body)

    @property
    def watching(self) -> bool:
        return time.time() < self.watch_ends

    def push_body(self, history_id: int | None = None) -> dict[str, Any]:
        data = {"emailAddress": self.mailbox.address, "historyId": history_id or self.mailbox.history_id}
        message_id, now = str(secrets.randbelow(10**16)), datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return {
            "message": {
                "data": base64.urlsafe_b64encode(json.dumps(data).encode()).decode(),
                "messageId": message_id, "message_id": message_id, "publishTime": now, "publish_time": now,
            },
            "subscription": self.subscription,
        }  # fmt: skip

    def sent_mails(self) -> list[dict[str, Any]]:
        """What customers got, readable."""
        mails = []
        for mail in self.mailbox.sent:
            headers = mail.headers()
            body = headers.get_body(("plain",))
            text = body.get_content() if body else ""
            names = ("from", "to", "subject", "in-reply-to", "references", "auto-submitted", "message-id")
            mails.append(
                {"id": mail.id, "threadId": mail.thread_id, "text": text.replace("\r\n", "\n").rstrip("\n")}
                | {name: str(headers[name]) for name in names if headers[name]}
            )
        return mails

    def _guarded(self, handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            if not self.login.allows(request):
                return _error(401, "authError")
            return await handler(request)

        return endpoint

    async def _profile(self, _: Request) -> Response:
        box = self.mailbox
        return JSONResponse(
            {
                "emailAddress": box.address,
                "messagesTotal": len(box.mails),
                "threadsTotal": len({mail.thread_id for mail in box.mails.values()}),
                "historyId": str(box.history_id),
            }
        )

    async def _history(self, request: Request) -> Response:
        start = int(request.query_params["startHistoryId"])
        if start < self.mailbox.history_floor or start > self.mailbox.history_id:
            return _error(404, "notFound")
        entries = []
        for history_id, message_id in self.mailbox.history:
            mail = self.mailbox.mails.get(message_id)
            if history_id > start:
                reference = mail.reference() if mail else {"id": message_id, "threadId": message_id}
                entry = {"id": str(history_id), "messages": [reference], "messagesAdded": [{"message": reference}]}
                entries.append(entry)
        page, following = self._page(request, entries)
        return JSONResponse(
            {"historyId": str(self.mailbox.history_id)} | ({"history": page} if page else {}) | following
        )

    async def _list(self, request: Request) -> Response:
        found = [{"id": m.id, "threadId": m.thread_id} for m in self.mailbox.search(request.query_params.get("q", ""))]
        page, following = self._page(request, found)
        return JSONResponse({"resultSizeEstimate": len(found)} | ({"messages": page} if page else {}) | following)

    def _page(self, request: Request, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        start = int(request.query_params.get("pageToken", "0"))
        size = self.page_size or int(request.query_params.get("maxResults", "100"))
        more = {"nextPageToken": str(start + size)} if len(rows) > start + size else {}
        return rows[start : start + size], more

    async def _get(self, request: Request) -> Response:
        mail = self.mailbox.mails.get(request.path_params["id"])
        if mail is None:
            return _error(404, "notFound")
        raw = (
            {"raw": base64.urlsafe_b64encode(mail.raw).decode()} if request.query_params.get("format") == "raw" else {}
        )
        details = {
            "historyId": str(mail.history_id),
            "internalDate": str(mail.received_ms),
            "sizeEstimate": len(mail.raw),
        }
        return JSONResponse(mail.reference() | details | raw)

    async def _send(self, request: Request) -> Response:
        message = await request.json()
        mail = self.mailbox.send(_raw(message), message.get("threadId"))
        return JSONResponse(mail.reference())

    async def _list_drafts(self, request: Request) -> Response:
        ids = self.mailbox.search_drafts(request.query_params.get("q", ""))
        drafts = [{"id": i, "message": self.mailbox.drafts[i].reference()} for i in ids]
        return JSONResponse({"resultSizeEstimate": len(drafts)} | ({"drafts": drafts} if drafts else {}))

    async def _create_draft(self, request: Request) -> Response:
        message = (await request.json())["message"]
        draft_id, mail = self.mailbox.add_draft(_raw(message), message.get("threadId"))
        return JSONResponse({"id": draft_id, "message": mail.reference()})

    async def _get_draft(self, request: Request) -> Response:
        mail = self.mailbox.drafts.get(request.path_params["id"])
        return (
            JSONResponse({"id": request.path_params["id"], "message": mail.reference()})
            if mail
            else _error(404, "notFound")
        )

    async def _send_draft(self, request: Request) -> Response:
        draft = self.mailbox.drafts.pop(str((await request.json()).get("id")), None)
        if draft is None:
            return _error(404, "notFound")
        return JSONResponse(self.mailbox.send(draft.raw, draft.thread_id).reference())

    async def _watch(self, request: Request) -> Response:
        self.watch_ends = time.time() + self.watch_lifetime_s
        self.watches.append(await request.json())
        expiration = str(int(self.watch_ends * 1000))
        return JSONResponse({"historyId": str(self.mailbox.history_id), "expiration": expiration})

    async def _stop(self, _: Request) -> Response:
        self.watch_ends = 0.0
        return Response(status_code=204)

    async def _inspect(self, _: Request) -> Response:
        return JSONResponse(self.sent_mails())

    async def _inbound(self, request: Request) -> Response:
        """{from, subject, text, name?, in_reply_to?} or {raw: base64}: a customer writes."""
        body = await request.json()
        if "raw" in body:
            mail = self.deliver(base64.b64decode(body["raw"]))
        else:
            sender = body.pop("from", "customer@example.org")
            mail = self.customer_writes(sender, body.pop("subject", ""), body.pop("text", ""), **body)
        return JSONResponse(mail.reference() | {"message_id": f"<{mail.rfc822_id}>"})


def _raw(message: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64decode(message["raw"] + "=" * (-len(message["raw"]) % 4))


def _error(status: int, reason: str) -> Response:
    return JSONResponse(_error_body(status, 0, reason), status)


def _error_body(status: int, _: int, reason: str = "") -> dict[str, Any]:
    reason = reason or {429: "rateLimitExceeded", 503: "backendError", 403: "rateLimitExceeded"}.get(status, "failed")
    detail = {"domain": "global", "reason": reason, "message": reason}
    return {"error": {"code": status, "message": reason, "errors": [detail], "status": reason}}
