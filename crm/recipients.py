"""What a recipient allows in this moment: the pace at which they may be written to, and when they last wrote."""

from __future__ import annotations

from datetime import datetime

from psycopg import AsyncConnection

from core.vocabulary import Channel

# One row a recipient: whoever moves free_at has the slot, over all conversations and processes.
_TAKE = """
insert into recipient_slots as s (channel, recipient, free_at)
values (%(channel)s, %(recipient)s, now() + make_interval(secs => %(pace_s)s))
on conflict (channel, recipient) do update set free_at = excluded.free_at where s.free_at <= now()
"""
_WAIT = """
select extract(epoch from free_at - now())::float8 from recipient_slots
where channel = %(channel)s and recipient = %(recipient)s
"""
# The newest message of each conversation with this address: a customer may have several.
_LAST_INBOUND = """
select max(newest.at) from conversations c cross join lateral (
    select coalesce(m.sent_at, m.created_at) as at from messages m
    where m.conversation_id = c.id and m.direction = 'inbound' order by m.seq desc limit 1) newest
where c.channel = %(channel)s and c.thread ->> 'recipient' = %(recipient)s
"""
_PRUNE = "delete from recipient_slots where free_at < now() - interval '1 day'"


async def take_slot(conn: AsyncConnection, channel: Channel, recipient: str, *, pace_s: float) -> float:
    """Seconds to wait before the next message to this recipient; 0 when it may go now, which takes the slot."""
    values = {"channel": channel, "recipient": recipient, "pace_s": pace_s}
    if (await conn.execute(_TAKE, values)).rowcount:
        return 0.0
    row = await (await conn.execute(_WAIT, values)).fetchone()
    assert row is not None
    return max(row[0], 0.01)


async def find_last_inbound(conn: AsyncConnection, channel: Channel, recipient: str) -> datetime | None:
    row = await (await conn.execute(_LAST_INBOUND, {"channel": channel, "recipient": recipient})).fetchone()
    return row[0] if row else None


async def prune_slots(conn: AsyncConnection) -> int:
    """Forget the recipients to whom nothing is held back."""
    return (await conn.execute(_PRUNE)).rowcount
