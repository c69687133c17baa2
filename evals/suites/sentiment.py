"""sentiment: `{text, angry | label | mean_valence, kind?}`.

`angry` (true or false) judges the decision that hands over below 0.3; so does `label`, where `negative` and `angry` mean
that it should. `mean_valence` (any scale, more is happier) judges the score by its correlation, and where it stands
alone the decision too: at or below -0.5 means that it should.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from core.models import Rating
from evals.dossier import load_cases
from evals.rows import NoCriterion, Row
from evals.statistics import Figure, auroc, correlation, share
from evals.suite import Case, Fault, Measured, known
from evals.world import World
from nodes.guardrail import ANGER_BELOW
from nodes.prompts import render_prompt

_UNHAPPY_LABELS = ("negative", "angry")
_UNHAPPY_VALENCE = -0.5


@dataclass(frozen=True, slots=True)
class SentimentCase(Case):
    text: str
    unhappy: bool
    valence: float | None = None
    kind: str | None = None


class Sentiment:
    name = "sentiment"

    def read(self, row: Row) -> SentimentCase:
        text, valence = row.text("text"), row.find("mean_valence", float)
        angry, label = row.find("angry", bool), row.find("label", str)
        if angry is None and label is not None:
            angry = label in _UNHAPPY_LABELS
        if angry is None and valence is not None:
            angry = valence <= _UNHAPPY_VALENCE
        if angry is None:
            raise NoCriterion("give `angry`, `label` or `mean_valence`")
        return SentimentCase(row.id, row.place, text, text, angry, valence, row.find("kind", str))

    def dossier_cases(self, world: World) -> list[SentimentCase]:
        """The sample tickets: those that must go to a person for anger, against all others."""
        folder = world.dossier / "tickets"
        return [
            SentimentCase(c.id, str(folder), c.message, c.message, c.reason == "angry_customer", kind=c.split)
            for c in load_cases(folder)
        ]

    async def prepare(self, world: World, cases: Sequence[SentimentCase]) -> None:
        await world.embedder.embed([case.text for case in cases])

    async def ask(self, world: World, case: SentimentCase) -> Rating:
        return await world.mind.rate_sentiment(case.text, instructions=render_prompt("sentiment", world.profile))

    def measure(self, answered: Sequence[tuple[SentimentCase, Rating]]) -> Measured:
        figures = _figures(answered)
        kinds: dict[str, list[tuple[SentimentCase, Rating]]] = defaultdict(list)
        for case, rating in answered:
            if case.kind:
                kinds[case.kind].append((case, rating))
        if len(kinds) > 1:
            for kind, pairs in sorted(kinds.items()):
                figures |= {f"{name}.{kind}": figure for name, figure in _figures(pairs).items()}
        faults = [
            Fault(case, f"{rating.score:.2f} ({', '.join(rating.cues) or 'no cue'}), should be {_side(case)}")
            for case, rating in answered
            if case.unhappy != (rating.score < ANGER_BELOW)
        ]
        return Measured(figures, faults)


def _figures(answered: Sequence[tuple[SentimentCase, Rating]]) -> dict[str, Figure]:
    decided = [(case.unhappy, rating.score < ANGER_BELOW) for case, rating in answered]
    rated = [(case.valence, rating.score) for case, rating in answered if case.valence is not None]
    return known(
        decision_accuracy=share(gold == said for gold, said in decided),
        decision_precision=share(gold for gold, said in decided if said),
        decision_recall=share(said for gold, said in decided if gold),
        false_alarm_rate=share(said for gold, said in decided if not gold),
        auroc=auroc([-r.score for c, r in answered if c.unhappy], [-r.score for c, r in answered if not c.unhappy]),
        correlation=correlation([valence for valence, _ in rated], [score for _, score in rated]),
    )


def _side(case: SentimentCase) -> str:
    return f"below {ANGER_BELOW}" if case.unhappy else f"{ANGER_BELOW} or more"
