"""Messages as intake files them, without a provider."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.ids import new_id
from core.models import InboundMessage, Sender
from core.vocabulary import Channel
from crm.conversations import file_message
from crm.customers import recognise_customer
from crm.inbound import accept_event, finish_event, lock_event

_CHANNELS: dict[str, Channel] = {"email": "email", "phone": "whatsapp", "whatsapp_user_id": "whatsapp"}


async def write(conn: Any, sender: Sender, text: str = "Why?", *, channel: Channel | None = None, **more: Any) -> UUID:
    """One message of a sender, accepted and filed; the conversation's id. A claim comes by the form."""
    channel = channel or ("web_form" if sender.evidence == "claimed" else _CHANNELS[sender.kind])
    message = InboundMessage(
        channel=channel, sender=sender, text=text, full_text=text, provider_message_id=str(new_id()), **more
    )
    accepted = await accept_event(
        conn, channel=channel, kind="message", source_key=message.provider_message_id, body={"text": text}, key="k"
    )
    event = await lock_event(conn, accepted.event_id)
    assert event is not None
    filed = await file_message(conn, event, message, await recognise_customer(conn, sender))
    await finish_event(conn, event.id)
    return filed.conversation_id
