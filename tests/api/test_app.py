from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from api import middleware
from api.app import create_app
from api.ratelimit import MovingWindow, client_network
from core.errors import SupportError
from tests.api.conftest import PUBLIC, assert_problem, submission

SCRIPT = 'self.__next_f.push([1,"x"])'


@pytest.fixture
def web_dir(tmp_path):
    (tmp_path / "ticket").mkdir()
    (tmp_path / "_next" / "static").mkdir(parents=True)
    (tmp_path / "index.html").write_text(
        f'<html><script src="/_next/a.js" async=""></script><script>{SCRIPT}</script><style>p{{top:0}}</style></html>'
    )
    (tmp_path / "ticket" / "index.html").write_text('<html><script id="_R_">other()</script>ticket</html>')
    (tmp_path / "404.html").write_text("<html>not here</html>")
    (tmp_path / "_next" / "static" / "a.js").write_text("1")
    return tmp_path


def csp_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


async def test_the_built_pages_are_served_with_their_caching(client_for, web_dir) -> None:
    client = client_for(web_dir=web_dir)
    page = await client.get("/")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
    asset = await client.get("/_next/static/a.js")
    assert "immutable" in asset.headers["cache-control"]
    assert (await client.get("/ticket/?id=tkt_1")).text.endswith("ticket</html>")
    missing = await client.get("/nothing/here")
    assert (missing.status_code, missing.text) == (404, "<html>not here</html>")
    assert (await client.get("/../../etc/passwd")).status_code == 404
    receipt = (await client.post("/support/submit", json=submission())).json()
    assert receipt["status_url"] == f"{PUBLIC}/ticket/?id={receipt['ticket_id']}"


async def test_scripts_written_into_the_pages_are_allowed_by_hash_and_no_others(client_for, web_dir) -> None:
    policy = (await client_for(web_dir=web_dir).get("/")).headers["content-security-policy"]
    directives = {part.split()[0]: part.split()[1:] for part in policy.split("; ")}
    assert set(directives["script-src"]) == {"'self'", csp_hash(SCRIPT), csp_hash("other()")}
    assert csp_hash("p{top:0}") in directives["style-src"]
    assert (directives["frame-ancestors"], directives["default-src"]) == (["'none'"], ["'none'"])
    assert "unsafe" not in policy


async def test_without_built_pages_there_is_a_plain_form(client) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert 'action="/support/submit"' in page.text
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style
    assert csp_hash(style[1]) in page.headers["content-security-policy"]
    for name in ("name", "email", "subject", "category", "priority", "message"):
        assert f'<label for="{name}">' in page.text
    ticket = await client.get("/ticket/?id=tkt_1")
    assert ticket.headers["location"] == "/support/ticket/tkt_1"
    outside = await client.get("/ticket/?id=//evil.example/")
    assert outside.headers["location"].startswith("/support/ticket/")
    assert_problem(await client.get("/nothing"), 404)
    assert_problem(await client.post("/"), 405)


@pytest.mark.parametrize("path", ["/", "/health", "/nothing", "/support/ticket/tkt_1", "/reviews"])
async def test_every_answer_carries_the_security_headers(client, path) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-request-id"]


async def test_a_request_id_is_taken_over_only_when_it_is_harmless(client, logs) -> None:
    given = await client.get("/health/live", headers={"X-Request-ID": "abc-123.DEF_4"})
    assert given.headers["x-request-id"] == "abc-123.DEF_4"
    for bad in ("short", "x" * 65, 'a"b c\tdefgh', "ticket tkt_"):
        answer = await client.get("/health/live", headers={"X-Request-ID": bad})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert logs[0]["request_id"] == "abc-123.DEF_4"


async def test_only_the_named_origins_may_call_from_a_browser(client_for) -> None:
    client = client_for(cors_origins=("https://shop.example",))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
    good = await client.options("/support/submit", headers={"Origin": "https://shop.example", **asked})
    evil = await client.options("/support/submit", headers={"Origin": "https://evil.example", **asked})
    assert good.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in evil.headers
    assert "access-control-allow-credentials" not in good.headers


async def test_a_huge_body_is_refused_before_it_is_read(client, count_rows) -> None:
    headers = {"Content-Type": "application/json"}
    told = await client.post("/support/submit", content=b"x" * 10_000_000, headers=headers)
    assert_problem(told, 413, "body-too-large")
    # httpx's transport collects a stream first, so what the application asks for is counted below it
    app = client._transport.app
    sent = await _ask(app, "/support/submit", _chunks(10_000, b"x" * 1000))
    assert sent.status == 413
    assert sent.received <= 60
    assert await count_rows("inbound_events") == 0


async def test_a_body_that_trickles_in_is_given_up(client, monkeypatch) -> None:
    monkeypatch.setattr(middleware, "BODY_DEADLINE_S", 0.05)

    async def slow():
        yield b"{"
        await asyncio.sleep(5)

    sent = await _ask(client._transport.app, "/support/submit", slow())
    assert sent.status == 408
    assert json.loads(sent.body)["type"] == "urn:fte:problem:request-timeout"


async def test_what_nobody_foresaw_is_a_problem_without_its_text(context, logs, capfd) -> None:
    app = create_app(context)

    @app.get("/bug")
    async def bug() -> None:
        raise ValueError("zq7marker ada@example.com")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PUBLIC) as client:
        response = await client.get("/bug")
    assert_problem(response, 500, "internal-error")
    assert "frame-ancestors" in response.headers["content-security-policy"]
    assert "zq7marker" not in response.text + str(logs) + "".join(capfd.readouterr())
    [failed] = [entry for entry in logs if entry["event"] == "request.failed"]
    assert failed["error"] == "ValueError"
    assert "test_app.py" in failed["at"][-1]


async def test_an_error_of_ours_without_a_handler_is_a_problem_too(context) -> None:
    app = create_app(context)

    @app.get("/bug")
    async def bug() -> None:
        raise SupportError("secret")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PUBLIC) as client:
        response = await client.get("/bug")
    assert_problem(response, 500)
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/support/submit"),
        ("DELETE", "/support/ticket/tkt_1"),
        ("GET", "/webhooks/whatsapp"),
        ("PUT", "/reviews"),
        ("POST", "/health"),
    ],
)
async def test_a_wrong_method_is_named(client_for, web_dir, method, path) -> None:
    for client in (client_for(), client_for(web_dir=web_dir)):
        response = await client.request(method, path)
        assert_problem(response, 405)
        assert response.headers["allow"]


async def test_the_moving_window_forgets_and_is_bounded(monkeypatch) -> None:
    now = 0.0
    window = MovingWindow(2, 60, seconds=lambda: now)
    assert [window.hit("a"), window.hit("a")] == [0, 0]
    now = 20
    assert window.hit("a") == 40
    assert window.hit("b") == 0
    now = 60.5
    assert window.hit("a") == 0
    monkeypatch.setattr("api.ratelimit.MAX_ADDRESSES", 3)
    for number in range(10):
        window.hit(str(number))
    assert len(window._hits) == 3


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (None, "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_one_customer_is_one_address(host, network) -> None:
    assert client_network(host) == network


class _Answer:
    status = 0
    body = b""
    received = 0


async def _chunks(count: int, chunk: bytes):
    for _ in range(count):
        yield chunk


async def _ask(app: FastAPI, path: str, chunks) -> _Answer:
    """A POST whose body is asked for piece by piece, as a server does it."""
    answer = _Answer()

    async def receive():
        answer.received += 1
        try:
            return {"type": "http.request", "body": await anext(chunks), "more_body": True}
        except StopAsyncIteration:
            return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            answer.status = message["status"]
        answer.body += message.get("body", b"")

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(b"content-type", b"application/json"), (b"host", b"x"), (b"x-request-id", uuid4().hex.encode())],
    }
    await app(scope, receive, send)
    return answer
