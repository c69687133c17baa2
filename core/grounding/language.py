"""In which language a text is, by its commonest words: enough to know that rules for English cannot read it."""

from __future__ import annotations

import re

from core.grounding.words import COMMON

_WORD = re.compile(r"[^\W\d_]+")
_FEWEST = 2


def guess_language(text: str) -> str | None:
    """ISO 639-1 code of the likeliest of a few languages; None for a text that has too few common words to tell."""
    words = [word.lower() for word in _WORD.findall(text)]
    counts = {language: sum(word in common for word in words) for language, common in COMMON.items()}
    best = max(counts, key=lambda language: (counts[language], language == "en"))
    return best if counts[best] >= _FEWEST else None


def is_foreign(text: str) -> bool:
    """Not English: another language's words, or mostly another script."""
    letters = [c for c in text if c.isalpha()]
    latin = sum(c < "\u0250" for c in letters)
    return latin * 2 < len(letters) or guess_language(text) not in (None, "en")
