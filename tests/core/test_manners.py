"""The manners of the channels: what the formatter makes always keeps them, what is broken on purpose never passes."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.formatting import ChannelFormatter
from core.manners import breach
from core.models import FormattedReply, ReplySentence
from core.vocabulary import Channel
from tests.nodes.fakes import profile

FORMATTER = ChannelFormatter(profile())
PASSAGE = (UUID(int=1),)
WORDS = st.text(alphabet=st.sampled_from("abcdefgh ABCäö😀-0123.,:;!?\n"), max_size=400)
SENTENCES = st.lists(st.tuples(WORDS, st.booleans()), min_size=1, max_size=30).filter(
    lambda rows: any(text.strip() for text, _ in rows)
)
CITATIONS = st.lists(
    st.fixed_dictionaries({"title": WORDS, "url": st.just("https://help.tallyroot.example/articles/x")}), max_size=4
)


def signature(channel: Channel) -> str:
    return profile().name if channel == "web_form" else profile().signature


def reply(channel: Channel, sentences: list[tuple[str, bool]], **more) -> FormattedReply:
    return FORMATTER.format(
        channel,
        [ReplySentence(text, PASSAGE if grounded else ()) for text, grounded in sentences],
        customer_name=more.get("name"),
        subject=None,
        ticket_id="tkt_0123456789abcdefghijAB",
        citations=more.get("citations", ()),
        first_reply=more.get("first", True),
    )


@settings(max_examples=60, deadline=None)
@given(sentences=SENTENCES, citations=CITATIONS, name=st.none() | WORDS, first=st.booleans())
@pytest.mark.parametrize("channel", ["email", "web_form"])
def test_every_letter_that_the_formatter_makes_keeps_the_manners(channel: Channel, sentences, citations, name, first):
    made = reply(channel, sentences, citations=citations, name=name, first=first)
    assert breach(channel, made.parts, signature=signature(channel)) is None


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 60),
    words=st.integers(3, 40),
    citations=CITATIONS,
    name=st.none() | st.just("Ada Byron"),
    first=st.booleans(),
    grounded=st.booleans(),
)
def test_whatsapp_messages_end_with_whole_sentences_and_are_short_enough(
    count, words, citations, name, first, grounded
):
    sentence = " ".join(["shelf"] * words).capitalize() + "."
    made = reply("whatsapp", [(sentence, grounded)] * count, citations=citations, name=name, first=first)
    assert breach("whatsapp", made.parts, signature="") is None


LETTER = "Dear Ada,\n\nOpen Settings.\n\nKind regards,\nTallyroot Support"


@pytest.mark.parametrize(
    ("channel", "parts", "fault"),
    [
        ("email", (LETTER,), None),
        ("email", (LETTER.replace("Dear Ada,\n", ""),), "no greeting"),
        ("email", (LETTER.replace("Tallyroot Support", ""),), "no signature"),
        ("email", (LETTER + " word" * 500,), "508 words, 500 are allowed"),
        ("email", (LETTER + " word" * 493,), "501 words, 500 are allowed"),
        ("email", (LETTER + " word" * 492,), None),
        ("email", (LETTER, LETTER), "2 messages instead of one"),
        ("web_form", (LETTER + " word" * 293,), "301 words, 300 are allowed"),
        ("web_form", (LETTER + " word" * 292,), None),
        ("email", (), "an empty message"),
        ("whatsapp", ("All fine.", "  "), "an empty message"),
        ("whatsapp", ("a" * 1_600,), None),
        ("whatsapp", ("a" * 1_601,), "message 1 has 1601 characters, 1600 are allowed"),
        ("whatsapp", ("😀" * 801,), "message 1 has 1602 characters, 1600 are allowed"),
        ("whatsapp", ("(1/2) Open Set", "(2/2) tings."), "message 1 is cut inside a sentence"),
        ("whatsapp", ("(1/2) Open Settings and", "(2/2) choose Save."), "message 1 is cut inside a sentence"),
        ("whatsapp", ("(1/2) Open Settings.", "(2/2) Choose Save."), None),
        ("whatsapp", ("(1/2) 1. Open Settings", "(2/2) 2. Choose Save"), None),
        ("whatsapp", ("(1/2) More: https://help.example/x", "(2/2) Choose Save."), None),
    ],
)
def test_a_breach_is_named(channel: Channel, parts: tuple[str, ...], fault: str | None) -> None:
    assert breach(channel, parts, signature="Tallyroot Support") == fault
