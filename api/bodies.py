"""Reading what was sent: JSON or form fields, from bytes that may be anything."""

from __future__ import annotations

import re
from email.message import Message
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError
from pydantic_core import from_json

from api.problems import field_errors, invalid_field, invalid_fields, problem_for_status, unreadable_body

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 200
MAX_IDEMPOTENCY_KEY_LENGTH = 200
# NUL cannot be stored by PostgreSQL, the others cannot be seen; tab and line end stay.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# What channels/web_form reads is wider: control characters, empty labels and dots at the edges are refused here.
_ATOM = r"[^@\s,;:<>()\[\]\\\".\x00-\x1f\x7f-\x9f]+"
_LABEL = r"(?!-)[\w-]{1,63}"
_EMAIL = re.compile(rf"{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*\.\w[\w-]{{1,62}}")
MAX_EMAIL_LENGTH = 254

Model = TypeVar("Model", bound=BaseModel)


def clean_text(value: Any) -> Any:
    """Free text as it can be stored and shown: Unix line ends, no control characters, no blanks around it."""
    if not isinstance(value, str):
        return value
    return _CONTROL.sub("", value.replace("\r\n", "\n").replace("\r", "\n")).strip()


def clean_line(value: Any) -> Any:
    """The same in one line, so that it can be a name or a subject."""
    return " ".join(clean_text(value).split()) if isinstance(value, str) else value


def _check_email(value: str) -> str:
    address = value.strip()
    if len(address) > MAX_EMAIL_LENGTH:
        raise ValueError(f"Use an email address of at most {MAX_EMAIL_LENGTH} characters.")
    if not _EMAIL.fullmatch(address) or len(address.rpartition("@")[0]) > 64:
        raise ValueError("Enter an email address like name@example.com.")
    return address


FreeText = Annotated[str, BeforeValidator(clean_text)]
Line = Annotated[str, BeforeValidator(clean_line)]
EmailAddress = Annotated[str, AfterValidator(_check_email)]


def media_type(request: Request) -> str:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    return header.get_content_type() if request.headers.get("content-type") else ""


async def read_body(request: Request, model: type[Model]) -> Model:
    """The body as a model, from JSON or form fields. Raises ApiProblem 400, 415 or 422."""
    fields = await read_fields(request)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid_fields(field_errors(error)) from None


async def read_fields(request: Request) -> dict[str, Any]:
    """The fields as they were sent. Raises ApiProblem 400 for what is no object, 415 for another media type."""
    kind = media_type(request)
    if kind == FORM:
        return dict(parse_form(await request.body()))
    if kind != JSON:
        raise problem_for_status(415)
    return parse_json(await request.body())


def parse_json(raw: bytes) -> dict[str, Any]:
    """A JSON object; not NaN, not invalid UTF-8, not a hundred thousand brackets. Raises ApiProblem 400."""
    try:
        fields = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise unreadable_body() from None
    if not isinstance(fields, dict):
        raise unreadable_body()
    return fields


def parse_form(raw: bytes) -> list[tuple[str, str]]:
    """All pairs in order, blanks and doubles kept, nothing trimmed: signatures cover them. Raises ApiProblem 400."""
    try:
        text = raw.decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        raise unreadable_body() from None


def check_idempotency_key(key: str) -> str:
    """Raises ApiProblem 422 for a key that could not be compared to the letter."""
    if not (0 < len(key) <= MAX_IDEMPOTENCY_KEY_LENGTH and key.isascii() and key.isprintable()):
        message = f"Send 1 to {MAX_IDEMPOTENCY_KEY_LENGTH} printable ASCII characters, for example a UUID."
        raise invalid_field("Idempotency-Key", message)
    return key
