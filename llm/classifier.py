"""Which label fits a text: learned from labelled examples, or from names and descriptions when there are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.models import Classification, Label
from llm.kernel import KernelRidge, Matrix
from llm.named_labels import NamedLabels, in_words

Embed = Callable[[Sequence[str]], Awaitable[Matrix]]

_TEMPERATURES = np.geomspace(0.02, 1.0, 40)
# So many left-out predictions are enough to tell how sure to be.
_CALIBRATED_ON = 500
# Descriptions are far from questions in the vector space; differences of .05 in the cosine mean much there.
_DESCRIPTION_TEMPERATURE = 0.05


@dataclass(frozen=True, slots=True)
class Classifier:
    """Fitted once for a set of labels: from examples, or from names where there are none. `vectors` are those of `texts`."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Matrix
    model: KernelRidge | NamedLabels
    temperature: float
    in_scope: Matrix
    taught: Matrix

    @classmethod
    async def fit(cls, labels: Sequence[Label], embed: Embed) -> Classifier:
        names = tuple(label.id for label in labels)
        in_scope = np.array([label.in_scope for label in labels])
        taught = [(number, text) for number, label in enumerate(labels) for text in label.examples]
        if not taught:
            named = await NamedLabels.fit(labels, embed)
            texts = tuple(in_words(label) for label in labels)
            return cls(names, texts, named.vectors, named, _DESCRIPTION_TEMPERATURE, in_scope, np.arange(len(labels)))
        # A label without examples among others with some is taught by its description.
        taught += [(number, in_words(label)) for number, label in enumerate(labels) if not label.examples]
        numbers = np.array([number for number, _ in taught])
        texts = tuple(text for _, text in taught)
        model = KernelRidge.fit(await embed(texts), np.eye(len(labels))[numbers], left_out=_CALIBRATED_ON)
        temperature = _calibrate(model.left_out, numbers[model.left_out_rows])
        return cls(names, texts, model.examples, model, temperature, in_scope, numbers)

    async def classify(self, text: str, embed: Embed) -> Classification:
        similar = self.vectors @ (await embed([text]))[0].astype(self.vectors.dtype)
        if isinstance(self.model, NamedLabels):
            scores = await self.model.score(text, similar, embed)
        else:
            scores = self.model.predict_from(similar)
        chances = _softmax(scores, self.temperature)
        best, *rest = np.argsort(-chances, kind="stable")
        return Classification(
            label=self.labels[best],
            confidence=float(chances[best]),
            runner_up=self.labels[rest[0]] if rest else None,
            nearest=self.texts[int(np.argmax(similar))],
            familiarity=self._familiarity(scores, similar),
        )

    def _familiarity(self, scores: Matrix, similar: Matrix) -> float | None:
        """The best score in scope less the best one out of it, and how near the nearest example in scope is.

        On clinc150 an AUROC of .978, .986 where out-of-scope examples are taught; the confidence alone reaches .958.
        """
        if not self.in_scope.any():
            return None
        foreign = scores[~self.in_scope]
        margin = scores[self.in_scope].max() - (foreign.max() if len(foreign) else 0.0)
        return float(margin + similar[self.in_scope[self.taught]].max())


def _calibrate(left_out: Matrix, numbers: Matrix) -> float:
    """The temperature at which the left-out predictions are least surprised by the true labels."""
    rows = np.arange(len(numbers))
    losses = [-np.log(_softmax(left_out, float(t))[rows, numbers] + 1e-12).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _softmax(scores: Matrix, temperature: float) -> Matrix:
    raised = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    return raised / raised.sum(axis=-1, keepdims=True)
