"""Which label fits a text: learned from labelled examples, or from names and descriptions when there are none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.models import Classification, Label
from llm.kernel import KernelRidge, Matrix

Embed = Callable[[Sequence[str]], Awaitable[Matrix]]

_TEMPERATURES = np.geomspace(0.02, 1.0, 40)
# So many left-out predictions are enough to tell how sure to be.
_CALIBRATED_ON = 500
# Descriptions are far from questions in the vector space; differences of .05 in the cosine mean much there.
_DESCRIPTION_TEMPERATURE = 0.05
# A bare name is no sentence. Said as one and as it is, bitext's 27 names are told apart in 82.5 % of 4,084, before in 78.0 %.
_AS_A_WISH = "the customer wants to {}"


@dataclass(frozen=True, slots=True)
class Classifier:
    """Fitted once for a set of labels. Without examples `model` is None and the vectors of `texts`, one a label, stand in."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Matrix
    model: KernelRidge | None
    temperature: float
    in_scope: Matrix
    taught: Matrix

    @classmethod
    async def fit(cls, labels: Sequence[Label], embed: Embed) -> Classifier:
        names = tuple(label.id for label in labels)
        in_scope = np.array([label.in_scope for label in labels])
        taught = [(number, text) for number, label in enumerate(labels) for text in label.examples]
        if not taught:
            texts = tuple(_in_words(label) for label in labels)
            vectors = await _describe(labels, embed)
            return cls(names, texts, vectors, None, _DESCRIPTION_TEMPERATURE, in_scope, np.arange(len(labels)))
        # A label without examples among others with some is taught by its description.
        taught += [(number, _in_words(label)) for number, label in enumerate(labels) if not label.examples]
        numbers = np.array([number for number, _ in taught])
        texts = tuple(text for _, text in taught)
        model = KernelRidge.fit(await embed(texts), np.eye(len(labels))[numbers], left_out=_CALIBRATED_ON)
        temperature = _calibrate(model.left_out, numbers[model.left_out_rows])
        return cls(names, texts, model.examples, model, temperature, in_scope, numbers)

    def classify(self, vector: Matrix) -> Classification:
        similar = self.vectors @ vector.astype(self.vectors.dtype)
        scores = similar if self.model is None else self.model.predict_from(similar)
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


def _in_words(label: Label) -> str:
    name = label.id.replace("_", " ")
    return f"{name}: {label.description}" if label.description else name


async def _describe(labels: Sequence[Label], embed: Embed) -> Matrix:
    """A unit vector a label: of its name and description, or of its name alone in two wordings."""
    vectors = await embed([_in_words(label) for label in labels])
    bare = [number for number, label in enumerate(labels) if not label.description]
    if bare:
        vectors[bare] += await embed([_AS_A_WISH.format(_in_words(labels[number])) for number in bare])
        vectors[bare] /= np.linalg.norm(vectors[bare], axis=1, keepdims=True)
    return vectors


def _calibrate(left_out: Matrix, numbers: Matrix) -> float:
    """The temperature at which the left-out predictions are least surprised by the true labels."""
    rows = np.arange(len(numbers))
    losses = [-np.log(_softmax(left_out, float(t))[rows, numbers] + 1e-12).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _softmax(scores: Matrix, temperature: float) -> Matrix:
    raised = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    return raised / raised.sum(axis=-1, keepdims=True)
