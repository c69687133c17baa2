"""Which rule of the policy a text breaks by its meaning: how much it is like what the rule's examples and lessons say.

One kernel ridge over what all of them mean (sentence vectors) and how they are spelled, an output a rule. What must not
match and ordinary questions teach it what a rule is not about. A rule's threshold is taken from what a model says of
sentences that it has not seen, each by one that was fitted without its third.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np

from core.models import Suspicion
from core.policy import Rule
from core.vocabulary import Stage
from llm.kernel import KernelRidge, Matrix
from llm.sentences import telling_sentences
from llm.spelling import spell

Embed = Callable[[Sequence[str]], Awaitable[Matrix]]

# Of those that must not match a rule, and of all that break none, so many stay below its threshold. What a reply says wrong
# lies farther from what it may say: on a blind author's sentences of drafts .96 and .98 catch the same.
_LOOK_ALIKES_SPARED: Final[dict[Stage, float]] = {"inbound": 0.97, "draft": 0.975}
_SPARED: Final = 0.99
_FOLDS: Final = 3
_RIDGE: Final = 0.05
# On a blind author's sentences spelling is worth half a point of recall at the same false alarms; from .2 to .5 it is all one.
_SPELLING: Final = 0.35
# So much of a threshold the whole must reach itself. Chosen with MiniLM: without it 4 of 75 answerable sample tickets went to a
# person, with it 1.
_WHOLE: Final = 0.7
# Part of what names a fit: raise it when one made before would judge otherwise.
_METHOD: Final = "3"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A sentence, and the place of the rule that it breaks, or else of the one that it must not be taken to break."""

    text: str
    breaks: int | None = None
    spares: int | None = None


@dataclass(frozen=True, slots=True)
class RuleLikeness:
    """Fitted once for a set of rules. `texts` are the lessons, in the order of the model's examples.

    `name` is the same for the same rules and lessons, and for no others.
    """

    name: str
    rules: tuple[str, ...]
    texts: tuple[str, ...]
    model: KernelRidge
    thresholds: Matrix

    @classmethod
    async def fit(cls, name: str, rules: Sequence[Rule], lessons: Sequence[Lesson], embed: Embed) -> RuleLikeness:
        pieces = _Pieces.of([lesson.text for lesson in lessons])
        vectors = await _read(pieces.texts, embed)
        targets = _targets(lessons, len(rules))
        wholes = vectors[pieces.starts]
        alike_spared = [_LOOK_ALIKES_SPARED.get(rule.stages[0], _SPARED) for rule in rules]
        thresholds = _thresholds(_unseen(lessons, pieces, vectors, targets), lessons, alike_spared)
        model = KernelRidge.fit(wholes, targets, ridge=_RIDGE, left_out=0)
        return cls(name, tuple(rule.id for rule in rules), tuple(lesson.text for lesson in lessons), model, thresholds)

    async def judge(self, text: str, embed: Embed) -> tuple[Suspicion, ...]:
        """The rules whose threshold is exceeded, the one that is exceeded most first."""
        pieces = _Pieces.of([text])
        vectors = await _read(pieces.texts, embed)
        scores = self.model.predict(vectors)
        excess = pieces.combined(scores)[0] - self.thresholds
        excess[scores[0] < _WHOLE * self.thresholds] = -1.0
        first = min(1, len(scores) - 1)

        def suspicion(rule: int) -> Suspicion:
            piece = first + int(np.argmax(scores[first:, rule]))
            nearest = self.texts[int(np.argmax(self.model.examples @ vectors[piece]))]
            confidence = float(min(1.0, excess[rule] + self.thresholds[rule]))
            return Suspicion(self.rules[rule], pieces.texts[piece], round(confidence, 3), f"like {nearest!r}")

        return tuple(suspicion(int(rule)) for rule in np.argsort(-excess, kind="stable") if excess[rule] > 0)


def lessons_of(rules: Sequence[Rule], ordinary: Sequence[str]) -> list[Lesson]:
    broken = [Lesson(text, breaks=number) for number, rule in enumerate(rules) for text in rule.taught.must_match]
    spared = [Lesson(text, spares=number) for number, rule in enumerate(rules) for text in rule.taught.must_not_match]
    return [*broken, *spared, *map(Lesson, ordinary)]


def fingerprint(rules: Sequence[Rule], lessons: Sequence[Lesson], model_id: str) -> str:
    """The same for the same fit."""
    told = (f"{lesson.breaks} {lesson.spares} {lesson.text}" for lesson in lessons)
    return hashlib.sha256("\0".join((_METHOD, model_id, *(r.id for r in rules), *told)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Several texts, each whole and then by its telling sentences; `starts` is where each whole stands."""

    texts: list[str]
    starts: list[int]

    @classmethod
    def of(cls, wholes: Sequence[str]) -> _Pieces:
        texts: list[str] = []
        starts: list[int] = []
        for whole in wholes:
            starts.append(len(texts))
            texts += [whole, *telling_sentences(whole)]
        return cls(texts, starts)

    def spans(self) -> Iterator[slice]:
        for start, end in zip(self.starts, [*self.starts[1:], len(self.texts)], strict=True):
            yield slice(start, end)

    def combined(self, scores: Matrix) -> Matrix:
        """A sentence out of its message means little, and a long message hides one: whole and worst sentence have half the say each."""
        return np.array(
            [(scores[s][0] + scores[s][min(1, s.stop - s.start - 1) :].max(axis=0)) / 2 for s in self.spans()]
        )


async def _read(texts: Sequence[str], embed: Embed) -> Matrix:
    return joined(np.sqrt(1 - _SPELLING) * (await embed(texts)), texts)


def joined(meaning: Matrix, texts: Sequence[str]) -> Matrix:
    """Unit vectors of both: the sentence vectors, already weighted, and beside them how the texts are spelled."""
    return np.hstack([meaning, np.sqrt(_SPELLING) * spell(texts)]).astype(np.float32)


def _targets(lessons: Sequence[Lesson], rules: int) -> Matrix:
    targets = np.zeros((len(lessons), rules), dtype=np.float32)
    for row, lesson in zip(targets, lessons, strict=True):
        if lesson.breaks is not None:
            row[lesson.breaks] = 1.0
    return targets


def _unseen(lessons: Sequence[Lesson], pieces: _Pieces, vectors: Matrix, targets: Matrix) -> Matrix:
    """The judgement of every lesson by a model that was not taught it."""
    wholes, spans = vectors[pieces.starts], list(pieces.spans())
    folds = np.array([crc32(lesson.text.encode()) % _FOLDS for lesson in lessons])
    judged = np.zeros_like(targets)
    for fold in range(_FOLDS):
        asked = np.flatnonzero(folds == fold)
        if not len(asked):
            continue
        model = KernelRidge.fit(wholes[folds != fold], targets[folds != fold], ridge=_RIDGE, left_out=0)
        held = _Pieces.of([lessons[int(n)].text for n in asked])
        judged[asked] = held.combined(model.predict(np.vstack([vectors[spans[int(n)]] for n in asked])))
    return judged


def _thresholds(unseen: Matrix, lessons: Sequence[Lesson], alike_spared: Sequence[float]) -> Matrix:
    spared = np.array([lesson.breaks is None for lesson in lessons])
    spares = np.array([-1 if lesson.spares is None else lesson.spares for lesson in lessons])

    def quantile(rule: int, which: Matrix, share: float) -> float:
        return float(np.quantile(unseen[which, rule], share)) if which.any() else 0.0

    return np.array(
        [
            max(quantile(rule, spared, _SPARED), quantile(rule, spares == rule, alike))
            for rule, alike in enumerate(alike_spared)
        ]
    )
