"""How a customer feels, from 0 (furious) to 1 (delighted). Below 0.3 stands anger, and only anger.

Two questions, for they pull apart. How pleased is the customer? Sentence vector and lexicon (`llm.lexicon`) answer together: their
sum correlates with the mean of twenty raters better than either (see docs/prompt-engineers/evals.md). Is it anger, or
hatred? The vector answers nearly alone: the lexicon knows "error" and "lost" as bad words, and of the policy's angry
examples it would find fewer. A text that is unhappy and not angry stays above 0.3: it wants empathy, not a hand-over.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from core.disguise import undisguised
from core.models import Rating
from core.plain_text import verbatim
from core.vocabulary import ANGER_BELOW
from llm.kernel import KernelRidge, Matrix
from llm.lexicon import words_say
from llm.sentences import telling_sentences
from llm.tone_rules import HARD_WORDS, SHOUTING, apply_rules, shouting

Embed = Callable[[Sequence[str]], Awaitable[Matrix]]

# "Stop." and "Quit." say too little to be judged by likeness; the rules judge them.
_TELLING_WORDS: Final = 3
_SEEDS: Final = Path(__file__).parent / "data" / "sentiment_seeds.jsonl"
_GAMMA: Final = 4.0
_RIDGE: Final = 0.5
# Of the lexicon in valence, anger and hatred. Tweets correlate by .88 with raters, without it by .76; reviews by .76 either way.
_LEXICON_IN: Final = (0.35, -0.15, -0.1)
# Of the seeds that are not angry, seen by a model fitted without each, this share stays above the line.
_SPARED: Final = 0.99
# A full scale would cut off what is best and worst: with 1.0 the correlation on tweets is .015 lower.
_SLOPE: Final = 0.7


@dataclass(frozen=True, slots=True)
class Seed:
    """`score` below 0.3: angry. `hate`: against a group of people."""

    text: str
    score: float
    hate: bool = False


class SentimentScorer:
    """Fitted from the seeds in milliseconds once their vectors are there. Outputs: valence, anger, hatred."""

    def __init__(self, model: KernelRidge, lines: Matrix) -> None:
        """`lines`: the anger and the hatred from which on a text is angry."""
        self._model = model
        self._lines = lines

    @classmethod
    async def fit(cls, embed: Embed) -> SentimentScorer:
        seeds = read_seeds()
        texts = [seed.text for seed in seeds]
        targets = np.array(
            [[seed.score - 0.5, seed.score < ANGER_BELOW and not seed.hate, seed.hate] for seed in seeds], dtype=float
        )
        model = KernelRidge.fit(await embed(texts), targets, gamma=_GAMMA, ridge=_RIDGE)
        unseen = _with_lexicon(model.left_out, texts)
        calm = ~targets[:, 1:].any(axis=1)
        lines = np.array([np.quantile(unseen[calm, 1], _SPARED), np.quantile(unseen[targets[:, 2] == 0, 2], _SPARED)])
        return cls(model, lines)

    async def rate(self, text: str, embed: Embed) -> Rating:
        """Of a text in several sentences the whole and the angriest have half the say each."""
        text = undisguised(verbatim(text), HARD_WORDS).text
        pieces = [text, *telling_sentences(text)]
        heads = _with_lexicon(self._model.predict(await embed(pieces)), pieces)
        whole, sentences = heads[0], heads[min(1, len(heads) - 1) :]
        pleased = 0.5 + _SLOPE * float(whole[0] + sentences[:, 0].mean()) / 2
        excess = float(((whole[1:] + sentences[:, 1:].max(axis=0)) / 2 - self._lines).max())
        shouted = shouting(text)
        excess += SHOUTING if shouted else 0.0
        if excess > 0 and len(text.split()) >= _TELLING_WORDS:
            return apply_rules(text, min(pleased, ANGER_BELOW - excess / 2), pleased, shouted)
        return apply_rules(text, _calm(pleased), pleased, shouted)


def _with_lexicon(heads: Matrix, texts: Sequence[str]) -> Matrix:
    words = np.array([words_say(text) for text in texts])
    weights = np.array(_LEXICON_IN)
    return heads + words[:, None] * weights


def _calm(pleased: float) -> float:
    """Never below 0.3, and still lower for the less pleased."""
    return max(pleased, ANGER_BELOW + 0.1 * max(pleased, 0.0))


@lru_cache(maxsize=1)
def read_seeds() -> tuple[Seed, ...]:
    rows = map(json.loads, _SEEDS.read_text(encoding="utf-8").splitlines())
    return tuple(Seed(**row) for row in rows)
