"""The web form: what the page posted comes in; the ticket page, which reads what is stored, is the delivery."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, ValidationError

from core.errors import InvalidInbound
from core.models import InboundEvent, InboundMessage, Outgoing, Receipt, Sender
from core.vocabulary import Category, Channel, Priority

_ADDRESS = re.compile(r"\A[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+\Z")


class Submission(BaseModel):
    """The stored body of a submit. The edge has checked more; this is what reading needs."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    email: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=320, pattern=_ADDRESS)]
    subject: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""
    category: Category | None = None
    priority: Priority = "medium"
    message: Annotated[str, StringConstraints(min_length=1)]


class WebForm:
    """`core.ports.ChannelAdapter` of the web form."""

    @property
    def channel(self) -> Channel:
        return "web_form"

    async def read(self, event: InboundEvent) -> list[InboundMessage]:
        form = _submission(event.body)
        sender = Sender("email", form.email, "claimed", form.name or None)
        return [
            InboundMessage(
                channel="web_form",
                sender=sender,
                text=form.message.strip() or form.message,
                full_text=form.message,
                provider_message_id=event.source_key,
                subject=form.subject or None,
                category=form.category,
                priority=form.priority,
                sent_at=event.received_at,
            )
        ]

    async def send(self, outgoing: Outgoing) -> Receipt:
        return Receipt(str(outgoing.message_id), "delivered")


def _submission(body: dict[str, Any]) -> Submission:
    try:
        return Submission.model_validate(body)
    except ValidationError as error:
        fields = ", ".join(sorted({str(e["loc"][0]) for e in error.errors() if e["loc"]}))
        raise InvalidInbound(f"The stored form cannot be read; look at: {fields}") from error
