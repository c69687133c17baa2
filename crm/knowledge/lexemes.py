"""Words as the index sees them: the same for documents and for questions."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import snowballstemmer

# A word, or parts joined by signs as identifiers have them: TR-1042, 4.1.1.2, order_id, x-request-id, settings/export.
_TOKEN = re.compile(r"[^\W_]+(?:[-_./:'’][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST = 60
_STOP_WORDS = frozenset((Path(__file__).parent / "stop_words.txt").read_text(encoding="utf-8").split())
_stemmer = snowballstemmer.stemmer("english")


def split_lexemes(text: str) -> list[str]:
    """Stemmed words without stop words, in order; identifiers whole and in parts."""
    lexemes: list[str] = []
    for match in _TOKEN.finditer(_fold(text)):
        lexemes.extend(_token_lexemes(match.group()))
    return lexemes


def to_tsvector(heading: str, text: str) -> str:
    """A PostgreSQL `tsvector` literal with positions; the words of the heading weigh A."""
    named = split_lexemes(heading)
    positions: dict[str, list[str]] = defaultdict(list)
    for number, lexeme in enumerate((*named, *split_lexemes(text)), start=1):
        positions[lexeme].append(f"{number}A" if number <= len(named) else str(number))
    return " ".join(f"'{lexeme}':{','.join(where)}" for lexeme, where in positions.items())


@lru_cache(maxsize=50_000)
def _token_lexemes(token: str) -> tuple[str, ...]:
    """Nothing for a stop word; a stem; or an identifier followed by its parts."""
    plain = token.lower().replace("’", "'")
    if plain in _STOP_WORDS:
        return ()
    if "'" in plain:
        plain = plain.split("'")[0]
    parts = [part for piece in _PART.findall(token.split("'")[0].split("’")[0]) for part in _CAMEL.split(piece)]
    found = [_stem(part.lower()) for part in parts if part.lower() not in _STOP_WORDS]
    if len(parts) > 1 and len(plain) <= _LONGEST:
        found.insert(0, plain)
    return tuple(lexeme[:_LONGEST] for lexeme in found)


def _stem(word: str) -> str:
    return word if any(c.isdigit() for c in word) else _stemmer.stemWord(word)


def _fold(text: str) -> str:
    """Accents off, compatibility forms made plain."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn")
