"""The separate questions of a message, for one search each."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_JOINED = re.compile(r"\b(?:and also|also,|and how|and what|and where|and can|plus,?)\b", re.IGNORECASE)
_MIN_WORDS = 4
_MAX_QUESTIONS = 3


def split_questions(message: str) -> list[str]:
    """Two or three questions of a message that asks several things; empty for a message that asks one."""
    asking = [s.strip() for s in _SENTENCE.split(message) if s.strip().endswith("?")]
    parts: list[str] = []
    for sentence in asking:
        cut = _JOINED.search(sentence)
        parts += (
            [sentence] if cut is None else [sentence[: cut.start()].strip(" ,;") + "?", sentence[cut.start() :].strip()]
        )
    parts = [p for p in parts if len(p.split()) >= _MIN_WORDS]
    return parts[:_MAX_QUESTIONS] if len(parts) > 1 else []
