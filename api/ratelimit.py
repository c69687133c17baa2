"""A moving window per address, in the memory of one replica: enough against a stuck script, and it needs no server."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from fastapi import Request

from api.context import context_of
from api.problems import ApiProblem

WINDOW_S = 60.0
MAX_ADDRESSES = 10_000


class MovingWindow:
    """At most `limit` hits of an address in any `window_s` seconds; long silent addresses are forgotten first."""

    def __init__(
        self, limit: int, window_s: float = WINDOW_S, *, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self.window_s = window_s
        self._seconds = seconds
        self._hits: OrderedDict[str, deque[float]] = OrderedDict()

    def hit(self, address: str) -> float:
        """Count one request: 0 when it may pass, else the seconds until one may."""
        now = self._seconds()
        hits = self._hits.setdefault(address, deque())
        self._hits.move_to_end(address)
        if len(self._hits) > MAX_ADDRESSES:
            self._hits.popitem(last=False)
        while hits and hits[0] <= now - self.window_s:
            hits.popleft()
        if len(hits) >= self.limit:
            return hits[0] + self.window_s - now
        hits.append(now)
        return 0.0


def client_network(host: str | None) -> str:
    """One address for IPv4, the /64 that one customer commonly holds for IPv6."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)


def limit_submissions(request: Request) -> None:
    """Dependency: refuse with 429 what comes too fast from one address."""
    window: MovingWindow = request.app.state.submissions
    wait_s = window.hit(client_network(request.client.host if request.client else None))
    if wait_s > 0:
        seconds = max(1, math.ceil(wait_s))
        rate = context_of(request).submit_rate_per_minute
        detail = f"More than {rate} messages in a minute came from your address. Try again in {seconds} seconds."
        raise ApiProblem(429, "too-many-requests", detail, headers={"Retry-After": str(seconds)})
