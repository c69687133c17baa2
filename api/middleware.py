"""What stands round every request: its id, its log line, its headers, its limits, and the last net for errors."""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ApiProblem, problem_for_status, problem_response

BODY_DEADLINE_S = 30.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
log = structlog.get_logger()


class RequestGate:
    """Outermost: names the request, logs it without its query, adds the security headers, and hides tracebacks."""

    def __init__(self, app: ASGIApp, *, headers: Mapping[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = scope["request_id"] = _request_id(scope)
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_headers)
            except Exception as error:
                log.error("request.failed", error=type(error).__name__, at=_where(error))
                if status:
                    raise ConnectionError("the answer broke off") from None
                await problem_response(Request(scope), _OUR_FAULT)(scope, receive, send_with_headers)
            finally:
                _log(scope, status, started)


class BodyLimit:
    """A body that is too large is refused before it is read whole; one that trickles in is given up."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self.max_bytes:
            return await problem_response(Request(scope), problem_for_status(413))(scope, receive, send)
        await self.app(scope, self._limited(receive), send)

    def _limited(self, receive: Receive) -> Receive:
        deadline = asyncio.get_running_loop().time() + BODY_DEADLINE_S
        size, complete = 0, False

        async def receive_limited() -> Message:
            nonlocal size, complete
            if complete:  # only the news of a disconnect is still to come
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
            size += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if size > self.max_bytes:
                raise HTTPException(413)
            return message

        return receive_limited


_OUR_FAULT = ApiProblem(
    500,
    "internal-error",
    "Something went wrong on our side. Try again; if it stays, tell us the instance of this problem.",
)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _log(scope: Scope, status: int, started: float) -> None:
    """The route, never the path: paths carry ticket ids, queries carry addresses."""
    route: Any = scope.get("route")
    log.info(
        "request.finished",
        method=scope["method"],
        route=getattr(route, "path", None) or "static",
        status=status,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )


def _where(error: BaseException) -> list[str]:
    """The innermost frames without the error's text, which may quote what a customer wrote."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
