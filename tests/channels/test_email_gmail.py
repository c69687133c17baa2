"""Google's own client against our server of the same wire format."""

import asyncio
import email
from datetime import UTC, datetime
from email.policy import default
from uuid import uuid4

import pytest

from channels.email.adapter import GmailChannel
from channels.email.gmail import CursorExpired, GmailApi, GmailConfig, oauth_credentials
from channels.email.parse import Mailbox, parse_mail
from channels.email.reply import Letterhead
from core.errors import ChannelError, InvalidInbound
from core.models import InboundEvent, Outgoing
from simulation.gmail import GmailFake
from simulation.serve import serve
from tests.channels.test_email_sync import MemoryStore

pytestmark = pytest.mark.real


class Rig:
    def __init__(self, fake: GmailFake, base: str) -> None:
        self.fake, self.store, self.progress = fake, MemoryStore(), {}
        login = fake.login
        self.api = GmailApi(
            GmailConfig(fake.mailbox.address, base, timeout_s=0.6),
            oauth_credentials(
                client_id=login.client_id,
                client_secret=login.client_secret,
                refresh_token=login.refresh_token,
                token_url=f"{base}/token",
            ),
        )
        self.crash_on: str | None = None
        self.channel = GmailChannel(self.api, self.store, self.save, Letterhead(fake.mailbox.address, "Acme Support"))

    async def save(self, delivery_id, progress) -> None:
        if self.crash_on in progress:
            self.crash_on = None
            raise RuntimeError("killed before the write")
        self.progress |= progress

    def outgoing(self, text: str = "Yes, you can.", **changes) -> Outgoing:
        fields = dict(
            delivery_id=uuid4(), message_id=uuid4(), ticket_id="tkt", channel="email", recipient="sam@example.org",
            subject="Re: Export", parts=(text,), attempt=1, author="assistant", conversation_id=uuid4(),
        )  # fmt: skip
        return Outgoing(**fields | changes)

    async def send(self, outgoing: Outgoing):
        values = {name: getattr(outgoing, name) for name in outgoing.__slots__}
        return await self.channel.send(Outgoing(**values | {"progress": dict(self.progress)}))


@pytest.fixture
async def rig():
    fake = GmailFake()
    async with serve(fake.app()) as base:
        rig = Rig(fake, base)
        yield rig
        await rig.channel.close()


def message_event(gmail_id: str) -> InboundEvent:
    return InboundEvent(uuid4(), "email", "message", gmail_id, {}, datetime.now(UTC))


async def test_a_push_leads_to_the_mail_and_the_mail_is_read(rig):
    mail = rig.fake.customer_writes("sam@example.org", "Export", "How do I export?", name="Sam Lee")
    push = InboundEvent(uuid4(), "email", "push", "1", rig.fake.push_body(), datetime.now(UTC))
    assert await rig.channel.read(push) == []
    assert rig.store.events == [mail.id]
    [message] = await rig.channel.read(message_event(mail.id))
    assert (message.text, message.subject, message.sender.evidence) == ("How do I export?", "Export", "verified")
    assert message.headers["thread_id"] == mail.thread_id == message.thread_key
    assert rig.fake.login.refreshes == 1


async def test_a_reply_lands_in_the_thread_with_the_right_headers_and_does_not_come_back(rig):
    mail = rig.fake.customer_writes("sam@example.org", "Export", "How do I export?")
    [message] = await rig.channel.read(message_event(mail.id))
    receipt = await rig.send(rig.outgoing(thread=dict(message.headers)))
    [sent] = rig.fake.sent_mails()
    assert sent["id"] == receipt.provider_message_id
    assert sent["threadId"] == mail.thread_id
    assert (sent["to"], sent["subject"], sent["text"]) == ("sam@example.org", "Re: Export", "Yes, you can.")
    assert sent["in-reply-to"] == sent["references"] == message.headers["message_id"]
    assert sent["auto-submitted"] == "auto-replied"
    await rig.channel.sync()
    assert rig.store.events == [mail.id]
    own = parse_mail(rig.fake.mailbox.sent[0].raw, Mailbox(rig.fake.mailbox.address), provider_message_id="x")
    assert own.automatic == "own_address"


async def test_a_persons_reply_is_not_marked_as_automatic_and_html_is_escaped(rig):
    await rig.send(rig.outgoing("<b>1 < 2</b>\nhttps://a.example/x?y=1&z=2.", author="human"))
    mail = email.message_from_bytes(rig.fake.mailbox.sent[0].raw, policy=default)
    assert mail["auto-submitted"] is None
    html = mail.get_body(("html",)).get_content()
    assert "&lt;b&gt;1 &lt; 2&lt;/b&gt;<br>" in html
    assert '<a href="https://a.example/x?y=1&amp;z=2">' in html


async def test_sync_pages_through_history_and_skips_what_is_no_inbox_mail(rig):
    rig.store.position = rig.fake.mailbox.history_id
    rig.fake.page_size = 2
    kept = [rig.fake.customer_writes("a@b.example", f"S{n}", "t").id for n in range(5)]
    for labels in (("SENT",), ("INBOX", "SPAM"), ("INBOX", "TRASH"), ("CATEGORY_PROMOTIONS",)):
        rig.fake.deliver(b"From: x@y.example\r\n\r\nx", labels)
    assert await rig.channel.sync() == 5
    assert rig.store.events == kept
    assert rig.store.position == rig.fake.mailbox.history_id


async def test_a_forgotten_history_leads_to_a_full_listing_without_loss_or_double(rig):
    first = rig.fake.customer_writes("a@b.example", "1", "t").id
    await rig.channel.sync()
    second = rig.fake.customer_writes("a@b.example", "2", "t").id
    rig.fake.mailbox.forget_history()
    with pytest.raises(CursorExpired):
        await rig.api.list_history(1)
    assert await rig.channel.sync() == 1
    assert rig.store.events == [first, second]


async def test_a_mail_deleted_or_trashed_meanwhile_is_skipped(rig):
    gone = rig.fake.customer_writes("a@b.example", "1", "t")
    trashed = rig.fake.customer_writes("a@b.example", "2", "t")
    rig.fake.mailbox.delete(gone.id)
    trashed.labels.add("TRASH")
    assert await rig.channel.read(message_event(gone.id)) == []
    assert await rig.channel.read(message_event(trashed.id)) == []


async def test_a_mail_that_names_no_sender_goes_to_a_person(rig):
    mail = rig.fake.deliver(b"Subject: hm\r\n\r\nwho am I")
    with pytest.raises(InvalidInbound, match="sender"):
        await rig.channel.read(message_event(mail.id))


@pytest.mark.parametrize("path", ["*/drafts", "*/drafts/send"])
@pytest.mark.parametrize("mode", ["timeout_after_accept", "drop", "5xx", "429"])
async def test_whatever_goes_wrong_at_a_step_the_reply_goes_out_once(rig, path, mode):
    rig.fake.faults.add(path, mode, method="POST", seconds=1)
    outgoing, errors, receipt = rig.outgoing(), [], None
    while receipt is None:
        try:
            receipt = await rig.send(outgoing)
        except ChannelError as error:
            errors.append(error)
    assert len(errors) <= 1
    assert not any(error.permanent for error in errors)
    assert [m["id"] for m in rig.fake.sent_mails()] == [receipt.provider_message_id]
    assert rig.fake.mailbox.drafts == {}


@pytest.mark.parametrize("key", ["drafting", "draft_id"])
async def test_a_crash_before_a_note_is_written_sends_nothing_twice(rig, key):
    outgoing = rig.outgoing()
    rig.crash_on = key
    with pytest.raises(RuntimeError):
        await rig.send(outgoing)
    await rig.send(outgoing)
    await rig.send(outgoing)
    assert len(rig.fake.sent_mails()) == 1
    assert rig.fake.mailbox.drafts == {}


async def test_a_withdrawn_permission_says_what_to_do_and_does_not_spin(rig):
    rig.fake.login.accept_refresh = False
    with pytest.raises(ChannelError, match="fte gmail auth") as error:
        await rig.channel.sync()
    assert (error.value.code, error.value.permanent, error.value.retry_after_s) == ("invalid_grant", False, 300.0)


async def test_busy_says_when_to_come_back(rig):
    rig.fake.faults.add("*/profile", "429", seconds=9)
    with pytest.raises(ChannelError) as error:
        await rig.channel.sync()
    assert (error.value.code, error.value.retry_after_s) == ("429", 9.0)


@pytest.mark.parametrize("recipient", ["nobody", "a@b.example\r\nBcc: c@d.example", "", "a@b.example, c@d.example"])
async def test_a_recipient_that_is_no_address_is_a_permanent_error(rig, recipient):
    with pytest.raises(ChannelError) as error:
        await rig.send(rig.outgoing(recipient=recipient))
    assert error.value.permanent
    assert rig.fake.mailbox.drafts == {}


async def test_many_reads_at_once_share_nothing_that_breaks(rig):
    mails = [rig.fake.customer_writes("a@b.example", str(n), f"text {n}") for n in range(20)]
    read = await asyncio.gather(*(rig.channel.read(message_event(mail.id)) for mail in mails))
    assert [messages[0].text for messages in read] == [f"text {n}" for n in range(20)]


async def test_the_watch_tells_when_it_ends(rig):
    history_id, ends = await rig.api.watch("projects/p/topics/t")
    assert history_id == rig.fake.mailbox.history_id
    assert 6 <= (ends - datetime.now(UTC)).days <= 7
