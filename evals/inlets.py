"""Channels without their providers: what a scripted customer writes is read as the real adapters read it, nothing leaves."""

from __future__ import annotations

from channels.email.parse import Mailbox, parse_mail
from channels.whatsapp.inbound import read_message
from core.models import InboundEvent, InboundMessage, Outgoing, Receipt
from core.vocabulary import Channel


class MailInlet:
    """`core.ports.ChannelAdapter` of mail whose bytes came with the event."""

    def __init__(self, address: str) -> None:
        self._mailbox = Mailbox(address)

    @property
    def channel(self) -> Channel:
        return "email"

    async def read(self, event: InboundEvent) -> list[InboundMessage]:
        thread = str(event.body["thread_id"])
        return [parse_mail(event.raw or b"", self._mailbox, provider_message_id=event.source_key, thread_id=thread)]

    async def send(self, outgoing: Outgoing) -> Receipt:
        return Receipt(str(outgoing.delivery_id), "sent")


class WhatsAppInlet:
    """`core.ports.ChannelAdapter` of WhatsApp messages in the shape of Twilio's webhook."""

    @property
    def channel(self) -> Channel:
        return "whatsapp"

    async def read(self, event: InboundEvent) -> list[InboundMessage]:
        return [read_message(event.body, event.received_at)]

    async def send(self, outgoing: Outgoing) -> Receipt:
        return Receipt(str(outgoing.delivery_id), "sent")
