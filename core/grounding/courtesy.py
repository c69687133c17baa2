"""A courtesy states nothing. Its shape is closed: every word of content is one of few, and no number, code, link or name."""

from __future__ import annotations

from collections.abc import Collection

from core.grounding.text import read, stem_of
from core.grounding.words import FUNCTION, GLUE, POLITE, PROMISING

_MOST_WORDS = 30
_POLITE_STEMS = frozenset(stem_of(word) for word in POLITE)
_ALLOWED = _POLITE_STEMS | frozenset(stem_of(word) for word in GLUE)


def is_courtesy(sentence: str, *, names: Collection[str] = ()) -> bool:
    """`names` are lower-case words that may be said: the customer's and the company's names."""
    seen = read(sentence)
    words = seen.of("word")
    if not words or len(words) > _MOST_WORDS or any(seen.of(kind) for kind in ("number", "code", "link")):
        return False
    said = {t.lower for t in words}
    if said & PROMISING or not any(t.stem in _POLITE_STEMS for t in words):
        return False
    return all(
        t.stem in _ALLOWED and (t.initial or t.text[0].islower())
        for t in words
        if t.lower not in FUNCTION and t.lower not in names
    )
