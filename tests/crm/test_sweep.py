"""What the sweeper closes, and what it leaves open."""

from __future__ import annotations

from typing import Any

import pytest

from crm.pool import Pool, transaction
from crm.sweep import close_resolved
from tests.crm.story import Story

pytestmark = pytest.mark.real


async def status_after(
    pool: Pool, *, sentiment: float | None, resolved_by: str, outcome: str | None = "answered"
) -> Any:
    async with transaction(pool) as conn:
        story = await Story(conn).begin()
        await story.wrote("Hello", sentiment=0.9, outcome="answered", outcome_reason="x")
        reason = outcome and "x"
        await story.wrote("And now?", sentiment=sentiment, outcome=outcome, outcome_reason=reason)
        await conn.execute(
            "update tickets set status = 'resolved', sentiment = 0.9, resolved_by = %s, resolved_at = now() - interval '9 days'"
            " where id = %s",
            (resolved_by, story.ticket_id),
        )
        await close_resolved(conn, after_s=60)
        row = await (await conn.execute("select status from tickets where id = %s", (story.ticket_id,))).fetchone()
        return row and row[0]


@pytest.mark.parametrize(
    ("sentiment", "resolved_by", "outcome", "status"),
    [
        (0.8, "assistant", "answered", "closed"),
        (0.3, "assistant", "answered", "closed"),
        (0.29, "assistant", "answered", "resolved"),
        (None, "assistant", "silent", "closed"),
        (None, "assistant", None, "resolved"),
        (0.1, "human", "handed_over", "closed"),
    ],
)
async def test_an_angry_or_unread_last_message_keeps_a_ticket_open(
    pool: Pool, sentiment: float | None, resolved_by: str, outcome: str | None, status: str
) -> None:
    assert await status_after(pool, sentiment=sentiment, resolved_by=resolved_by, outcome=outcome) == status
