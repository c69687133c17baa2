"""A provider that is down is not asked by every message anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import Gauge

provider_down = Gauge("support_model_provider_down", "1 while the model provider is left alone because it failed")


@dataclass(slots=True)
class Breaker:
    """After `most` failures in a row nobody is let through for `pause_s`, then one call at a time tries the provider.

    A try that never reports back costs another `pause_s` and no more.
    """

    most: int = 5
    pause_s: float = 30.0
    now: Callable[[], float] = time.monotonic
    _failures: int = field(default=0, init=False)
    _alone_until: float = field(default=0.0, init=False)

    def lets_through(self) -> bool:
        if self._failures < self.most:
            return True
        if self.now() < self._alone_until:
            return False
        self._alone_until = self.now() + self.pause_s
        return True

    def succeeded(self) -> None:
        self._failures = 0
        provider_down.set(0)

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self.most:
            self._alone_until = self.now() + self.pause_s
            provider_down.set(1)
