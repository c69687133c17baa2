import base64
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from channels.email.html import html_to_text
from channels.email.mime import read_mail
from channels.email.parse import body_text
from channels.email.trim import trim_reply

CASES = Path(__file__).parents[3] / "shared/data/mail_reply_trim/dev/cases.jsonl"


@pytest.mark.parametrize(
    "mail",
    [
        "It works now.\n\nOn Mon, Feb 1, 2026 at 6:32 PM, Support <help@acme.example>\nwrote:\n\n> Does it?\n> Best\n",
        "It works now.\n\nAm 03.02.2026 15:35 schrieb Support <help@acme.example>:\n> Geht es?\n",
        "It works now.\r\n\r\nLe 3 févr. 2026 à 10:00, Support <help@acme.example> a écrit :\r\n\r\nÇa marche ?",
        "It works now.\n\n-----Original Message-----\nFrom: Support\nSent: Monday\n\nDoes it?",
        "It works now.\n\nVon: Support <help@acme.example>\nGesendet: Montag\nAn: Sam\nBetreff: Frage\n\nGeht es?",
        "It works now.\n\n-- \nSam Lee\nACME GmbH\n",
        "It works now.\n\nSent from my iPhone",
        "It works now.\n\n________________________________\nFrom: Support\nTo: Sam\nSubject: Re: It\n\nDoes it?",
        "It works now.\n\nDate: Thu, 26 Jun 2014\nSubject: Test\nFrom: abc@example.com\nTo: sam@example.com\n\nHello!",
        "It works now.\n\n> Does it?\n> Best",
    ],
)
def test_history_and_signatures_go(mail):
    assert trim_reply(mail) == "It works now."


def test_inline_answers_stay_and_what_they_answer_goes():
    mail = "Hi,\n\nOn 1 Feb 2026 at 10:00 Support <h@acme.example> wrote:\n> Which plan?\n\nThe big one.\n\n> Which browser?\n\nFirefox."
    assert re.sub(r"\n{2,}", "\n", trim_reply(mail)) == "Hi,\nThe big one.\nFirefox."


@pytest.mark.parametrize(
    "mail",
    [
        "From: the start I liked it.\nTo: be honest, it is slow.",
        "> E-1042 sync failed\n\nWhat does this error mean?",
        "On this day\n\nI wrote something\n\nwhich was very interesting.",
        "I changed the date: 12:30 and then she wrote an invoice.",
        "- A\n- B\n--\tC",
        "Error log:\n--------------\nline 1\nline 2",
    ],
)
def test_a_customers_own_words_stay(mail):
    assert trim_reply(mail) == mail


def test_a_mail_that_is_only_history_trims_to_nothing_or_to_itself():
    assert trim_reply("On 1 Feb 2026 at 10:00 A <a@b.example> wrote:\n> Hi\n> there\n") == ""
    assert trim_reply("> only a quote") == "> only a quote"


def test_html_quotes_become_quoted_lines_and_hidden_text_goes():
    html = (
        "<html><head><style>p{}</style></head><body><script>x</script><p style='display:none'>secret</p><p>Yes.</p>"
        "<div class='gmail_quote'>On 1 Feb 2026, Bo &lt;b@c.example&gt; wrote:<br><blockquote>Really?</blockquote></div></body></html>"
    )
    text = html_to_text(html)
    assert "> Really?" in text
    assert "secret" not in text
    assert "x" not in text.split()
    assert trim_reply(text) == "Yes."


@pytest.mark.parametrize("text", ["a\n" * 50_000, "\n" * 100_000, "> a\n" * 25_000, "a@b.c:\n" * 14_000, " " * 100_000])
def test_a_hostile_mail_costs_little_time(text):
    trim_reply(text)


def is_right(row: dict, got: str) -> bool:
    if row["match"].startswith("facts"):
        facts = row["facts"]
        has = all(x in got for x in facts["body_contains"]) and not any(x in got for x in facts["body_not_contains"])
        return has and (facts["body_equals"] is None or got == facts["body_equals"].strip())
    if row["match"] == "signature removed":
        return row["expected_signature"].replace("#sig#", "").strip() not in got
    expected = row.get("expected_reply")
    if expected is None:
        expected = row.get("expected_first_fragment") or row["expected_prefix"]
    if row["match"].startswith("equal after"):
        return re.sub(r"\s", "", got) == re.sub(r"\s", "", expected)
    return got == expected.strip()


@pytest.mark.skipif(not CASES.exists(), reason="the mail corpora are not on this machine")
def test_most_of_the_published_replies_are_trimmed_exactly():
    right, total = Counter(), Counter()
    for row in map(json.loads, CASES.read_text().splitlines()):
        text = row.get("text") or html_to_text(row.get("html", ""))
        if "eml_b64" in row:
            text = body_text(read_mail(base64.b64decode(row["eml_b64"])))
        source = row["source"].split()[0]
        total[source] += 1
        right[source] += is_right(row, trim_reply(text) or text.strip())
    print({source: f"{right[source]}/{total[source]}" for source in total})
    assert right.total() >= 68
