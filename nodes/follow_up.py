"""A question that leans on the one before it: "and for the mobile app?" is looked up together with what it continues."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.models import HistoryEntry

# "and for ...", "what about ...", "the same on ...": what is asked was said before. "And how do I ...?" asks anew.
_CONTINUES = re.compile(
    r"(?:ok(?:ay)?|thanks|and|or|but|so|then)?[\s,.!]*"
    r"(?:(?:what|how) about|same|the same|and (?:if|for|on|in|with|from|without)|for|on|in|with|without|if)\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(r"\b(?:it|its|that|this|those|these|they|them|one|ones|there|he|she)\b", re.IGNORECASE)
_SHORT_WORDS = 12
_FRAGMENT_WORDS = 3


def leans(question: str) -> bool:
    """Whether a short question cannot be understood without the one before it."""
    words = len(question.split())
    if not words or words > _SHORT_WORDS:
        return False
    return words <= _FRAGMENT_WORDS or bool(_CONTINUES.match(question)) or points_back(question)


def points_back(question: str) -> bool:
    """Whether a pronoun stands for what was said before."""
    return _POINTS_BACK.search(question) is not None


def earlier_question(history: Sequence[HistoryEntry]) -> str | None:
    """The customer's latest message of this conversation that can be understood alone."""
    asked = [e.text for e in history if e.author == "customer" and e.same_conversation]
    return next((text for text in reversed(asked) if not leans(text)), None)
