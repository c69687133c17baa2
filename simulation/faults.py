"""The fault switch of a fake: what goes wrong on which path, and how often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from typing import Any, Literal, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Mode = Literal["drop", "delay", "duplicate", "reorder", "5xx", "429", "timeout_after_accept", "error"]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Fault:
    """`path` is a glob, of a request that comes in or of a webhook that goes out. `times` counts down to none.

    drop: the connection breaks and nothing happened. timeout_after_accept: it happened, and no answer comes.
    duplicate and reorder: webhooks that go out twice, or after the next one. error: the provider's own refusal `code`.
    """

    path: str
    mode: Mode
    times: int = 1
    method: str = "*"
    seconds: float = 1.0
    code: int = 0
    status: int = 400

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}")


@dataclass(slots=True)
class Faults:
    pending: list[Fault] = field(default_factory=list)

    def add(self, path: str, mode: Mode, times: int = 1, **options: Any) -> Fault:
        fault = Fault(path, mode, times, **options)
        self.pending.append(fault)
        return fault

    def take(self, path: str, method: str, *, modes: tuple[Mode, ...]) -> Fault | None:
        """The next fault that fits, used up once."""
        for fault in self.pending:
            if fault.times > 0 and fault.mode in modes and fnmatch(path, fault.path) and fnmatch(method, fault.method):
                fault.times -= 1
                return fault
        return None

    def routes(self) -> list[Route]:
        async def switch(request: Request) -> Response:
            if request.method == "DELETE":
                self.pending.clear()
                return Response(status_code=204)
            if request.method == "POST":
                try:
                    body = await request.json()
                    self.add(**(body | {"mode": str(body["mode"])}))
                except (TypeError, ValueError, KeyError) as error:
                    return JSONResponse({"error": f"A fault is {{path, mode, times}}: {error}"}, 422)
            return JSONResponse([asdict(fault) for fault in self.pending if fault.times > 0])

        return [Route("/_faults", switch, methods=["GET", "POST", "DELETE"])]


ErrorBody = Callable[[int, int], dict[str, Any]]


class FaultyApp:
    """An ASGI application behind the fault switch. `error_body(status, code)` speaks the provider's error format."""

    def __init__(self, app: App, faults: Faults, error_body: ErrorBody) -> None:
        self._app, self._faults, self._error_body = app, faults, error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            return await self._app(scope, receive, send)
        modes: tuple[Mode, ...] = ("drop", "delay", "5xx", "429", "timeout_after_accept", "error")
        fault = self._faults.take(scope["path"], scope["method"], modes=modes)
        if fault is None:
            return await self._app(scope, receive, send)
        if fault.mode == "delay":
            await asyncio.sleep(fault.seconds)
            return await self._app(scope, receive, send)
        if fault.mode == "drop":
            return await _break_off(send)
        if fault.mode == "timeout_after_accept":
            await self._app(scope, receive, _swallow)
            with suppress(TimeoutError):
                async with asyncio.timeout(fault.seconds):
                    await _until_gone(receive)
            return await _break_off(send)
        return await self._refuse(fault, send)

    async def _refuse(self, fault: Fault, send: Send) -> None:
        status = {"5xx": 503, "429": 429}.get(fault.mode, fault.status)
        headers = [(b"content-type", b"application/json")]
        if fault.mode == "429":
            headers.append((b"retry-after", str(max(1, round(fault.seconds))).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(self._error_body(status, fault.code)).encode()})


async def _break_off(send: Send) -> None:
    """Announce a body that never comes: the server closes the connection in the middle of the answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})


async def _swallow(message: Message) -> None:
    return None


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
