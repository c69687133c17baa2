"""How fast the edge accepts signed WhatsApp webhooks, beside a bare handler that does one insert.

Both are servers of their own on this machine; they take turns, so that a busy neighbour meets both alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from twilio.request_validator import RequestValidator

from evals.bench_meter import backend_cpu_s

PUBLIC_URL = "http://edge.example"
PATH = "/webhooks/whatsapp"
AT_ONCE = 16
BAR = 0.8
_SENDERS = 200


@dataclass(frozen=True, slots=True)
class Door:
    """A server that accepts webhooks: its port, and its process, whose CPU is counted."""

    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Sample:
    per_s: float
    cpu_ms: float | None  # None where another process's CPU cannot be seen


@dataclass(frozen=True, slots=True)
class EdgeReport:
    """One sample a round and door, in the order of the rounds."""

    ours: tuple[Sample, ...]
    bare: tuple[Sample, ...]

    @property
    def rate(self) -> float:
        """Ours by the bare handler's: the median of the rounds' ratios."""
        return median(ours.per_s / bare.per_s for ours, bare in zip(self.ours, self.bare, strict=True))

    def as_dict(self) -> dict[str, Any]:
        doors = {"ours": self.ours, "bare": self.bare}
        figures: dict[str, Any] = {"rounds": len(self.ours), "rate": round(self.rate, 3), "bar": BAR}
        for name, samples in doors.items():
            rates = [sample.per_s for sample in samples]
            figures[f"{name}_per_s"] = round(median(rates))
            figures[f"{name}_per_s_low"], figures[f"{name}_per_s_high"] = round(min(rates)), round(max(rates))
            cpu = [sample.cpu_ms for sample in samples if sample.cpu_ms is not None]
            figures[f"{name}_cpu_ms"] = round(median(cpu), 2) if cpu else None
        return figures


async def measure_edge(ours: Door, bare: Door, auth_token: str, *, rounds: int = 5, requests: int = 600) -> EdgeReport:
    """Rounds in turn, after one that is not counted. Raises RuntimeError when a door refuses a webhook."""
    samples: dict[Door, list[Sample]] = {ours: [], bare: []}
    for round_no in range(rounds + 1):
        for door, taken in samples.items():
            sample = await _knock(door, [webhook(auth_token, number) for number in range(requests)])
            if round_no:
                taken.append(sample)
    return EdgeReport(tuple(samples[ours]), tuple(samples[bare]))


def webhook(auth_token: str, number: int) -> bytes:
    """A signed message of its own as Twilio posts it, as the bytes of an HTTP request."""
    form = _form(number)
    signature = RequestValidator(auth_token).compute_signature(f"{PUBLIC_URL}{PATH}", dict(form))
    body = urlencode(form).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"X-Twilio-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _form(number: int) -> Mapping[str, str]:
    phone = f"1555{number % _SENDERS:07d}"
    return {
        "MessageSid": f"SM{uuid4().hex}",
        "AccountSid": f"AC{'0' * 32}",
        "From": f"whatsapp:+{phone}",
        "To": "whatsapp:+15550001111",
        "Body": "How do I import items from a CSV file? It says error 12.",
        "NumMedia": "0",
        "NumSegments": "1",
        "ProfileName": "Ada",
        "WaId": phone,
        "SmsStatus": "received",
        "MessageType": "text",
        "ApiVersion": "2010-04-01",
    }


async def _knock(door: Door, requests: list[bytes]) -> Sample:
    count, cpu_s, started = len(requests), backend_cpu_s([door.pid]), time.perf_counter()
    await asyncio.gather(*(_customer(door.port, requests) for _ in range(AT_ONCE)))
    elapsed_s = time.perf_counter() - started
    after_s = backend_cpu_s([door.pid])
    cpu_ms = None if cpu_s is None or after_s is None else (after_s - cpu_s) / count * 1000
    return Sample(count / elapsed_s, cpu_ms)


async def _customer(port: int, requests: list[bytes]) -> None:
    """One connection that posts one request after the other until none is left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while requests:
            writer.write(requests.pop())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 2"):
                raise RuntimeError(f"A webhook was refused: {head.splitlines()[0].decode()}")
            await reader.readexactly(_length(head))
    finally:
        writer.close()


def _length(head: bytes) -> int:
    lines = (line.lower() for line in head.split(b"\r\n"))
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
