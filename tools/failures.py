"""What the model hears when a tool cannot do what it asked. Expected errors only; anything else stops the turn."""

from __future__ import annotations

from typing import Any

from agents import ModelBehaviorError, RunContextWrapper

from core.errors import NotFound, OrderViolation, PolicyRefusal

_EXPECTED = (OrderViolation, PolicyRefusal, NotFound)


def tell_model(_: RunContextWrapper[Any], error: Exception) -> str:
    """The `failure_error_function` of every tool."""
    if isinstance(error, _EXPECTED):
        return f"refused: {error.detail}"
    if isinstance(error, ModelBehaviorError):
        return "refused: The arguments do not fit this tool; read its description and call it again."
    raise error
