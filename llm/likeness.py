"""Which rule of the policy a text breaks by its meaning: how much it is like the rule's examples.

One kernel ridge over the sentence vectors of all examples, an output a rule. What must not match and ordinary questions
teach it what a rule is not about. A rule's threshold is taken from what the model says of such sentences when it has not
seen them (`KernelRidge.left_out`): 98.5 % of all of them, and 96 % of those that were written to look alike, stay below.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.models import Suspicion
from core.policy import Rule
from llm.kernel import KernelRidge, Matrix
from llm.sentences import telling_sentences

Embed = Callable[[Sequence[str]], Awaitable[Matrix]]

_SPARED: Final = 0.985
_LOOK_ALIKES_SPARED: Final = 0.96


@dataclass(frozen=True, slots=True)
class RuleLikeness:
    """Fitted once for a set of rules. `texts` are the examples, in the order of the model's."""

    rules: tuple[str, ...]
    texts: tuple[str, ...]
    model: KernelRidge
    thresholds: Matrix

    @classmethod
    async def fit(cls, rules: Sequence[Rule], ordinary: Sequence[str], embed: Embed) -> RuleLikeness:
        broken = [(number, text) for number, rule in enumerate(rules) for text in rule.examples.must_match]
        spared = [(number, text) for number, rule in enumerate(rules) for text in rule.examples.must_not_match]
        spared += [(-1, text) for text in ordinary]
        texts = tuple(text for _, text in (*broken, *spared))
        targets = np.zeros((len(texts), len(rules)))
        targets[np.arange(len(broken)), [number for number, _ in broken]] = 1.0
        model = KernelRidge.fit(await embed(texts), targets)
        thresholds = _thresholds(model.left_out[len(broken) :], np.array([number for number, _ in spared]))
        return cls(tuple(rule.id for rule in rules), texts, model, thresholds)

    async def judge(self, text: str, embed: Embed) -> Suspicion | None:
        """The rule that is exceeded most. A sentence out of its message means little: the whole has half the say."""
        pieces = [text, *telling_sentences(text)]
        vectors = await embed(pieces)
        scores = self.model.predict(vectors)
        whole, first = scores[0], min(1, len(pieces) - 1)
        excess = (whole + scores[first:].max(axis=0)) / 2 - self.thresholds
        excess[whole < self.thresholds / 2] = -1.0
        rule = int(np.argmax(excess))
        if excess[rule] <= 0:
            return None
        piece = first + int(np.argmax(scores[first:, rule]))
        nearest = self.texts[int(np.argmax(self.model.examples @ vectors[piece]))]
        confidence = float(min(1.0, excess[rule] + self.thresholds[rule]))
        return Suspicion(self.rules[rule], pieces[piece], round(confidence, 3), f"like {nearest!r}")


def _thresholds(left_out: Matrix, written_for: Matrix) -> Matrix:
    every = np.quantile(left_out, _SPARED, axis=0)
    own = [
        np.quantile(left_out[written_for == rule, rule], _LOOK_ALIKES_SPARED) if (written_for == rule).any() else 0.0
        for rule in range(left_out.shape[1])
    ]
    return np.maximum(every, own)
