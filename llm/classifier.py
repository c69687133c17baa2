"""Which label fits a text: learned from labelled examples, or from descriptions when there are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.models import Classification, Label
from llm.kernel import KernelRidge, Matrix

Embed = Callable[[Sequence[str]], Awaitable[Matrix]]

_TEMPERATURES = np.geomspace(0.02, 1.0, 40)
# Descriptions are far from questions in the vector space; differences of .05 in the cosine mean much there.
_DESCRIPTION_TEMPERATURE = 0.05


@dataclass(frozen=True, slots=True)
class Classifier:
    """Fitted once for a set of labels. Without examples `model` is None and the descriptions' vectors stand in."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Matrix
    model: KernelRidge | None
    temperature: float

    @classmethod
    async def fit(cls, labels: Sequence[Label], embed: Embed) -> Classifier:
        names = tuple(label.id for label in labels)
        taught = [(number, text) for number, label in enumerate(labels) for text in label.examples]
        if not taught:
            texts = tuple(f"{label.id.replace('_', ' ')}: {label.description}" for label in labels)
            return cls(names, texts, await embed(texts), None, _DESCRIPTION_TEMPERATURE)
        # A label without examples among others with some is taught by its description.
        taught += [(number, label.description) for number, label in enumerate(labels) if not label.examples]
        numbers = np.array([number for number, _ in taught])
        texts = tuple(text for _, text in taught)
        vectors = await embed(texts)
        targets = np.eye(len(labels))[numbers]
        model = KernelRidge.fit(vectors, targets)
        return cls(names, texts, vectors, model, _calibrate(model.left_out, numbers))

    def classify(self, vector: Matrix) -> Classification:
        similar = self.vectors @ vector
        scores = similar if self.model is None else self.model.predict(vector[None, :])[0]
        chances = _softmax(scores, self.temperature)
        best, *rest = np.argsort(-chances, kind="stable")
        return Classification(
            label=self.labels[best],
            confidence=float(chances[best]),
            runner_up=self.labels[rest[0]] if rest else None,
            nearest=self.texts[int(np.argmax(similar))],
        )


def _calibrate(left_out: Matrix, numbers: Matrix) -> float:
    """The temperature at which the left-out predictions are least surprised by the true labels."""
    rows = np.arange(len(numbers))
    losses = [-np.log(_softmax(left_out, float(t))[rows, numbers] + 1e-12).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _softmax(scores: Matrix, temperature: float) -> Matrix:
    raised = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    return raised / raised.sum(axis=-1, keepdims=True)
