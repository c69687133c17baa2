"""The WordPiece tokenizer of bert-base-uncased, so that the embedding model needs no tokenizer library."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

_LONGEST_WORD = 100
_CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2CEAF), (0xF900, 0xFAFF))
# Unicode calls these symbols; BERT treats every ASCII sign as punctuation.
_ASCII_SIGNS = frozenset("$+<=>^`|~")


class WordPiece:
    """Text to token ids, at most `max_tokens` of them with [CLS] and [SEP]."""

    def __init__(self, vocabulary: Path, *, max_tokens: int = 256) -> None:
        lines = vocabulary.read_text(encoding="utf-8").splitlines()
        self._ids = {piece: number for number, piece in enumerate(lines)}
        self._max_tokens = max_tokens
        self._first, self._last, self._unknown = (self._ids[name] for name in ("[CLS]", "[SEP]", "[UNK]"))
        self._pieces = lru_cache(maxsize=20_000)(self._split_word)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = [self._first]
        for word in split_words(text):
            ids.extend(self._pieces(word))
            if len(ids) >= self._max_tokens:
                break
        return [*ids[: self._max_tokens - 1], self._last]

    def count(self, text: str) -> int:
        """How many tokens the text has before anything is cut, [CLS] and [SEP] not counted."""
        return sum(len(self._pieces(word)) for word in split_words(text))

    def _split_word(self, word: str) -> tuple[int, ...]:
        """Longest known piece first, from the left; a word with an unknown rest is unknown as a whole."""
        if len(word) > _LONGEST_WORD:
            return (self._unknown,)
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._ids.get(prefix + word[start:end])
                if number is not None:
                    pieces.append(number)
                    start = end
                    break
            else:
                return (self._unknown,)
        return tuple(pieces)


def split_words(text: str) -> list[str]:
    """Lower case, accents off, split at spaces, each sign and each CJK character a word of its own."""
    spaced = "".join(map(_space_out, text))
    plain = "".join(c for c in unicodedata.normalize("NFD", spaced.lower()) if unicodedata.category(c) != "Mn")
    return [word for word in "".join(f" {c} " if _is_sign(c) else c for c in plain).split(" ") if word]


def _space_out(character: str) -> str:
    code = ord(character)
    if character in "\t\n\r" or (category := unicodedata.category(character)) == "Zs":
        return " "
    if code in (0, 0xFFFD) or category in ("Cc", "Cf"):
        return ""
    return f" {character} " if any(low <= code <= high for low, high in _CJK) else character


def _is_sign(character: str) -> bool:
    return character in _ASCII_SIGNS or unicodedata.category(character).startswith("P")
