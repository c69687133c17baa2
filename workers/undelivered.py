"""What becomes of a message that cannot be delivered: an approved template says the same, or a person is told why."""

from __future__ import annotations

import structlog
from psycopg import AsyncConnection

from channels.whatsapp.template import Template, fill
from core.errors import ChannelError, RecipientStopped, WindowClosed
from core.models import Outgoing
from core.settings import Settings
from crm.consent import record_consent
from crm.deliveries import fail_delivery, replace_by
from crm.outbox import add_event
from events.topics import TICKETS_INCOMING, outbound_topic
from workers.context import WorkerContext

log = structlog.get_logger()


async def give_up(context: WorkerContext, conn: AsyncConnection, outgoing: Outgoing, error: ChannelError) -> None:
    """Fail a delivery for good, with its reason, and see to it that somebody goes on from there."""
    await fail_delivery(conn, outgoing.delivery_id, error=str(error))
    if isinstance(error, RecipientStopped):
        await _note_refusal(conn, outgoing, error)
        if outgoing.author == "system":
            return  # our answer to a STOP that the provider carried out itself
    if outgoing.is_copy:
        return
    if isinstance(error, WindowClosed) and await _send_template(context.settings, conn, outgoing, error):
        return
    key = str(outgoing.conversation_id)
    payload = {"conversation_id": key, "error": f"{error.code or 'refused'}: {error.detail}"}
    await add_event(conn, TICKETS_INCOMING, key, "delivery.failed", payload)


async def _note_refusal(conn: AsyncConnection, outgoing: Outgoing, error: ChannelError) -> None:
    """A refusal by the provider is a STOP that we had not heard; ours has no code."""
    if error.code is not None:
        await record_consent(
            conn,
            outgoing.channel,
            outgoing.recipient,
            "stop",
            source="provider",
            reference=f"{error.code}:{outgoing.delivery_id}",
        )


async def _send_template(settings: Settings, conn: AsyncConnection, outgoing: Outgoing, error: WindowClosed) -> bool:
    """An answer of several parts never fits; one that is a template already, or that has gone in part, is not repeated."""
    template = _template_of(settings)
    gone = error.code is None and outgoing.progress.get("sids")
    if template is None or gone or "template" in outgoing.progress or len(outgoing.parts) != 1:
        return False
    filled = fill(template, outgoing.parts[0])
    if filled is None or not await replace_by(conn, outgoing, filled.text, filled.progress):
        return False
    log.info("message.replaced", delivery_id=str(outgoing.delivery_id), by="template")
    key = str(outgoing.conversation_id)
    await add_event(conn, outbound_topic(outgoing.channel), key, "delivery.queued", {"conversation_id": key})
    return True


def _template_of(settings: Settings) -> Template | None:
    if not (settings.twilio_template_sid and settings.twilio_template_text):
        return None
    return Template(settings.twilio_template_sid, settings.twilio_template_text)
