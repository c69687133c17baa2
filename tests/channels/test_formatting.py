from types import SimpleNamespace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.formatting import ChannelFormatter, reply_subject
from channels.text import utf16_units, words
from core.models import FormattedReply, ReplySentence
from core.vocabulary import Channel

PROFILE = SimpleNamespace(
    name="Acme", signature="Kind regards,\nThe Acme Support Team", support_email="help@acme.example"
)
TICKET = "tkt_" + "a" * 22
LINK = {"title": "Export your data", "url": "https://help.acme.example/export"}
FACT = uuid4()


def grounded(*texts: str) -> list[ReplySentence]:
    return [ReplySentence(text, (FACT,)) for text in texts]


def write(channel: Channel, sentences: list[ReplySentence], **changes: object) -> FormattedReply:
    fields: dict = {"customer_name": "Sam Lee", "subject": "Export", "ticket_id": TICKET, "citations": [LINK]} | changes
    return ChannelFormatter(PROFILE).format(channel, sentences, **fields)


def test_an_email_has_greeting_sources_signature_and_reference():
    reply = write("email", grounded("Open Settings.", "Choose Export."))
    assert reply.text == (
        "Dear Sam Lee,\n\nOpen Settings. Choose Export.\n\n"
        "If anything is still unclear, please reply to this email.\n\n"
        "Sources:\n- Export your data: https://help.acme.example/export\n\nKind regards,\nThe Acme Support Team\n\n"
        f"Reference: {TICKET}"
    )
    assert reply.subject == "Re: Export"
    assert reply.parts == (reply.text,)


def test_steps_stay_lines_and_courtesy_is_a_paragraph_of_its_own():
    sentences = [
        ReplySentence("Thank you for writing."),
        *grounded("Do this:", "1. Open it. Then wait.", "2. Save.", "That is all."),
    ]
    body = "Thank you for writing.\n\nDo this:\n1. Open it. Then wait.\n2. Save.\n\nThat is all."
    assert body in write("email", sentences).text
    assert body in write("web_form", sentences).text


def test_the_web_form_leaves_sources_to_the_page():
    text = write("web_form", grounded("Open Settings.")).text
    assert text == "Hello Sam Lee,\n\nOpen Settings.\n\nBest wishes,\nAcme Support"


def test_a_short_whatsapp_reply_is_one_message_with_one_link():
    reply = write("whatsapp", grounded("Open Settings.", "Choose Export."))
    assert reply.parts == ("Hi Sam! Open Settings. Choose Export.\nMore: https://help.acme.example/export",)
    assert reply.text == reply.parts[0]


def test_a_long_whatsapp_reply_keeps_whole_leading_sentences_within_300():
    facts = [f"Sentence number {n} is about forty characters." for n in range(20)]
    text = write("whatsapp", [ReplySentence("Thanks for asking!"), *grounded(*facts)]).text
    assert len(text) <= 300
    assert text.startswith("Hi Sam! Sentence number 0 is about")
    assert "characters.\nFull answer: https://" in text


def test_whatsapp_steps_without_a_link_are_not_cut_in_half():
    steps = [f"{n}. Open the page number {n} and press the green button there." for n in range(1, 9)]
    text = write("whatsapp", grounded("Do this:", *steps), citations=[]).text
    assert text.count("\n") == 8
    assert text.endswith(steps[-1])


def test_a_persons_long_whatsapp_answer_is_split_and_nothing_is_left_out():
    said = [f"This is my sentence number {n}, written by hand." for n in range(90)]
    reply = write("whatsapp", [ReplySentence(" ".join(said))], citations=[])
    assert len(reply.parts) == 3
    assert reply.parts[1].startswith("(2/3) This is my sentence")
    assert all(sentence in reply.text for sentence in said)
    assert all(utf16_units(part) <= 1500 for part in reply.parts)


@pytest.mark.parametrize(
    "name", ["Win $$$ http://evil.example now", "a@b.example", "Sam\nBcc: x", "", None, "x" * 80, "{name}"]
)
def test_a_name_that_is_no_name_is_not_repeated(name):
    assert write("email", grounded("Yes."), customer_name=name).text.startswith("Hello,\n\n")


def test_subjects_get_one_prefix_and_one_line():
    assert reply_subject("RE: Fwd:  re: Hello\r\nBcc: x") == "Re: Hello Bcc: x"
    assert reply_subject(None) == "Re: Your message"
    assert reply_subject("Reset") == "Re: Reset"


@pytest.mark.parametrize("channel", ["email", "web_form"])
def test_a_sentence_that_is_too_long_is_left_out_whole(channel):
    """Its beginning alone was never held against the documents."""
    endless = "The stock is counted " + ", and once more" * 300 + "."
    text = write(channel, grounded("Labels are printed.", endless, "Prices are rounded.")).text
    assert "Labels are printed." in text
    assert "The stock" not in text


SENTENCES = st.lists(
    st.builds(
        ReplySentence,
        st.text(st.sampled_from("ab .!?\n1)-é😀:"), min_size=1, max_size=400),
        st.sampled_from([(), (FACT,)]),
    ),
    min_size=1,
    max_size=40,
)


@given(SENTENCES, st.sampled_from(["Sam", "", "Ann-Marie O'Neil"]), st.booleans())
def test_limits_hold_for_the_final_text_of_anything(sentences, name, first):
    fields: dict = {"customer_name": name, "first_reply": first}
    assert words(write("email", sentences, **fields).text) <= 500
    assert words(write("web_form", sentences, **fields).text) <= 300
    reply = write("whatsapp", sentences, **fields)
    assert reply.text == "\n\n".join(reply.parts)
    assert all(utf16_units(part) <= 1500 and len(part) <= 1600 for part in reply.parts)
    assert all("{" not in part for part in reply.parts)


def test_a_markdown_link_becomes_words():
    assert (
        "Open Settings (https://a.example/s) now."
        in write("email", grounded("Open [Settings](https://a.example/s) **now**.")).text
    )


def test_a_persons_words_get_greeting_and_signature_and_nothing_else():
    text = write(
        "email", [ReplySentence("I looked at it.\n\nIt is fixed:\n- sync\n- export")], citations=[], first_reply=False
    ).text
    assert text == (
        "Dear Sam Lee,\n\nI looked at it.\n\nIt is fixed:\n- sync\n- export\n\nKind regards,\nThe Acme Support Team"
    )


@pytest.mark.parametrize("name", ["evil.example", "Ada www.evil.example", "J.Smith"])
def test_a_name_that_reads_like_an_address_on_the_net_is_not_greeted(name: str):
    assert write("email", grounded("Open Settings."), customer_name=name).text.startswith("Hello,\n")


def test_a_title_or_initial_before_a_name_is_greeted():
    assert write("email", grounded("Open Settings."), customer_name="Dr. J. O'Neil").text.startswith(
        "Dear Dr. J. O'Neil,"
    )
