"""Law 6 as rules: what a passage supports is taken, however it is worded; what it does not say is refused, however small."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest

from core.grounding.check import Verdict, check
from core.grounding.courtesy import is_courtesy
from core.grounding.language import guess_language
from core.grounding.text import split_line, split_sentences
from core.models import Passage, ReplySentence

OFFLINE = "\n".join(
    (
        "The mobile app 4 keeps up to 200 offline changes for up to 24 hours. When 200 changes are waiting, the app shows "
        "error TR-2041 and accepts no further changes. Changes older than 24 hours are not sent and are shown with error "
        "TR-2042. The mobile app 5 keeps 2,000 changes for 7 days.",
        "1. Connect the phone to the internet.",
        "2. Open the Settings tab of the mobile app 4.",
        "3. Tap Sync now.",
        "The mobile app 4 doesn't sync automatically after working offline. Uploads may take up to 10 minutes. Owners can "
        "export the list at https://app.tallyroot.example/export. Passwords must have at least 12 characters.",
    )
)
_SPACE = UUID(int=7)


def passage(
    text: str = OFFLINE, *, title: str = "Offline mode in the mobile app 4", heading: str = "Limits"
) -> Passage:
    place = ("offline", title, heading, text, "https://help.example/offline", "mobile", "4")
    return Passage(uuid5(_SPACE, text), _SPACE, *place, hash="h", score=0.8, cosine=0.8, lexical=0.1)


def judge(text: str, *sources: Passage) -> Verdict:
    sources = sources or (passage(),)
    [verdict] = check(
        [ReplySentence(text, tuple(s.id for s in sources))], {s.id: s for s in sources}, names=["Tallyroot"]
    )
    return verdict


@pytest.mark.parametrize(
    "text",
    [
        "The mobile app 4 keeps up to 200 offline changes for up to 24 hours.",
        "3. Tap Sync now.",
        "**Tap** Sync now.",
        "1. Connect the phone to the internet.\n2. Open the Settings tab of the mobile app 4.",
    ],
)
def test_words_of_the_passage_are_taken_as_they_stand(text: str) -> None:
    assert (judge(text).kind, judge(text).supported) == ("verbatim", True)


@pytest.mark.parametrize(
    "text",
    [
        "App 4 holds at most 200 changes while you are offline, and keeps them for up to 24 hours.",
        "To sync, connect your phone to the internet, open the Settings tab and tap Sync now.",
        "Please press Sync now in the Settings tab.",
        "Once 200 changes are waiting, you will see error TR-2041.",
        "App 5 keeps 2000 changes for seven days.",
        "The mobile app 4 does not sync automatically after you have worked offline.",
        "With Tallyroot, owners can export the list at https://app.tallyroot.example/export.",
    ],
)
def test_free_wording_that_says_no_more_is_taken(text: str) -> None:
    verdict = judge(text)
    assert (verdict.supported, verdict.rule, verdict.evidence) == (True, None, None)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("The mobile app 4 keeps up to 300 offline changes.", {"number"}),
        ("The mobile app 5 keeps 200 changes for 7 days.", {"number"}),
        ("The mobile app 4 keeps up to 200 offline changes for up to 24 days.", {"unit"}),
        ("When 200 changes are waiting, the app shows error TR-2049.", {"code"}),
        ("Owners can export the list at https://evil.example/export.", {"link"}),
        ("Open the Billing tab of the mobile app 4.", {"name", "swapped"}),
        ("The mobile app 4 syncs automatically after working offline.", {"negation"}),
        ("The mobile app 4 doesn't keep up to 200 offline changes.", {"negation"}),
        ("Changes older than 24 hours are sent.", {"negation"}),
        ("Changes newer than 24 hours are not sent.", {"opposite", "swapped", "coverage"}),
        ("Connect the phone to the internet and close the Settings tab of the mobile app 4.", {"opposite"}),
        ("Owners must export the list at https://app.tallyroot.example/export.", {"modality"}),
        ("Uploads take up to 10 minutes.", {"modality"}),
        ("Passwords must have up to 12 characters.", {"bound"}),
        ("The mobile app 4 always shows error TR-2041.", {"absolute"}),
        (
            "The mobile app 4 keeps up to 200 offline changes, and it is free of charge.",
            {"absolute", "coverage", "swapped"},
        ),
        ("The mobile app 4 keeps up to 200 offline changes because of a memory shortage.", {"coverage", "addition"}),
        ("Your card is charged at the end of the month.", {"coverage"}),
    ],
)
def test_what_the_passage_does_not_say_is_refused_and_the_rule_is_named(text: str, rules: set[str]) -> None:
    verdict = judge(text)
    assert not verdict.supported
    assert verdict.rule in rules
    assert verdict.evidence


def test_a_near_copy_with_the_other_name_of_the_heading_is_refused() -> None:
    shops = passage("Stock is sent to Fairloom every 15 minutes.", title="Cartwell and Fairloom", heading="Speed")
    assert judge("Stock is sent to Fairloom every 15 minutes, please note.", shops).supported
    verdict = judge("Stock is sent to Cartwell every 15 minutes.", shops)
    assert (verdict.supported, verdict.rule, verdict.evidence) == (
        False,
        "swapped",
        "Cartwell, where the source says Fairloom",
    )


def test_a_clause_of_one_word_can_be_denied_too() -> None:
    source = passage("If that is not possible, we can sometimes increase your limit.", title="Limits", heading="")
    assert judge("Please note: if that is not possible, we can sometimes increase your limit.", source).supported
    verdict = judge("If that is possible, we can sometimes increase your limit.", source)
    assert (verdict.supported, verdict.rule) == (False, "negation")


def test_half_a_sentence_of_the_passage_is_no_quotation() -> None:
    verdict = judge("Sync automatically after working offline.")
    assert (verdict.kind, verdict.supported, verdict.rule) == ("worded", False, "negation")


def test_two_passages_support_a_sentence_together() -> None:
    card = passage("Open Settings > Billing and click Replace card.", title="Cards", heading="Replace")
    text = "Open Settings > Billing, click Replace card, and then tap Sync now."
    assert not judge(text).supported
    assert judge(text, passage(), card).supported


def test_a_sentence_that_cites_what_is_not_there_is_refused() -> None:
    [verdict] = check([ReplySentence("Tap Sync now.", (UUID(int=1),))], {})
    assert (verdict.supported, verdict.rule) == (False, "passage")


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for your message.",
        "I am sorry for the trouble this is causing you.",
        "I hope this helps!",
        "Please let us know if you have any further questions.",
        "I understand how frustrating this must be, Ada.",
    ],
)
def test_a_courtesy_states_nothing(text: str) -> None:
    assert is_courtesy(text, names=("ada",))


@pytest.mark.parametrize(
    "text",
    [
        "We will refund you.",
        "It works offline.",
        "I hope it works.",
        "I am sorry, your money comes back in 5 days.",
        "Thank you, a colleague will fix this soon.",
        "Sure, Fairloom is included.",
        "I hope you like the new version.",
        "More at https://help.example.",
        "Gladly, you can pay later.",
    ],
)
def test_a_statement_dressed_as_a_courtesy_is_none(text: str) -> None:
    assert not is_courtesy(text)
    [verdict] = check([ReplySentence(text)], {})
    assert (verdict.supported, verdict.rule) == (False, "courtesy")


def test_of_another_language_the_rules_hold_the_facts_and_leave_the_rest_to_a_model() -> None:
    taken = judge("Die App 4 behält bis zu 200 Änderungen für 24 Stunden.")
    refused = judge("Die App 4 behält bis zu 300 Änderungen für 24 Stunden.")
    assert (taken.kind, taken.supported) == ("foreign", True)
    assert (refused.kind, refused.supported, refused.rule) == ("foreign", False, "number")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wie kann ich mein Passwort ändern und wo finde ich das?", "de"),
        ("Comment puis-je changer le mot de passe de mon compte ?", "fr"),
        ("¿Cómo puedo cambiar la contraseña de mi cuenta?", "es"),
        ("How do I change the password of my account?", "en"),
        ("TR-2041", None),
    ],
)
def test_the_language_of_a_message_is_told_by_its_common_words(text: str, language: str | None) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        (
            "Use e.g. Dr. No at 2.5 GB. It works! 好的。是的。",
            ["Use e.g. Dr. No at 2.5 GB.", "It works!", "好的。", "是的。"],
        ),
        ("A revised one is PO-1042-B. The old one stays.", ["A revised one is PO-1042-B.", "The old one stays."]),
        ("Ask John B. Smith. Ölen Sie es. → Done.", ["Ask John B. Smith.", "Ölen Sie es.", "→ Done."]),
        ("1. Open it. Then wait...", ["1. Open it.", "Then wait..."]),
        ("It ends in 3.5. and goes on", ["It ends in 3.5. and goes on"]),
    ],
)
def test_where_a_sentence_ends(line: str, sentences: list[str]) -> None:
    assert split_line(line) == sentences


def test_a_line_loses_nothing_and_a_text_what_says_nothing() -> None:
    assert split_line("Done. ---") == ["Done.", "---"]
    assert split_sentences("Done. ---") == ["Done."]
