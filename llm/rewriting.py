"""Another way to ask the same: without courtesy, with the documents' words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import yaml

_DATA = Path(__file__).parent / "data"
_WORD = re.compile(r"[A-Za-z0-9][\w.'-]*[A-Za-z0-9]|[A-Za-z0-9]")
_ADDED = 4
# What people wrap a question in. Everything else is content: nouns, verbs, codes, versions.
_WRAPPING = frozenset((_DATA / "wrapping_words.txt").read_text(encoding="utf-8").split())


def rewrite(question: str, tried: Sequence[str]) -> str:
    """The content words, then with synonyms of them; the first that was not tried."""
    content = content_words(question)
    plain = " ".join(content)
    candidates = [plain, " ".join((*content, *_synonyms(question)[:_ADDED])), " ".join(_telling(content))]
    done = {_normal(text) for text in tried}
    return next((text for text in candidates if text and _normal(text) not in done), plain or question.strip())


def content_words(text: str) -> list[str]:
    words = [word for word in _WORD.findall(text) if word.lower() not in _WRAPPING]
    return list(dict.fromkeys(words))


def _telling(words: Sequence[str]) -> list[str]:
    """Codes and names first, then the longest words: what is left when a long story found nothing."""
    codes = [word for word in words if any(c.isdigit() for c in word) or (word.isupper() and len(word) > 1)]
    rest = sorted((word for word in words if word not in codes), key=lambda word: -len(word))
    return [*codes, *rest][:5]


def _synonyms(text: str) -> list[str]:
    """Other words of each group that the text names, in the order of the groups; the documents' word first."""
    padded = f" {_normal(text)} "
    found: list[str] = []
    for group in _groups():
        if any(f" {word.lower()} " in padded for word in group):
            other = next((word for word in group if f" {word.lower()} " not in padded), None)
            found.extend([other] if other else [])
    return found


def _normal(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


@lru_cache(maxsize=1)
def _groups() -> tuple[tuple[str, ...], ...]:
    groups = yaml.safe_load((_DATA / "synonyms.yaml").read_text(encoding="utf-8"))
    return tuple(tuple(str(word) for word in group) for group in groups)
