"""Errors as RFC 9457 problem documents: what went wrong in our words, and what to do. Never a foreign error's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from core.errors import Conflict, DatabaseUnavailable, NotFound

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
log = structlog.get_logger()


class FieldError(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457. `detail` says what to do; `instance` names this one occurrence, as the logs do."""

    type: str = Field(examples=["urn:fte:problem:not-found"])
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no such ticket."])
    instance: str = Field(examples=["urn:fte:request:0b6c0a4e"])
    errors: list[FieldError] | None = Field(default=None, description="Which fields are wrong; only with status 422")


class ApiProblem(Exception):
    """A refusal that a handler decides on; `kind` is the last part of the problem's type."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


def invalid_fields(errors: Sequence[FieldError]) -> ApiProblem:
    return ApiProblem(422, "invalid-fields", "Correct the fields named in errors and send it again.", errors=errors)


def invalid_field(field: str, message: str) -> ApiProblem:
    return invalid_fields([FieldError(field=field, message=message)])


def database_away() -> ApiProblem:
    detail = "Nothing was stored. Try again in a few seconds; sending the same again makes no second ticket."
    return ApiProblem(503, "temporarily-unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def field_errors(error: ValidationError | RequestValidationError) -> list[FieldError]:
    """Field and cause of each fault, without the value: it may be a customer's."""
    return [FieldError(field=_field(fault["loc"]), message=_message(fault)) for fault in error.errors()]


def _field(location: Sequence[Any]) -> str:
    names = [str(part) for part in location]
    if len(names) > 1 and names[0] in ("body", "query", "path", "header"):
        names = names[1:]
    return ".".join(names) or "body"


def _message(fault: Mapping[str, Any]) -> str:
    context = fault.get("ctx") or {}
    match fault["type"]:
        case "missing":
            return "Fill in this field."
        case "literal_error" | "enum":
            return f"Choose {context['expected']}."
        case "string_too_short":
            return f"Write at least {context['min_length']} characters." if context["min_length"] > 1 else "Fill it in."
        case "string_too_long":
            return f"Use at most {context['max_length']} characters."
        case "value_error":
            return str(context["error"])
        case "extra_forbidden":
            return "There is no such field."
        case _:
            return f"{fault['msg']}."


def problem_response(request: Request, problem: ApiProblem) -> Response:
    request_id = request.scope.get("request_id", "unknown")
    document = Problem(
        type=f"urn:fte:problem:{problem.kind}",
        title=problem.kind.replace("-", " ").capitalize(),
        status=problem.status,
        detail=problem.detail,
        instance=f"urn:fte:request:{request_id}",
        errors=problem.errors or None,
    )
    body = document.model_dump_json(exclude_none=True)
    return Response(body, problem.status, problem.headers, media_type=MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Every error of the app becomes a problem document; what nobody foresaw is caught by the outermost middleware."""

    @app.exception_handler(ApiProblem)
    async def _refusal(request: Request, error: ApiProblem) -> Response:
        return problem_response(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        if any(fault["type"] == "json_invalid" for fault in error.errors()):
            return problem_response(request, _STATUS_PROBLEMS[400])
        return problem_response(request, invalid_fields(field_errors(error)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        known = _STATUS_PROBLEMS.get(error.status_code) or _other(error.status_code)
        return problem_response(request, ApiProblem(known.status, known.kind, known.detail, headers=error.headers))

    @app.exception_handler(NotFound)
    async def _not_found(request: Request, error: NotFound) -> Response:
        return problem_response(request, ApiProblem(404, "not-found", error.detail))

    @app.exception_handler(Conflict)
    async def _conflict(request: Request, error: Conflict) -> Response:
        return problem_response(request, ApiProblem(409, "conflict", error.detail))

    @app.exception_handler(DatabaseUnavailable)
    async def _away(request: Request, error: DatabaseUnavailable) -> Response:
        log.warning("database.unavailable")
        return problem_response(request, database_away())


def _other(status: int) -> ApiProblem:
    phrase = HTTPStatus(status).phrase
    return ApiProblem(status, phrase.lower().replace(" ", "-"), f"{phrase}. /openapi.json describes every endpoint.")


_STATUS_PROBLEMS: dict[int, ApiProblem] = {
    400: ApiProblem(400, "unreadable-body", "The body cannot be read. Send valid JSON or form fields in UTF-8."),
    404: ApiProblem(404, "not-found", "There is nothing at this address. /openapi.json describes every endpoint."),
    405: ApiProblem(405, "method-not-allowed", "Use one of the methods named in the Allow header."),
    408: ApiProblem(408, "request-timeout", "The body came too slowly. Send the request again."),
    413: ApiProblem(413, "body-too-large", "The body is too large. Shorten the text and send it again."),
    415: ApiProblem(415, "unsupported-media-type", "Send application/json or application/x-www-form-urlencoded."),
}

_DESCRIPTIONS = {
    400: "The body cannot be read",
    401: "No valid credentials",
    403: "The key lacks the scope",
    404: "No such thing",
    408: "The body came too slowly",
    409: "Stale, or decided before",
    413: "The body is too large",
    415: "The body is of another media type",
    422: "Fields are wrong",
    429: "Too many requests; Retry-After says when",
    500: "Our own fault",
    503: "The database is away or the channel is not configured; nothing was stored",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for the errors that an endpoint can answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _DESCRIPTIONS[status], "content": content} for status in sorted({*statuses, 500})}


def unreadable_body() -> ApiProblem:
    return _STATUS_PROBLEMS[400]


def problem_for_status(status: int) -> ApiProblem:
    return _STATUS_PROBLEMS[status]
