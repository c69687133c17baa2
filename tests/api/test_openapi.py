"""The OpenAPI document against what the app really answers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from crm.pool import transaction
from tests.api.conftest import submission
from tests.api.test_webhooks import FORM, MESSAGE, STATUS, sign
from tests.crm.story import Story

JSON = {"Content-Type": "application/json"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def document(client) -> dict[str, Any]:
    return client._transport.app.openapi()


def test_the_endpoints_are_these(document) -> None:
    endpoints = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert endpoints == {
        "GET /health",
        "GET /health/live",
        "GET /health/ready",
        "POST /webhooks/gmail",
        "POST /webhooks/whatsapp",
        "POST /webhooks/whatsapp/status",
        "POST /support/submit",
        "GET /support/ticket/{ticket_id}",
        "GET /conversations/{conversation_id}",
        "GET /conversations/{conversation_id}/messages/{message_id}/attachments/{number}",
        "POST /conversations/{conversation_id}/move",
        "GET /customers/lookup",
        "GET /metrics/channels",
        "GET /metrics",
        "GET /reviews",
        "GET /reviews/{review_id}",
        "POST /reviews/{review_id}/decision",
    }


def test_every_reference_leads_somewhere(document) -> None:
    schemas = document["components"]["schemas"]
    for name in _references(document):
        assert name.removeprefix("#/components/schemas/") in schemas, name
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_error_is_a_problem_document(document) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if status >= "400" and (path, status) != ("/health", "503") and "content" in response:
                    assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_guarded_endpoints_say_that_they_want_a_key(document) -> None:
    for path, item in document["paths"].items():
        guarded = path.startswith(("/conversations", "/customers", "/metrics", "/reviews"))
        for operation in item.values():
            assert bool(operation.get("security")) is guarded, path


def test_submit_describes_its_body_in_both_forms(document) -> None:
    content = document["paths"]["/support/submit"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", FORM}
    schema = document["components"]["schemas"]["SubmitRequest"]
    assert set(schema["required"]) == {"name", "email", "subject", "message"}
    assert (schema["properties"]["message"]["minLength"], schema["properties"]["message"]["maxLength"]) == (10, 5000)
    assert schema["properties"]["category"]["enum"] == ["general", "technical", "billing", "feedback", "bug_report"]


CASES: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/health", {}, 200),
    ("GET", "/health/live", {}, 200),
    ("GET", "/health/ready", {}, 200),
    ("POST", "/support/submit", {"json": submission()}, 200),
    ("POST", "/support/submit", {"data": submission()}, 303),
    ("POST", "/support/submit", {"content": b"{", "headers": JSON}, 400),
    ("POST", "/support/submit", {"content": b"x" * 60_000, "headers": JSON}, 413),
    ("POST", "/support/submit", {"content": b"x"}, 415),
    ("POST", "/support/submit", {"json": {}}, 422),
    ("POST", "/support/submit", {"json": submission(), "headers": {"Idempotency-Key": "x" * 300}}, 422),
    ("GET", "/support/ticket/{ticket}", {}, 200),
    ("GET", "/support/ticket/{ticket}", {"headers": {"Accept": "text/html"}}, 200),
    ("GET", "/support/ticket/tkt_1", {}, 404),
    (
        "POST",
        "/webhooks/whatsapp",
        {"content": urlencode(MESSAGE), "headers": sign("/webhooks/whatsapp", MESSAGE)},
        200,
    ),
    ("POST", "/webhooks/whatsapp", {"data": {"a": "b"}}, 403),
    ("POST", "/webhooks/whatsapp", {"json": {}}, 415),
    (
        "POST",
        "/webhooks/whatsapp/status",
        {"content": urlencode(STATUS), "headers": sign("/webhooks/whatsapp/status", STATUS)},
        200,
    ),
    (
        "POST",
        "/webhooks/whatsapp/status",
        {"content": "a=b", "headers": sign("/webhooks/whatsapp/status", [("a", "b")])},
        422,
    ),
    ("POST", "/webhooks/gmail", {"json": {}}, 503),
    ("GET", "/conversations/{conversation}", {}, 200),
    ("GET", f"/conversations/{UNKNOWN}", {}, 404),
    ("GET", "/conversations/x", {}, 422),
    ("GET", f"/conversations/{{conversation}}/messages/{UNKNOWN}/attachments/0", {}, 404),
    ("GET", f"/conversations/{{conversation}}/messages/{UNKNOWN}/attachments/-1", {}, 422),
    ("POST", "/conversations/{conversation}/move", {"json": {"channel": "web_form"}}, 200),
    ("POST", "/conversations/{conversation}/move", {"json": {"channel": "whatsapp"}}, 409),
    ("POST", "/conversations/{conversation}/move", {"json": {"channel": "pigeon"}}, 422),
    ("POST", "/conversations/{conversation}/move", {"content": b"{", "headers": JSON}, 400),
    ("POST", f"/conversations/{UNKNOWN}/move", {"json": {"channel": "web_form"}}, 404),
    ("GET", "/customers/lookup?email=ada@example.com", {}, 200),
    ("GET", "/customers/lookup?email=eve@example.com", {}, 404),
    ("GET", "/customers/lookup", {}, 422),
    ("GET", "/customers/lookup", {"headers": {"Authorization": "Bearer x"}}, 401),
    ("GET", "/metrics/channels", {}, 200),
    ("GET", "/metrics/channels?since=x", {}, 422),
    ("GET", "/metrics", {}, 200),
    ("GET", "/reviews", {}, 200),
    ("GET", "/reviews?limit=0", {}, 422),
    ("GET", "/reviews/{review}", {}, 200),
    ("GET", f"/reviews/{UNKNOWN}", {}, 404),
    ("POST", "/reviews/{review}/decision", {"json": {"decision": "approve", "version": 9}}, 409),
    ("POST", "/reviews/{review}/decision", {"json": {"decision": "approve", "version": 1}}, 202),
    ("POST", "/reviews/{review}/decision", {"content": b"{", "headers": JSON}, 400),
    ("POST", "/reviews/{review}/decision", {"json": {}}, 422),
    ("POST", f"/reviews/{UNKNOWN}/decision", {"json": {"decision": "approve", "version": 1}}, 404),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), CASES)
async def test_what_is_answered_is_what_is_promised(
    client, pool, key_for, document, method, path, options, status
) -> None:
    async with transaction(pool) as conn:
        story = await Story(conn).begin(status="escalated")
        await story.identify("email", "ada@example.com", "claimed")
        turn_id = await story.turn(finished_at=None, outcome="handed_over")
        await story.wrote("My money back!", turn_id=turn_id)
        review_id = await story.handed_over(turn_id)
    names = {"ticket": story.ticket_id, "conversation": story.conversation_id, "review": review_id}
    headers = {**await key_for("admin"), **options.get("headers", {})}
    response = await client.request(method, path.format(**names), **{**options, "headers": headers})
    assert response.status_code == status, response.text
    promised = _operation(document, method, path)["responses"]
    assert str(status) in promised
    content = promised[str(status)].get("content")
    if content:
        assert response.headers["content-type"].split(";")[0] in content
        schema = content[response.headers["content-type"].split(";")[0]].get("schema", {})
        _assert_fits(response, schema, document)


def _operation(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    asked = path.split("?")[0].split("/")
    for template, item in document["paths"].items():
        parts = template.split("/")
        same = len(parts) == len(asked) and all(p.startswith("{") or p == a for p, a in zip(parts, asked, strict=True))
        if same and method.lower() in item:
            return item[method.lower()]
    raise AssertionError(f"{method} {path} is not in the document")


def _assert_fits(response: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """The fields of a JSON answer are exactly the ones that its schema names."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    if schema.get("type") == "object":
        fields = set(response.json())
        assert set(schema.get("required", ())) <= fields <= set(schema["properties"])


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(_references(value) for value in node.values()))
    return set().union(*(_references(value) for value in node)) if isinstance(node, list) else set()
