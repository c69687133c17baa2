"""The last shield against loops: how much a machine may write into one conversation, and to one recipient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import AsyncConnection

from core.models import TurnBrief
from core.vocabulary import Channel

# Turns of one recipient count one after the other: two at once would each see room for one more.
LOCK_RECIPIENT = """
select pg_advisory_xact_lock(hashtextextended('fte.recipient:' || (thread ->> 'recipient'), 0))
from conversations where id = %(conversation_id)s
"""
_COUNT = """
select count(*) filter (where m.conversation_id = %(conversation_id)s
                        and d.created_at > now() - make_interval(secs => %(window_s)s)), count(*)
from deliveries d join messages m on m.id = d.message_id
where d.channel = %(channel)s and m.author <> 'human'
  and d.recipient = (select thread ->> 'recipient' from conversations where id = %(conversation_id)s)
  and d.created_at > now() - make_interval(secs => greatest(86400, %(window_s)s))
"""


@dataclass(frozen=True, slots=True)
class ReplyCaps:
    """Replies of the assistant to a conversation within `window_s`, and to a recipient in 24 hours, by channel.

    The web form has none: a ticket page writes nothing back.
    """

    window_s: float = 600
    in_window: Mapping[Channel, int] = field(default_factory=lambda: {"email": 3, "whatsapp": 20})
    a_day: Mapping[Channel, int] = field(default_factory=lambda: {"email": 20, "whatsapp": 100})


async def find_excess(conn: AsyncConnection, brief: TurnBrief, caps: ReplyCaps) -> str | None:
    """What one more reply would exceed, in words for a person; None where there is room. Holds for the transaction."""
    if brief.channel not in caps.in_window:
        return None
    values = {"conversation_id": brief.conversation_id, "channel": brief.channel, "window_s": caps.window_s}
    await conn.execute(LOCK_RECIPIENT, values)
    row = await (await conn.execute(_COUNT, values)).fetchone()
    assert row is not None
    in_window, a_day = row
    if in_window >= caps.in_window[brief.channel]:
        return f"{in_window} automatic replies to this conversation in {caps.window_s / 60:g} minutes"
    if a_day >= caps.a_day[brief.channel]:
        return f"{a_day} automatic replies to this sender in 24 hours"
    return None
