"""What came with a message: known by name and type, the content stays with the provider."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from core.errors import NotFound

_ATTACHMENT = """
select attachments -> %(number)s::int from messages where id = %(message_id)s and conversation_id = %(conversation_id)s
"""


async def get_attachment(conn: AsyncConnection, conversation_id: UUID, message_id: UUID, number: int) -> dict[str, Any]:
    """What is known of an attachment, counted from 0. Raises NotFound."""
    values = {"conversation_id": conversation_id, "message_id": message_id, "number": number}
    row = await (await conn.execute(_ATTACHMENT, values)).fetchone()
    if row is None or row[0] is None:
        raise NotFound("There is no such attachment", message_id=message_id)
    return row[0]
