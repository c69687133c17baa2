"""The OpenAPI document, made to tell the truth: errors are problem documents, and bodies read by hand are described."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from api.gmail import PushBody
from api.problems import Problem
from api.support import SubmitRequest

_SCHEMAS: tuple[type[BaseModel], ...] = (Problem, SubmitRequest, PushBody)


def describe(app: FastAPI) -> None:
    """Add the schemas that no signature mentions, once, when the document is first asked for."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            _forget_default_errors(document)
            for model in _SCHEMAS:
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}))
                schemas[model.__name__] = schema
        return app.openapi_schema or {}

    app.openapi = openapi


def _forget_default_errors(document: dict[str, Any]) -> None:
    """FastAPI promises its own 422 wherever a parameter stands; ours are promised where they can happen."""
    for item in document["paths"].values():
        for operation in item.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
