"""What a reply says beyond the sentences that claim a source."""

from __future__ import annotations

from core.models import FormattedReply, ReplySentence
from evals.replies import _strays

TOLD = [ReplySentence("Kind: Full sync; What it does: Sends all stock numbers"), ReplySentence("Owners can pause it.")]


def strays(text: str) -> list[str]:
    return list(_strays(FormattedReply("web_form", text, (text,)), TOLD, frozenset({"Hello Ada,"}), {}, ("Tallyroot",)))


def test_sentences_that_run_into_each_other_are_still_those_that_were_told() -> None:
    assert strays("Hello Ada,\n\nKind: Full sync; What it does: Sends all stock numbers Owners can pause it.") == []


def test_a_sentence_of_its_own_is_a_stray_even_where_every_word_was_told() -> None:
    assert strays("Owners can pause it. Sends it. It can pause all stock.") == ["Sends it.", "It can pause all stock."]
