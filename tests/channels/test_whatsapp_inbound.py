import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.whatsapp.inbound import event_body, is_twilio_host, message_key, read_message, sender_key
from channels.whatsapp.status import read_status
from core.consent import consent_word
from core.errors import InvalidInbound

SHAPES = Path(__file__).parents[3] / "shared/data/api_shapes/common/twilio_whatsapp_webhooks.jsonl"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
FORM = {
    "MessageSid": "SM1",
    "From": "whatsapp:+15551234567",
    "To": "whatsapp:+15550001111",
    "Body": "Hi",
    "ProfileName": "Sam",
}


def read(**changes):
    return read_message(FORM | changes, NOW)


def test_a_text_comes_from_a_verified_phone_number():
    message = read()
    assert (message.sender.kind, message.sender.value, message.sender.evidence) == ("phone", "+15551234567", "verified")
    assert (message.sender.name, message.text, message.provider_message_id) == ("Sam", "Hi", "SM1")
    assert message.thread_key == "+15551234567"


def test_a_sender_without_a_number_is_a_customer_too():
    for form in ({"From": "whatsapp:IN.2081978709342942"}, {"From": "", "ExternalUserId": "IN.2081978709342942"}):
        sender = read(**form).sender
        assert (sender.kind, sender.value) == ("whatsapp_user_id", "IN.2081978709342942")


def test_a_message_without_sender_or_id_is_refused():
    with pytest.raises(InvalidInbound, match="From"):
        read(From="whatsapp:+0")
    with pytest.raises(InvalidInbound, match="MessageSid"):
        read(MessageSid="")


def test_nul_is_stripped_and_the_first_of_two_values_counts():
    assert event_body([("Body", "a\x00b"), ("Body", "c")]) == {"Body": "ab"}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"Body": "", "NumMedia": "1", "MediaContentType0": "image/jpeg"}, "[The customer sent a picture.]"),
        (
            {"Body": "See", "NumMedia": "1", "MediaContentType0": "application/pdf"},
            "See\n[The customer sent a document.]",
        ),
        ({"Body": "", "NumMedia": "1", "MediaContentType0": "audio/ogg"}, "[The customer sent a voice message.]"),
        ({"Body": "", "NumMedia": "1", "MediaContentType0": "text/vcard"}, "[The customer sent a contact card.]"),
        ({"Body": "", "MessageType": "contacts"}, "[The customer shared a contact card.]"),
        (
            {"Body": "", "Latitude": "52.5", "Longitude": "13.4", "Label": "Office"},
            "[The customer shared a location: Office (52.5, 13.4).]",
        ),
        ({"Body": "", "ButtonText": "Yes please"}, "Yes please"),
        ({"Body": "", "NumMedia": "lots"}, "[The customer sent an empty message.]"),
    ],
)
def test_what_is_not_text_is_politely_named(form, text):
    assert read(**form).text == text


def test_a_reply_and_a_button_keep_what_they_refer_to():
    headers = read(OriginalRepliedMessageSid="SM0", ButtonPayload="yes").headers
    assert (headers["replied_to"], headers["button_payload"]) == ("SM0", "yes")


@pytest.mark.parametrize("body", ["STOP", " stop. ", "Unsubscribe", "OPT OUT!"])
def test_a_message_that_is_only_stop_opts_out_and_is_not_answered(body):
    message = read(Body=body)
    assert (message.automatic, message.headers["consent"]) == ("opt_out", "stop")


@pytest.mark.parametrize(
    "body", ["please stop the sync job", "How do I unsubscribe a user?", "It does not stop", "cancel", "end"]
)
def test_stop_inside_a_sentence_is_a_question(body):
    assert consent_word(body) is None
    assert read(Body=body).automatic is None


def test_media_is_fetched_from_twilio_only():
    assert is_twilio_host("https://api.twilio.com/2010-04-01/x")
    for trap in (
        "http://api.twilio.com/x",
        "https://twilio.com.evil.example/x",
        "https://eviltwilio.com/",
        "https://evil.example/?twilio.com",
        "",
    ):
        assert not is_twilio_host(trap)


@pytest.mark.skipif(not SHAPES.exists(), reason="the WhatsApp webhook shapes are not on this machine")
def test_webhooks_as_others_saw_them_are_read():
    shapes = {
        row["id"]: event_body(map(tuple, row["params"])) for row in map(json.loads, SHAPES.read_text().splitlines())
    }
    message = read_message(shapes["wa-ad-referral-params"], NOW)
    assert (message.sender.kind, message.sender.value, message.provider_message_id) == ("phone", "+1234567890", "SM123")
    assert message.text == "Test message"
    kept = ("external_user_id", "parent_external_user_id", "profile_username", "referral_url", "referral_headline")
    assert [bool(message.headers.get(name)) for name in kept] == [True] * 5
    report = read_status(shapes["status-undelivered"], {})
    assert (report.status, report.error_code, report.delivery_id) == ("failed", "30003", None)


def test_a_message_from_twilios_list_keeps_its_own_time():
    assert read(DateCreated="2026-10-31T08:00:00+00:00").sent_at == datetime(2026, 10, 31, 8, tzinfo=UTC)
    assert read(DateCreated="yesterday").sent_at == NOW


@pytest.mark.parametrize(("body", "rule"), [("START", "opt_in"), ("unstop", "opt_in"), (" Help! ", "help")])
def test_start_and_help_have_rules_of_their_own(body, rule):
    assert read(Body=body).automatic == rule


def test_one_message_has_one_key_and_one_sender_one_lane():
    assert message_key(FORM) == "SM1"
    assert message_key({"Body": "x"}, b"raw") == message_key({}, b"raw") != message_key({}, b"other")
    assert sender_key(FORM) == sender_key(FORM | {"Body": "later"}) != sender_key(FORM | {"From": "whatsapp:+4930123"})
    assert "+1555" not in sender_key(FORM)
