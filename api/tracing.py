"""What an event carries so that its whole way can be found again."""

from __future__ import annotations

import re

from fastapi import Request

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_of(request: Request) -> dict[str, str]:
    """The request's id, and the caller's W3C trace context where it is well formed."""
    trace = {"request_id": str(request.scope.get("request_id", ""))}
    traceparent = request.headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(traceparent):
        trace["traceparent"] = traceparent
    return trace
