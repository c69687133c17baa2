"""The built web form from a folder, and the policy that says which scripts of it may run."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from api.context import ApiContext
from api.pages import STYLE, form_page

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_INLINE_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL | re.IGNORECASE)


class WebPages(StaticFiles):
    """The exported pages: hashed assets are kept for ever by browsers, pages are asked for again each time."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        immutable = path.startswith("_next/static/") and response.status_code in (200, 304)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if immutable else "no-cache"
        return response


class PlainPages:
    """The same addresses where the web form is not built."""

    def __init__(self, context: ApiContext) -> None:
        self.context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served here")
        response = self._answer(Request(scope))
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        if request.url.path not in ("/", "/ticket", "/ticket/"):
            raise HTTPException(404)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if request.url.path == "/":
            return HTMLResponse(form_page(self.context.profile, key=uuid4().hex), headers={"Cache-Control": "no-store"})
        ticket = URL(path=f"/support/ticket/{request.query_params.get('id', '-')}")
        return RedirectResponse(ticket)


def pages_of(context: ApiContext) -> WebPages | PlainPages:
    if context.web_dir is not None and context.has_web_pages:
        return WebPages(context.web_dir)
    return PlainPages(context)


def security_headers(context: ApiContext) -> dict[str, str]:
    """For every answer. Scripts and styles written into the exported pages are allowed by their hashes, no others."""
    pages = [path.read_text("utf-8") for path in _html_files(context)]
    scripts = _hashes(block for page in pages for block in _INLINE_SCRIPT.findall(page))
    styles = _hashes([STYLE, *(block for page in pages for block in _INLINE_STYLE.findall(page))])
    policy = [
        "default-src 'none'",
        " ".join(["script-src 'self'", *scripts]),
        " ".join(["style-src 'self'", *styles]),
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",  # the ticket page's address is a key
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }


def _html_files(context: ApiContext) -> list[Path]:
    return sorted(context.web_dir.rglob("*.html")) if context.web_dir is not None and context.has_web_pages else []


def _hashes(blocks: Iterable[str]) -> list[str]:
    digests = {hashlib.sha256(block.encode()).digest() for block in blocks if block}
    return sorted(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
