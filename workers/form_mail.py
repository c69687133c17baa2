"""A reply to the web form also goes by mail, where there is a mailbox, in the transaction that puts it on the page."""

from __future__ import annotations

import structlog
from psycopg import AsyncConnection

from channels.web_form.mail import copy_subject, copy_text
from core.models import Outgoing
from crm.form_mail import add_mail_copy
from crm.outbox import add_event
from events.topics import EMAIL_OUTBOUND
from workers.context import WorkerContext

log = structlog.get_logger()


async def mail_form_reply(context: WorkerContext, conn: AsyncConnection, reply: Outgoing) -> None:
    """The address was typed, not proved: it gets this answer and nothing that the form's writer could put into a mail."""
    if reply.channel != "web_form" or "email" not in context.adapters or not context.settings.form_mails_per_day:
        return
    company, base = context.deps.profile.name, context.settings.public_base_url
    added = await add_mail_copy(
        conn,
        reply,
        subject=copy_subject(company),
        text=copy_text(reply.parts, company, reply.ticket_id, base),
        a_day=context.settings.form_mails_per_day,
    )
    log.info("form.mailed" if added else "form.not_mailed", message_id=str(reply.message_id))
    if added:
        key = str(reply.conversation_id)
        await add_event(conn, EMAIL_OUTBOUND, key, "delivery.queued", {"conversation_id": key})
