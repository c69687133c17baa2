"""The tokenizer agrees with bert-base-uncased; the ids were made with the reference implementation's vocabulary."""

from __future__ import annotations

import pytest

from core.disguise import VOCABULARY
from llm.wordpiece import WordPiece, split_words


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece(VOCABULARY)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Hello, world!", [101, 7592, 1010, 2088, 999, 102]),
        ("embeddings", [101, 7861, 8270, 4667, 2015, 102]),
        ("", [101, 102]),
        ("Ünïcode", [101, 27260, 102]),
    ],
)
def test_known_texts_have_the_known_ids(tokenizer: WordPiece, text: str, ids: list[int]) -> None:
    assert tokenizer.encode(text) == ids


def test_every_sign_and_every_cjk_character_is_a_word_of_its_own() -> None:
    assert split_words("TR-1042: 漢字 a\tb") == ["tr", "-", "1042", ":", "漢", "字", "a", "b"]


def test_control_characters_and_accents_disappear() -> None:
    assert split_words("caf\u00e9\u0000 na\u200bïve") == ["cafe", "naive"]


def test_a_word_without_known_pieces_is_one_unknown(tokenizer: WordPiece) -> None:
    assert tokenizer.encode("\U0001f44d") == [101, 100, 102]
    assert tokenizer.encode("a" * 101) == [101, 100, 102]


def test_a_long_text_is_cut_and_still_ends_properly(tokenizer: WordPiece) -> None:
    ids = tokenizer.encode("word " * 1000)
    assert len(ids) == 256
    assert (ids[0], ids[-1]) == (101, 102)
    assert tokenizer.count("word " * 1000) == 1000
