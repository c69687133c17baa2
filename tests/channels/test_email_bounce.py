"""A report is read for the mail of ours that came back, and for nothing else."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path

import pytest

from channels.email.bounce import bounce_status, bounced_ids
from channels.email.mime import read_mail

MAILS = Path(__file__).parents[3] / "shared/data/mail_auto_class/dev/mails.jsonl"
OURS = "<0b6f1c3e-5f0f-4a53-9c39-3a0c7d1e9f10@company.example>"


def report(
    action: str = "failed", status: str = "5.1.1", original: str = f"Message-ID: {OURS}\r\nSubject: Re: Hi\r\n"
) -> bytes:
    return (
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\nSubject: Delivery Status Notification\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nIt was not delivered.\r\n"
        "--B\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; ada@example.org\r\nAction: {action}\r\nStatus: {status}\r\n\r\n"
        f"--B\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\nHello\r\n--B--\r\n"
    ).encode()


def test_a_report_names_the_mail_that_came_back():
    mail = read_mail(report())
    assert (bounced_ids(mail), bounce_status(mail)) == (OURS, "5.1.1")


@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered", "expanded"])
def test_what_is_late_or_arrived_did_not_come_back(action):
    assert bounced_ids(read_mail(report(action))) == ""


def test_a_bounce_in_plain_words_is_read_too():
    words = f"Hi. This is the qmail-send program.\r\n\r\n--- Below this line is a copy.\r\n\r\nMessage-ID: {OURS}\r\n"
    mail = f"From: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\n{words}"
    assert bounced_ids(read_mail(mail.encode())) == OURS
    late = mail.replace("failure notice", "Warning: message delayed 4 hours")
    assert bounced_ids(read_mail(late.encode())) == ""


def test_a_person_and_an_away_notice_bounce_nothing():
    for extra in ("", "Return-Path: <>\r\nAuto-Submitted: auto-replied\r\n"):
        mail = f"From: ada@example.org\r\nIn-Reply-To: {OURS}\r\nSubject: Re: Hi\r\n{extra}\r\nMessage-ID: {OURS}"
        assert bounced_ids(read_mail(mail.encode())) == ""


def test_the_status_is_numbers_only():
    assert bounce_status(read_mail(report(status="5.1.1 <b>call me</b>"))) == "5.1.1"
    assert bounce_status(read_mail(report(status="very bad"))) == ""


@pytest.mark.skipif(not MAILS.exists(), reason="the mail corpora are not on this machine")
def test_most_bounces_name_the_mail_and_nothing_else_does():
    named: Counter[tuple[str, bool]] = Counter()
    for row in map(json.loads, MAILS.read_text().splitlines()):
        named[row["klass"], bool(bounced_ids(read_mail(base64.b64decode(row["eml_b64"]))))] += 1
    print(dict(named))
    assert sum(count for (klass, found), count in named.items() if found and klass != "bounce") == 0
    assert named["bounce", True] >= 100
