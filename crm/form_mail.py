"""A reply to the web form on its second way: by mail to the address that was typed, so often a day and no more."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from core.models import Outgoing
from crm.caps import LOCK_RECIPIENT

# Notices are left to the page: what is mailed answers a question.
_ADD = """
insert into deliveries (message_id, channel, recipient, subject, parts)
select id, 'email', %(recipient)s, %(subject)s, %(parts)s from messages
where id = %(message_id)s and channel = 'web_form' and kind = 'reply'
  and %(a_day)s > (select count(*) from deliveries d join messages m on m.id = d.message_id
                   where d.channel = 'email' and m.channel = 'web_form' and d.recipient = %(recipient)s
                     and d.created_at > now() - interval '1 day')
on conflict (message_id, channel) do nothing
"""


async def add_mail_copy(conn: AsyncConnection, reply: Outgoing, *, subject: str, text: str, a_day: int) -> bool:
    """Queue the copy; False where it is no reply, was queued before, or the address got `a_day` copies within a day."""
    await conn.execute(LOCK_RECIPIENT, {"conversation_id": reply.conversation_id})
    values = {
        "message_id": reply.message_id,
        "recipient": reply.recipient,
        "subject": subject,
        "parts": Jsonb([text]),
        "a_day": a_day,
    }
    return (await conn.execute(_ADD, values)).rowcount > 0
