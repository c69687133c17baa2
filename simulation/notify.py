"""The webhooks that a fake sends, with the faults of the real world: lost, late, twice, out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from simulation.faults import Faults


@dataclass(slots=True)
class Notifier:
    """Posts in the background. With `retry`, whatever is not a 2xx comes again, as Pub/Sub does it."""

    faults: Faults
    retry: bool = False
    attempts: int = 8
    log: list[tuple[str, int]] = field(default_factory=list)
    _held: dict[str, list[tuple[str, Mapping[str, str], bytes]]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, after_s: float = 0.0) -> None:
        task = asyncio.create_task(self._later(url, headers, body, after_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Now, through the faults. The status that the receiver gave, 0 for none."""
        path = urlsplit(url).path
        fault = self.faults.take(path, "POST", modes=("drop", "delay", "duplicate", "reorder"))
        mode = fault.mode if fault else None
        if mode == "drop":
            return 0
        if mode == "reorder":
            self._held.setdefault(path, []).append((url, headers, body))
            return 0
        if fault and mode == "delay":
            await asyncio.sleep(fault.seconds)
        status = await self._send(url, headers, body)
        if mode == "duplicate":
            await self._send(url, headers, body)
        for held in self._held.pop(path, []):
            await self._send(*held)
        return status

    async def settle(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _later(self, url: str, headers: Mapping[str, str], body: bytes, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.deliver(url, headers, body)

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        status = 0
        async with httpx.AsyncClient(timeout=15, trust_env=False) as client:
            for attempt in range(self.attempts if self.retry else 1):
                try:
                    status = (await client.post(url, headers=dict(headers), content=body)).status_code
                except httpx.HTTPError:
                    status = 0
                self.log.append((url, status))
                if 200 <= status < 300:
                    break
                if self.retry:
                    await asyncio.sleep(min(5.0, 0.1 * 2**attempt))
        return status
