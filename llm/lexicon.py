"""What the words of a text say by themselves: VADER's rated lexicon, with its emoji, emoticons, slang, intensifiers and negation."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

# VADER adds the words up, so a long mail would only be certain, and slow: 1 ms for this much.
_CHARS: Final = 1_000
# What a customer of software states without feeling. VADER rates each as sad.
_TECHNICAL: Final = (
    "error errors failed failing failure failures kill killed killing kills stop stopped stops stopping cancel cancelled "
    "cancels cancelling reject rejected rejects refused denied block blocked blocks crash drop warning warnings alert dead"
)


def words_say(text: str) -> float:
    """-1 (all bad) to 1 (all good); 0 where no word has a rating."""
    return float(_analyser().polarity_scores(text[:_CHARS])["compound"])


@lru_cache(maxsize=1)
def _analyser() -> Any:
    from vaderSentiment.vaderSentiment import (
        SentimentIntensityAnalyzer,
    )  # imports an HTTP client that nothing here needs

    analyser = SentimentIntensityAnalyzer()
    for word in _TECHNICAL.split():
        analyser.lexicon.pop(word, None)
    return analyser
