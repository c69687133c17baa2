"""A conversation goes on in another channel: replies leave there from now on, to an address that the customer has proved."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from psycopg import AsyncConnection

from core.errors import Conflict, NotFound
from core.vocabulary import Channel
from crm.audit import record_act

_KINDS: Final[dict[Channel, list[str]]] = {
    "email": ["email"],
    "whatsapp": ["phone", "whatsapp_user_id"],
    "web_form": [],
}
_LOCK = "select channel, customer_id from conversations where id = %(id)s for update"
# The address that they proved last.
_ADDRESS = """
select value from customer_identifiers
where customer_id = %(customer_id)s and kind = any(%(kinds)s) and evidence <> 'claimed' order by created_at desc, id limit 1
"""
_SET = """
update conversations set reply_channel = %(channel)s, reply_recipient = %(recipient)s, updated_at = now() where id = %(id)s
"""
# A person who answers is held to the new channel's length. A draft was made for the old one: kept to read, not to send.
_MOVE_REVIEW = """
update reviews set channel = %(target)s, summary = summary || coalesce(E'\n' || %(note)s || draft, ''), draft = null,
       version = version + 1
where conversation_id = %(id)s and status = 'open' and channel <> %(target)s
"""


async def move_conversation(conn: AsyncConnection, conversation_id: UUID, channel: Channel, *, by: str) -> None:
    """Send further replies through `channel`; moving to where the customer writes takes a move back.

    Raises NotFound, or Conflict where the customer has proved no address there.
    """
    row = await (await conn.execute(_LOCK, {"id": conversation_id})).fetchone()
    if row is None:
        raise NotFound("There is no such conversation", conversation_id=conversation_id)
    home, customer_id = row
    values = {"id": conversation_id, "channel": None, "recipient": None}
    if channel != home:
        recipient = await _proved_address(conn, customer_id, channel)
        values |= {"channel": channel, "recipient": recipient}
    await conn.execute(_SET, values)
    note = f"The conversation moved to {channel}. The draft that was held before:\n"
    await conn.execute(_MOVE_REVIEW, {"id": conversation_id, "target": channel, "note": note})
    await record_act(conn, by, "conversation.moved", conversation_id, channel=channel)


async def _proved_address(conn: AsyncConnection, customer_id: UUID, channel: Channel) -> str:
    values = {"customer_id": customer_id, "kinds": _KINDS[channel]}
    row = await (await conn.execute(_ADDRESS, values)).fetchone()
    if row is None:
        raise Conflict(
            f"This customer has proved no address for {channel}: a reply could reach somebody else",
            customer_id=customer_id,
        )
    return row[0]
