"""What a customer reads when a person takes over, in a language that the assistant cannot write."""

from __future__ import annotations

import pytest

from channels.formatting import MANNERS
from graph.notices import handover_notice
from tests.nodes.fakes import make_turn, profile

GERMAN = "Guten Tag, wie kann ich die Karte ändern und wo finde ich meine Rechnungen?"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GERMAN, "de"),
        ("Bonjour, comment puis-je changer la carte de mon compte et où sont les factures ?", "fr"),
        ("Hola, ¿cómo puedo cambiar la tarjeta de mi cuenta y dónde están las facturas?", "es"),
    ],
)
@pytest.mark.parametrize("channel", ["email", "whatsapp", "web_form"])
def test_the_notice_thanks_and_explains_in_the_customers_language(text: str, language: str, channel: str) -> None:
    turn = make_turn(text, channel=channel, customer_name="Ada")
    notice = handover_notice(turn, "unsupported_language").text
    assert all(line in notice for line in profile().notices[f"unsupported_language.{language}"])
    assert MANNERS["en"].regards not in notice
    assert "Ada" in notice


@pytest.mark.parametrize(
    ("text", "reason"),
    [("Jak mogę zmienić kartę w moim koncie?", "unsupported_language"), (GERMAN, "refund_request")],
)
def test_where_there_are_no_such_words_it_is_in_english(text: str, reason: str) -> None:
    notice = handover_notice(make_turn(text, channel="email"), reason).text
    assert profile().notices[reason][0] in notice
    assert MANNERS["en"].regards in notice


def test_every_language_of_a_notice_has_manners() -> None:
    languages = {key.split(".")[1] for key in profile().notices if "." in key}
    assert languages <= set(MANNERS)
    assert {"de", "fr", "es"} <= languages
