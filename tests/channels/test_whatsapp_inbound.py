from datetime import UTC, datetime

import pytest

from channels.whatsapp.inbound import event_body, is_twilio_host, read_message
from core.consent import consent_word
from core.errors import InvalidInbound

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
