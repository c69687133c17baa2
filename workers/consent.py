"""STOP, START and HELP, honoured as soon as they are filed: recorded by address, and answered in the company's words."""

from __future__ import annotations

import structlog
from psycopg import AsyncConnection

from core.models import InboundMessage
from core.profile import CompanyProfile
from crm.consent import record_consent
from crm.conversations import Filed
from crm.notices import answer_with_notice, close_unasked

log = structlog.get_logger()


async def honour_consent(conn: AsyncConnection, profile: CompanyProfile, message: InboundMessage, filed: Filed) -> None:
    """A STOP is confirmed when it changes something, START and HELP are answered; not where the provider did so itself."""
    word = message.headers["consent"]
    news = True
    if word in ("stop", "start"):
        changed = await record_consent(
            conn,
            message.channel,
            message.sender.value,
            word,
            source="customer",
            reference=message.provider_message_id,
            said_at=message.sent_at,
        )
        log.info("consent.recorded", channel=message.channel, word=word, changed=changed)
        news = changed or word == "start"
    if news and "opt_out_type" not in message.headers:
        reason = str(message.automatic)
        text = " ".join(profile.notices[reason])
        await answer_with_notice(conn, message.channel, filed, text, reason=reason)
    await close_unasked(conn, filed.ticket_id)
