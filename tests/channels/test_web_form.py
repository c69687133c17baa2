from datetime import UTC, datetime
from uuid import uuid4

import pytest

from channels.web_form.adapter import WebForm
from core.errors import InvalidInbound
from core.models import InboundEvent, Outgoing

FORM = {
    "name": "Sam Lee",
    "email": "Sam@Example.org ",
    "subject": "Export",
    "category": "technical",
    "priority": "high",
    "message": "How do I export?\n",
}


def event(**body) -> InboundEvent:
    return InboundEvent(uuid4(), "web_form", "message", "key-1", body, datetime.now(UTC))


async def test_a_submission_becomes_a_message_whose_sender_is_only_claimed():
    [message] = await WebForm().read(event(**FORM))
    assert (message.sender.kind, message.sender.value, message.sender.evidence) == (
        "email",
        "sam@example.org",
        "claimed",
    )
    assert (message.text, message.full_text) == ("How do I export?", "How do I export?\n")
    assert (message.category, message.priority, message.subject) == ("technical", "high", "Export")
    assert message.provider_message_id == "key-1"


@pytest.mark.parametrize(
    "wrong", [{"email": "nobody"}, {"email": "a@b.c\nBcc: d@e.f"}, {"category": "magic"}, {"message": ""}]
)
async def test_a_form_that_cannot_be_read_says_which_field(wrong):
    with pytest.raises(InvalidInbound, match=next(iter(wrong))):
        await WebForm().read(event(**FORM | wrong))


async def test_the_ticket_page_is_the_delivery():
    outgoing = Outgoing(
        uuid4(), uuid4(), "tkt_x", "web_form", "sam@example.org", None, ("Hello",), 1, "assistant", uuid4()
    )
    receipt = await WebForm().send(outgoing)
    assert (receipt.provider_message_id, receipt.status) == (str(outgoing.message_id), "delivered")
