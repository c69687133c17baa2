"""The wire form of an event: what is written is read, and nothing else gets through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from events.envelope import MAX_EVENT_BYTES, Envelope
from events.errors import EventTooLarge, PoisonEvent

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)


@given(payload=st.dictionaries(text, json_values, max_size=5), key=text.filter(bool), at=st.datetimes())
def test_what_is_written_is_read(payload, key, at):
    sent = Envelope(type="message.received", key=key, payload=payload, occurred_at=at.replace(tzinfo=UTC))
    assert Envelope.from_bytes(sent.to_bytes()) == sent


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | json_values.map(str).map(str.encode))
def test_no_bytes_do_worse_than_poison(raw):
    with pytest.raises(PoisonEvent):
        Envelope.from_bytes(raw)


VALID = Envelope(type="message.received", key="c-1", id="11111111-2222-4333-8444-555555555555").to_bytes()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is empty"),
        (None, "it is empty"),
        (b'{"version": 1', "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (VALID.replace(b'"payload":{}', b'"payload":{"x":NaN}'), "it is not JSON"),
        (b'["an", "array"]', "it is not a JSON object"),
        (b"{}", "its version is NoneType"),
        (VALID.replace(b'"version":1', b'"version":2'), "its version is 2, this release reads 1"),
        (VALID.replace(b'"version":1', b'"version":true'), "its version is bool"),
        (VALID.replace(b'"id":', b'"di":'), "id: Field required"),
        (VALID.replace(b'"occurred_at":', b'"occurred":'), "occurred_at: Field required"),
        (VALID.replace(b'"key":"c-1"', b'"key":""'), "key: String should have at least 1 character"),
        (VALID.replace(b"message.received", b"Message"), "type: String should match pattern"),
        (VALID.replace(b'"payload":{}', b'"payload":[]'), "payload: Input should be a valid dictionary"),
    ],
)
def test_poison_says_why(raw, reason):
    with pytest.raises(PoisonEvent) as caught:
        Envelope.from_bytes(raw)
    assert caught.value.reason.startswith(reason)


def test_the_reason_does_not_repeat_what_a_customer_wrote():
    raw = VALID.replace(b'"payload":{}', b'"payload":"my card is 4111"').replace(b"c-1", b"x" * 600)
    with pytest.raises(PoisonEvent) as caught:
        Envelope.from_bytes(raw)
    assert "4111" not in str(caught.value)
    assert "xxx" not in str(caught.value)


def test_fields_of_a_later_release_are_ignored():
    later = VALID.replace(b'"version":1', b'"version":1,"tenant":"t-9"')
    assert Envelope.from_bytes(later) == Envelope.from_bytes(VALID)


def test_times_are_utc():
    at = datetime(2026, 11, 23, 12, tzinfo=timezone(timedelta(hours=2)))
    envelope = Envelope(type="a.b", key="k", occurred_at=at)
    assert envelope.occurred_at.utcoffset() == timedelta(0)
    assert b'"occurred_at":"2026-11-23T10:00:00Z"' in envelope.to_bytes()
    with pytest.raises(ValidationError, match="timezone"):
        Envelope(type="a.b", key="k", occurred_at=datetime(2026, 11, 23))


def test_every_event_has_an_id_of_its_own_and_cannot_be_changed():
    one, other = Envelope(type="a.b", key="k"), Envelope(type="a.b", key="k")
    assert one.id != other.id
    with pytest.raises(ValidationError, match="frozen"):
        one.key = "other"


def test_what_json_cannot_carry_is_refused():
    with pytest.raises(ValidationError, match="finite number"):
        Envelope(type="a.b", key="k", payload={"x": float("inf")})
    with pytest.raises(ValueError, match="JSON cannot carry"):
        Envelope(type="a.b", key="k", payload={"x": "\ud800"}).to_bytes()
    with pytest.raises(EventTooLarge, match=f"the limit is {MAX_EVENT_BYTES}"):
        Envelope(type="a.b", key="k", payload={"x": "é" * (MAX_EVENT_BYTES // 2)}).to_bytes()
