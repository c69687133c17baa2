"""A mail of ours that came back: its delivery has failed, and whoever still waits for it is known."""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection

# Only what was sent can come back. Of a copy the customer has the original, so nobody waits.
_BOUNCED = """
update deliveries d set status = 'failed', last_error = %(error)s from messages m
where d.id = any(%(ids)s) and d.channel = 'email' and d.status = 'sent' and m.id = d.message_id
returning m.conversation_id, d.channel = m.channel as missed
"""


async def fail_bounced(conn: AsyncConnection, delivery_ids: list[UUID], *, error: str) -> list[UUID]:
    """The conversations whose customer missed a message by it; a bounce that comes again changes nothing."""
    rows = await (await conn.execute(_BOUNCED, {"ids": delivery_ids, "error": error})).fetchall()
    return [conversation_id for conversation_id, missed in rows if missed]
