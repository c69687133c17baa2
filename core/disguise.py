"""Words in disguise, read as what they are: sh1t, s h i t, shti, stupd.

A token is read otherwise only where it is no ordinary word itself and the other reading is one. Codes (SH1T-08) and names
within a sentence stay as they are. The ordinary words are those of the sentence model's vocabulary, the most frequent first.
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from core.plain_text import PlainText

VOCABULARY: Final = Path(__file__).parent / "data" / "vocab.txt"
# What stands for a letter. `1` and `!` are read as i first, then as l.
SIGNS: Final[Mapping[str, str]] = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "b": "8", "g": "9", "t": "7"}
_LETTERS: Final = str.maketrans({sign: letter for letter, signs in SIGNS.items() for sign in signs})
_LETTERS_L: Final = _LETTERS | str.maketrans({"1": "l", "!": "l"})
_SPACED: Final = re.compile(r"(?<![^\W_])(?:[^\W_](?: |[.*_-]{1,2})){3,30}[^\W_](?![^\W_])")
# Not part of an address: of mail, of a page, of a file.
_TOKEN: Final = re.compile(r"(?<![\w/.@])[@$]?[^\W_](?:[\w@$!'-]{0,38}\w)?(?![\w@/]|\.\w)")
# Ordinary words that the vocabulary lacks are mostly formed of some that it has: reorder, submitting, expire, Anna's.
_PREFIX: Final = re.compile(r"^(?:re|un|pre|non|over|mis|inter|de)(?=.{4})")
_ENDING: Final = re.compile(r"(?:s|es|ed|er|ers|ing|ings|ly|able|'\w{1,2})$")
# Not in the vocabulary either, and a hard word with two letters changed: liar, cunt.
_LOOK_ALIKES: Final = frozenset({"lira", "cnut", "outage", "outages"})
_MISSING_ENDINGS: Final = ("d", "s", "e", "r")
_CONTRACTIONS: Final = re.compile(
    r"(?:ca|do|wo|is|are|was|does|did|could|should|would|have|has|had|were)nt|(?:you|they|we)(?:re|ve|ll)|"
    r"(?:that|what|here|there|it)(?:s|ll)|lets|ive"
)
_MIN_CHARS: Final = 4
_LONGEST_ACRONYM: Final = 5
_ENDING_CHARS: Final = 3
# A letter is put back in words that are this frequent only: rarer ones are mostly names.
_FREQUENT: Final = 15_000


def undisguised(seen: PlainText, also: Collection[str] = ()) -> PlainText:
    """The text with its disguised words read as they are meant, or `seen` itself where there are none.

    `also` are words that count as known beside the ordinary ones, with any ending.
    """
    letters: list[str] = []
    origin: list[int] = []
    last = 0
    for start, end, word in _disguises(seen.text, tuple(word for word in also if len(word) >= _MIN_CHARS)):
        letters += (seen.text[last:start], word)
        origin += seen.origin[last:start]
        # As many places as the new word has letters; the last letter stands where the disguise ends.
        origin += [seen.origin[min(start + i, end - 1)] for i in range(len(word) - 1)] + [seen.origin[end - 1]]
        last = end
    if not last:
        return seen
    return PlainText("".join((*letters, seen.text[last:])), (*origin, *seen.origin[last:]))


def _disguises(text: str, also: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Where the disguised words stand, and what they mean; in the order of the text."""
    done = 0
    for match in sorted((*_SPACED.finditer(text), *_TOKEN.finditer(text)), key=lambda m: (m.start(), -m.end())):
        if match.start() < done:
            continue
        if match.re is _SPACED:
            meant = re.sub(r"[\W_]", "", match.group()).lower()
        else:
            named = match.group().istitle() and not _begins_sentence(text, match.start())
            meant = _meant(match.group(), also, named=named)
        if meant:
            yield match.start(), match.end(), meant
            done = match.end()


def _begins_sentence(text: str, start: int) -> bool:
    return text[:start].rstrip()[-1:] in ("", ".", "!", "?", ":")


def _meant(token: str, also: tuple[str, ...], *, named: bool) -> str:
    word = token.lower()
    if _is_ordinary(word, also):
        return ""
    if not word.isalpha():
        return "" if _is_code(token) else _from_signs(word, also)
    if named or len(word) < _MIN_CHARS or (token.isupper() and len(word) <= _LONGEST_ACRONYM):
        return ""
    return _swapped(word, also) or _shortened(word)


def _is_ordinary(word: str, also: tuple[str, ...]) -> bool:
    if _known(word, also) or _CONTRACTIONS.fullmatch(word) or word in _LOOK_ALIKES:
        return True
    stem = _ENDING.sub("", word)
    stems = {word, stem, stem[:-1] if stem[-2:-1] == stem[-1:] else stem}
    stems |= {_PREFIX.sub("", form) for form in stems}
    return any(form in _ranks() or form + ending in _ranks() for form in stems for ending in _MISSING_ENDINGS)


def _is_code(token: str) -> bool:
    """SKU-17, B08XYZ1: capitals and digits, joined or many. A shouted SH1T has one of them."""
    digits = sum(c.isdigit() for c in token)
    return token == token.upper() and digits > 0 and (digits > 1 or "-" in token)


def _from_signs(word: str, also: tuple[str, ...]) -> str:
    if (word[0].isdigit() and word.lstrip(string.digits).isalpha() and len(word) < 5) or word[-1].isdigit():
        return ""  # a number with its unit, a version: 4th, 10kg, mp3
    readings = (word.translate(_LETTERS), word.translate(_LETTERS_L))
    return next((reading for reading in readings if _known(reading, also)), "")


def _swapped(word: str, also: tuple[str, ...]) -> str:
    """Two neighbours have changed places."""
    swaps = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    return _best(swap for swap in swaps if _known(swap, also))


def _shortened(word: str) -> str:
    """A letter is missing, not the first."""
    if len(word) <= _MIN_CHARS:
        return ""
    fuller = {word[:i] + c + word[i:] for i in range(1, len(word) + 1) for c in string.ascii_lowercase}
    return _best(w for w in fuller if _ranks().get(w, _FREQUENT) < _FREQUENT)


def _best(words: Iterator[str]) -> str:
    return min(words, key=lambda word: (_ranks().get(word, _FREQUENT), word), default="")


def _known(word: str, also: tuple[str, ...]) -> bool:
    return word in _ranks() or any(word.startswith(w) and len(word) <= len(w) + _ENDING_CHARS for w in also)


@lru_cache(maxsize=1)
def _ranks() -> Mapping[str, int]:
    words = VOCABULARY.read_text(encoding="utf-8").split("\n")
    return {word: rank for rank, word in enumerate(words) if word.isascii() and word.isalpha()}
