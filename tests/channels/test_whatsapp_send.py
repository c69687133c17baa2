"""The real twilio client against our server of the same wire format."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from channels.whatsapp.adapter import TwilioWhatsApp, WhatsAppConfig
from channels.whatsapp.status import read_status
from core.errors import ChannelError
from core.models import InboundEvent, Outgoing
from simulation.serve import serve
from simulation.twilio import TwilioFake

pytestmark = pytest.mark.real
PATH = "*/Messages.json"


class Rig:
    """An adapter, the fake it talks to, and progress kept as the delivery store keeps it."""

    def __init__(self, fake: TwilioFake, base_url: str) -> None:
        self.fake = fake
        self.progress: dict = {}
        self.base_url = base_url
        self.crash_on: str | None = None
        self.adapter = self.start()

    def start(self) -> TwilioWhatsApp:
        config = WhatsAppConfig(
            self.fake.account_sid,
            self.fake.auth_token,
            self.fake.number,
            base_url=self.base_url,
            timeout_s=0.5,
        )
        return TwilioWhatsApp(config, self.save)

    async def save(self, delivery_id, progress) -> None:
        if progress.get(self.crash_on):
            self.crash_on = None
            raise RuntimeError("killed before the write")
        self.progress |= progress

    async def send(self, *parts: str, to: str = "+15551234567"):
        ids = uuid4(), uuid4()
        while True:
            outgoing = Outgoing(
                *ids, "tkt", "whatsapp", to, None, parts, 1, "assistant", uuid4(), progress=dict(self.progress)
            )
            receipt = await self.adapter.send(outgoing)
            if receipt.status == "sent":
                return receipt

    @property
    def bodies(self) -> list[str]:
        return [message["body"] for message in self.fake.sent]


@pytest.fixture
async def rig():
    fake = TwilioFake()
    async with serve(fake.app()) as base_url:
        rig = Rig(fake, base_url)
        yield rig
        await rig.adapter.close()


async def test_parts_go_out_in_order_and_the_receipt_names_them(rig):
    receipt = await rig.send("one", "two", "three")
    assert rig.bodies == ["one", "two", "three"]
    assert receipt.status == "sent"
    assert receipt.detail["sids"] == [m["sid"] for m in rig.fake.sent]
    assert rig.fake.sent[0]["to"] == "whatsapp:+15551234567"


async def test_a_retry_does_not_repeat_the_parts_that_went_out(rig):
    rig.fake.faults.add(PATH, "5xx", method="POST")
    rig.progress = {"sids": ["SM1"]}
    with pytest.raises(ChannelError) as error:
        await rig.send("one", "two")
    assert not error.value.permanent
    await rig.send("one", "two")
    assert rig.bodies == ["two"]


async def test_a_message_that_was_taken_before_the_time_out_is_found_and_not_sent_again(rig):
    rig.fake.faults.add(PATH, "timeout_after_accept", method="POST", seconds=2)
    with pytest.raises(ChannelError) as error:
        await rig.send("one", "two")
    assert error.value.code == "timeout"
    assert not error.value.permanent
    receipt = await rig.send("one", "two")
    assert rig.bodies == ["one", "two"]
    assert receipt.detail["sids"] == [m["sid"] for m in rig.fake.sent]


async def test_a_message_that_was_not_taken_is_sent_by_the_retry(rig):
    rig.fake.faults.add(PATH, "drop", method="POST")
    with pytest.raises(ChannelError):
        await rig.send("one")
    await rig.send("one")
    assert rig.bodies == ["one"]


async def test_a_crash_between_sending_and_noting_sends_nothing_twice(rig):
    rig.crash_on = "sids"
    with pytest.raises(RuntimeError):
        await rig.send("same", "same")
    assert rig.bodies == ["same"]
    rig.adapter = rig.start()
    await rig.send("same", "same")
    assert rig.bodies == ["same", "same"]


async def test_a_status_callback_that_came_first_settles_the_question(rig):
    rig.progress = {"pending": {"part": 0, "since": datetime.now(UTC).isoformat()}, "seen": {"0": "SMseen"}}
    assert (await rig.send("one")).provider_message_id == "SMseen"
    assert rig.bodies == []


async def test_an_equal_text_of_long_ago_is_not_mistaken_for_this_one(rig):
    await rig.send("Yes.")
    rig.progress = {"pending": {"part": 0, "since": "2999-01-01T00:00:00+00:00"}}
    await rig.send("Yes.")
    assert rig.bodies == ["Yes.", "Yes."]


@pytest.mark.parametrize(
    ("code", "status", "permanent"),
    [
        (63016, 400, True),
        (21617, 400, True),
        (21610, 400, True),
        (21211, 400, True),
        (63018, 400, False),
        (20003, 401, False),
    ],
)
async def test_refusals_are_told_apart(rig, code, status, permanent):
    rig.fake.faults.add(PATH, "error", code=code, status=status)
    with pytest.raises(ChannelError) as error:
        await rig.send("one")
    assert (error.value.code, error.value.permanent) == (str(code), permanent)
    assert rig.progress["pending"] is None


async def test_too_many_requests_says_when_to_come_back(rig):
    rig.fake.faults.add(PATH, "429", seconds=7)
    with pytest.raises(ChannelError) as error:
        await rig.send("one")
    assert (error.value.permanent, error.value.retry_after_s, error.value.code) == (False, 7.0, "429")


async def test_the_fake_itself_refuses_what_twilio_refuses(rig):
    rig.fake.unsubscribed.add("whatsapp:+15551234567")
    rig.fake.inline_63016 = True
    rig.fake.outside_window.add("whatsapp:+15557654321")
    for parts, to, code in [
        (("x",), "+15551234567", "21610"),
        (("x" * 1601,), "+1555000222", "21617"),
        (("x",), "+15557654321", "63016"),
    ]:
        with pytest.raises(ChannelError) as error:
            await rig.send(*parts, to=to)
        assert error.value.code == code


async def test_the_callback_address_names_delivery_and_part():
    fake = TwilioFake()
    adapter = TwilioWhatsApp(
        WhatsAppConfig("AC", "t", fake.number, status_callback_url="https://a.example/s"), Rig.save
    )
    delivery = uuid4()
    url = adapter._callback(delivery, 1)
    assert url is not None
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    report = read_status({"MessageSid": "SM", "MessageStatus": "sent"}, query)
    assert (report.delivery_id, report.part) == (delivery, 1)


async def test_reading_gives_the_message_of_a_webhook_and_nothing_of_a_status(rig):
    body = {"MessageSid": "SM1", "From": "whatsapp:+15551234567", "Body": "Hi"}
    event = InboundEvent(uuid4(), "whatsapp", "message", "SM1", body, datetime.now(UTC))
    assert [m.text for m in await rig.adapter.read(event)] == ["Hi"]
    assert await rig.adapter.read(InboundEvent(uuid4(), "whatsapp", "status", "x", {}, datetime.now(UTC))) == []


async def test_a_message_whose_webhook_never_came_can_be_asked_for(rig):
    long_ago, later = datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    for n in range(3):
        await rig.fake.customer_writes("+15551234567", f"lost {n}")
    await rig.send("not inbound")
    missed = await rig.adapter.list_received(long_ago, later)
    assert [body["Body"] for body in missed] == ["lost 0", "lost 1", "lost 2"]
    event = InboundEvent(uuid4(), "whatsapp", "message", missed[0]["MessageSid"], missed[0], datetime.now(UTC))
    assert (await rig.adapter.read(event))[0].sender.value == "+15551234567"
    assert await rig.adapter.list_received(later, later) == []
    assert await rig.adapter.list_received(long_ago, long_ago) == []
