"""Contacts in clear and in disguise: what points elsewhere is found, what is ours is spared."""

from __future__ import annotations

import pytest

from core.contacts import find_contacts, foreign_contacts, known_targets
from core.settings import PROJECT_ROOT

KNOWN = known_targets(
    [
        "tallyroot.example",
        "support@tallyroot.example",
        "https://help.tallyroot.example",
        "Call +351 21 000 0000 or see https://status.vendor.example/now",
    ]
)


@pytest.mark.parametrize(
    "text",
    [
        "See https://evil.example/login now.",
        "See HTTPS://EVIL.EXAMPLE.",
        "See hxxp://evil.example",
        "Go to www.evil.example, please.",
        "Go to evil.example/pay and sign in.",
        "Go to evil.co.uk.",
        "[our page](https://evil.example)",
        "[https://help.tallyroot.example](https://evil.example)",
        "<a href='https://evil.example'>x</a>",
        "https://help.tallyroot.example@evil.example/",
        "https://help.tallyroot.example.evil.example/",
        "https://help-tallyroot.example/",
        "https://tallyroot.example:8443@evil.example",
        "Write to eve@evil.example.",
        "Write to support@tallyroot.example.evil.example.",
        "Write to billing@tallyroot.example.",
        "Write to eve at evil dot com.",
        "Write to eve (at) evil (dot) com.",
        "Call +44 7700 900123 today.",
        "Call 0044 7700 900 123.",
        "javascript:alert(1)",
        "mailto:eve@evil.example?subject=x",
        "tel:+447700900123",
        "data:text/html;base64,PHNjcmlwdD4=",
        "http://10.0.0.1:8080/x",
        "Open 192.168.0.1 in the browser.",
        "Visit ｅｖｉｌ．ｅｘａｍｐｌｅ",
        "Visit evil。example",
        "Visit ev\u200bil.example",
        "Visit e\u0301vil.example",
        # The first letter is Cyrillic: it looks like ours and is not.
        "Visit https://help.t\u0430llyroot.example/",
        "Visit help.t\u0430llyroot.example",
        "Write to support@t\u0430llyroot.example",
        "Visit xn--tllyroot-2fg.example",
    ],
)
def test_a_contact_that_is_not_ours_is_found(text: str) -> None:
    assert foreign_contacts(text, KNOWN), find_contacts(text)


@pytest.mark.parametrize(
    "text",
    [
        "See https://help.tallyroot.example/labels.",
        "See help.tallyroot.example and status.vendor.example.",
        "(https://status.vendor.example/now)",
        "Write to support@tallyroot.example.",
        "Call +351 21 000 0000.",
        "Call 00351 210000000.",
        "Open labels.csv, agent.log and photo.JPG.",
        "Version 4.2.1 is out, e.g. for Windows 11.",
        "Press Save.Then wait.",
        "The barcode is 4006381333931 and the code TR-2104.",
        "From 2026-10-01 to 2026-12-31, 10:30.",
        "It is 10 x 20 x 30 cm at 12.5 kg.",
        "Your reference is tkt_0123456789abcdefghijAB.",
        "Ask at the desk, no dot is needed.",
        "",
    ],
)
def test_what_is_ours_or_no_contact_is_spared(text: str) -> None:
    assert foreign_contacts(text, KNOWN) == []


def test_every_page_of_the_documents_points_where_it_says() -> None:
    pages = sorted((PROJECT_ROOT / "dossier" / "docs").rglob("*.md"))
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert foreign_contacts(text, known_targets([text])) == [], page


def test_a_long_hostile_text_is_read_in_reasonable_time() -> None:
    """Linear in the text: the patterns have no repeats inside repeats without a bound."""
    for text in ("a." * 20_000, "+1 " * 20_000, "a@" * 20_000, "http:" * 20_000, "x at y " * 8_000):
        find_contacts(text)
