"""Labels that nobody gave an example for, told apart by their names and descriptions.

A name is no sentence, so it is put into several; what it has in common with all other names counts less; and a word of the
name that stands in the text, or one near it, counts by itself, for a sentence vector drowns it. Each was chosen on three
sets of names read without an example, macro-F1 on bitext's 27 (4,084 texts), banking77's 77 (2,172) and clinc150's 150 (3,775):
two phrasings .812 / .599 / .671; nine .821 / .607 / .670; less what names share .836 / .608 / .666; and words .831 / .622 / .677.
That was with MiniLM. With e5, which judges now, and the weights below .830 / .601 / .662 (of the latter two every third text):
without words .833 / .589 / .658. Rare words weighing more and letters in common (typos) added nothing; words of descriptions made it worse.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.models import Label
from llm.kernel import Matrix

Embed = Callable[[Sequence[str]], Awaitable[Matrix]]

_PHRASINGS: Final = (
    "{}",
    "the customer wants to {}",
    "i want to {}",
    "how do i {}?",
    "i need help with {}",
    "i have a question about {}",
    "please {}",
    "where can i {}",
    "tell me about {}",
)
_SHARED: Final = 0.6
_WORDS: Final = 0.05
# A word of a text and one of a name have a cosine of about .43 (median); what is below .6 says nothing.
_UNRELATED: Final = 0.6
_WORD: Final = re.compile(r"[^\W_]+")
_TELLING_LETTERS: Final = 4


@dataclass(frozen=True, slots=True)
class NamedLabels:
    """`vectors`: one a label; `shared`: how like the others each is; `words`: of names, `spells` tells whose (words x labels)."""

    vectors: Matrix
    shared: Matrix
    words: Matrix
    spells: Matrix

    @classmethod
    async def fit(cls, labels: Sequence[Label], embed: Embed) -> NamedLabels:
        phrased = await embed([phrasing.format(name_of(label)) for phrasing in _PHRASINGS for label in labels])
        vectors = _unit(phrased.reshape(len(_PHRASINGS), len(labels), -1).sum(axis=0))
        described = [number for number, label in enumerate(labels) if label.description]
        if described:
            vectors[described] += await embed([in_words(labels[number]) for number in described])
            vectors = _unit(vectors)
            return cls(vectors, np.zeros(len(labels)), vectors[:0], np.zeros((0, len(labels))))
        telling = [_telling_words(name_of(label)) for label in labels]
        words = list(dict.fromkeys(word for own in telling for word in own))
        spells = np.array([[word in own for own in telling] for word in words], dtype=float)
        others = (vectors @ vectors.T).sum(axis=1) - 1
        return cls(vectors, others / max(1, len(labels) - 1), await embed(words), spells)

    async def score(self, text: str, similar: Matrix, embed: Embed) -> Matrix:
        """A score a label; `similar` are the cosines between the vectors of the text and of the labels."""
        scores = similar - _SHARED * self.shared
        said = _telling_words(text) if len(self.words) else []
        if not said:
            return scores
        nearness = (await embed(said) @ self.words.T).max(axis=0)
        return scores + _WORDS * np.maximum(0.0, (nearness - _UNRELATED) / (1 - _UNRELATED)) @ self.spells


def in_words(label: Label) -> str:
    return f"{name_of(label)}: {label.description}" if label.description else name_of(label)


def name_of(label: Label) -> str:
    return label.id.replace("_", " ")


def _telling_words(text: str) -> list[str]:
    """Each once. Short ones are mostly "to" and "my"; where there are only such, they have to do."""
    words = list(dict.fromkeys(_WORD.findall(text.lower())))
    return [word for word in words if len(word) >= _TELLING_LETTERS] or words


def _unit(vectors: Matrix) -> Matrix:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
