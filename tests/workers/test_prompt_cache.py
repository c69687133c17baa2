"""What a provider can keep in its prompt cache is the same for every customer, byte for byte; the customer comes last."""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import Any

import pytest

from simulation.openai import Received
from tests.fixtures_online import Online

pytestmark = pytest.mark.real
ADA = {"subject": "Card", "email": "ada@example.org"}
GRACE = {"subject": "Two questions about members", "email": "grace@example.org"}
# Ids, ticket numbers, times: whatever would make one prompt differ from the next.
_PASSING = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}|tkt_|\d{4}-\d\d-\d\d|\d\d:\d\d|@example\.org")


def prefix(received: Received) -> str:
    """What comes before the customer in the provider's own order: tools, the form of the answer, instructions."""
    body: dict[str, Any] = received.body
    form = body.get("response_format") or body.get("text")
    return json.dumps([body.get("tools"), form]) + received.ask.system


async def beginnings(online: Online, who: dict[str, str], *messages: str) -> dict[str, set[str]]:
    """The prefixes of one customer's requests, by what was asked for."""
    found: dict[str, set[str]] = {}
    online.fake.received.clear()
    for message in messages:
        await online.settle(message, **who)
    for received in online.fake.received:
        kind = ",".join(received.ask.tools) or ",".join((received.ask.schema or {}).get("properties", {}))
        found.setdefault(kind, set()).add(prefix(received))
        assert received.ask.user.rstrip().endswith(("</customer_message>", "</text>"))
    return found


async def test_two_customers_share_the_beginning_of_every_request(online: Online) -> None:
    question, refund = "How do I change the card of my workspace?", "I want a refund for last month."
    ada = await beginnings(online, ADA, question, refund)
    grace = await beginnings(
        online, GRACE, "Where do I see who is a member of my workspace?", "Refund my June payment."
    )
    # Triage, sentiment, the responder with its tools, the summary: one beginning each (the guardrail has one for what comes
    # in and one for drafts), and the same for both. For other
    # words a model is asked only where a search found nothing.
    both = ada.keys() & grace.keys()
    assert len(both) >= 4
    assert {kind: ada[kind] for kind in both} == {kind: grace[kind] for kind in both}
    for beginning in chain.from_iterable(ada.values()):
        assert not _PASSING.search(beginning)
        assert question not in beginning


async def test_the_provider_reads_the_second_customers_beginning_from_its_cache(online: Online) -> None:
    await online.settle("How do I change the card that my workspace is billed to?", **ADA)
    first = len(await online.calls())
    await online.settle("Where do I see who is a member of my workspace?", **GRACE)
    later = (await online.calls())[first:]
    assert {call.node for call in later if call.cached_tokens >= 1_024} >= {"triage", "responder"}
