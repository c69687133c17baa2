"""Disguised words are read as they are meant; what customers write in good faith, and codes, stay as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.disguise import undisguised
from core.plain_text import plain, verbatim

HARD = ("asshole", "wanker", "shit", "fuck")


def read(text: str) -> str:
    return undisguised(plain(text), HARD).text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("this is sh1t", "this is shit"),
        ("you a55hole", "you asshole"),
        ("they are f1lthy and r4cist", "they are filthy and racist"),
        ("$tupid tool", "stupid tool"),
        ("a k1ller b1ll", "a killer bill"),
        ("f u c k this", "fuck this"),
        ("you w.a.n.k.e.r", "you wanker"),
        ("fcuk off, shti app, wnaker", "fuck off, shit app, wanker"),
        ("you are disgutsing and stupd", "you are disgusting and stupid"),
        ("please cnacel my acount", "please cancel my account"),
    ],
)
def test_a_disguise_is_undone(written: str, meant: str) -> None:
    assert read(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "SKU A55-H0LE and SH1T-08 are out of stock",
        "B08XYZ1, S-17, SH-17 and F0CK17",
        "the 1st and 4th of 10kg, v2, mp3, 3pm and 2x4",
        "Scunthorpe, Penistone and Dick van Dyke",
        "Mr Shiva, Ms Fuchs and Mr Wankel wrote",
        "sizes S M L XL, grade A B C",
        "an outage costs 300 lira, resync and reorder it",
        "submitting invoices, deleted uploads, a greyed-out checkbox, unsubscribe",
        "dont know, cant log in, youre right",
        "Tallyroot, CountHero and JSON over HTTP",
        "i.e. and e.g. in the U.S. at 5 p.m.",
        "ffs@example.org or https://ex4mple.org/sh1p-to",
    ],
)
def test_what_is_no_disguise_is_left_alone(text: str) -> None:
    seen = plain(text)
    assert undisguised(seen, HARD) is seen


@pytest.mark.parametrize("text", ["as5et", "sh1p"])
def test_a_harmless_word_in_signs_becomes_a_harmless_word(text: str) -> None:
    assert read(text) in ("asset", "ship")


def test_the_span_of_what_was_meant_is_that_of_the_disguise() -> None:
    text = "oh f.u.c.k  this"
    seen = undisguised(plain(text), HARD)
    start = seen.text.index("fuck")
    assert text[slice(*seen.span(start, start + 4))] == "f.u.c.k"


@given(st.text(alphabet="abfuckhit 1!4@$.*-\n", max_size=80))
def test_every_letter_knows_where_it_came_from(text: str) -> None:
    seen = undisguised(verbatim(text), HARD)
    assert len(seen.text) == len(seen.origin)
    assert list(seen.origin) == sorted(seen.origin)
    assert all(0 <= place < len(text) for place in seen.origin)
