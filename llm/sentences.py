"""A message in the pieces that models judge: the whole text and, where there are several, its telling sentences."""

from __future__ import annotations

import re
from typing import Final

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_MAX_SENTENCES: Final = 12
_MIN_WORDS: Final = 3


def telling_sentences(text: str) -> list[str]:
    """At most twelve sentences of three words and more; none where the text is a single one."""
    parts = [part.strip() for part in _SENTENCE.split(text)]
    telling = [part for part in parts if len(part.split()) >= _MIN_WORDS]
    return telling[:_MAX_SENTENCES] if len(telling) > 1 else []
