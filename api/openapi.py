"""The OpenAPI document, made to tell the truth: errors are problem documents, and bodies read by hand are described."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from api.problems import Problem
from api.support import SubmitRequest

_SCHEMAS: tuple[type[BaseModel], ...] = (Problem, SubmitRequest)


def describe(app: FastAPI) -> None:
    """Add the schemas that no signature mentions, once, when the document is first asked for."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for model in _SCHEMAS:
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}))
                schemas[model.__name__] = schema
        return app.openapi_schema or {}

    app.openapi = openapi
