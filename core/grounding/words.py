"""The closed sets of words that the grounding rules read, from `words.yaml` beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

_WORDS: Final[dict[str, Any]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def _set(key: str) -> frozenset[str]:
    return frozenset(_WORDS[key].split())


FUNCTION: Final = _set("function")
GLUE: Final = _set("glue")
ABSOLUTE: Final = _set("absolute")
NEGATORS: Final = _set("negators")
HEDGES: Final = _set("hedges")
PERMISSION: Final = _set("permission")
OBLIGATION: Final = _set("obligation")
UNITS: Final = _set("units")
POLITE: Final = _set("polite")
PROMISING: Final = _set("promising")
LOWER_BOUNDS: Final = tuple(_WORDS["lower_bounds"])
UPPER_BOUNDS: Final = tuple(_WORDS["upper_bounds"])
OPPOSITES: Final[tuple[tuple[str, str], ...]] = tuple(
    (one, other) for one, other in (pair.split("/") for pair in _WORDS["opposites"].split())
)
SYNONYMS: Final = tuple(tuple(group.split()) for group in _WORDS["synonyms"])
NUMBER_WORDS: Final = {str(word): str(value) for word, value in _WORDS["number_words"].items()}
COMMON: Final = {language: frozenset(words.split()) for language, words in _WORDS["languages"].items()}
