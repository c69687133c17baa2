"""What is masked, and what must not be: ids, times, codes and barcodes keep a log readable."""

from __future__ import annotations

import pytest

from core.redaction import redact, redact_all


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to Ada.Byron+x@mail.example.org!", "write to [email]!"),
        ("call +351 912 345 678 now", "call [phone] now"),
        ("0044 7700 900123", "[phone]"),
        ("whatsapp:+15550001111", "whatsapp:[phone]"),
        ("(0151) 222 3334", "[phone]"),
        ("555-867-5309", "[phone]"),
        ("card 4111 1111 1111 1111.", "card [card]."),
        ("4111-1111-1111-1111", "[card]"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [iban] please"),
        ("GB29NWBK60161331926819", "[iban]"),
        ("OPENAI_API_KEY=sk-proj-abcdefghij0123456789", "OPENAI_API_KEY=[secret]"),
        ("Authorization: Bearer abcdef123456.x", "Authorization: Bearer [secret]"),
        ("postgresql://fte:s3cret@db.internal/fte", "postgresql://[secret]@db.internal/fte"),
        ("token=abcdef123456&x=1", "token=[secret]&x=1"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", "[secret]"),
        ("AKIAIOSFODNN7EXAMPLEX", "[secret]"),
    ],
)
def test_personal_data_and_secrets_are_masked(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "018f4a3e-7c21-7cc3-98c4-dc0c0c07398f",
        "2026-11-25T15:05:30.123456Z",
        "tkt_0123456789abcdefghijAB",
        "TR-2104, version 4.2.1, row 1200 of 5000",
        "barcode 4006381333931",
        "took 1234.5678 ms, port 54321, 10.0.0.12:5432",
        "sha256:8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        "",
    ],
)
def test_what_a_log_is_read_for_stays(text: str) -> None:
    assert redact(text) == text


def test_every_text_of_a_nested_value_is_masked_and_the_keys_stay() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd ada@example.org"

    event = {"event": "mail.sent", "to": ["ada@example.org", b"+351 912 345 678"], "n": 3, "on": True, "none": None}
    assert redact_all({**event, "deep": {"x": ("ada@example.org",)}, "odd": Odd()}) == {
        **event,
        "to": ["[email]", "[phone]"],
        "deep": {"x": ["[email]"]},
        "odd": "odd [email]",
    }


def test_masking_twice_changes_nothing() -> None:
    once = redact("ada@example.org +351 912 345 678 sk-proj-abcdefghij0123456789")
    assert redact(once) == once
