"""grounding: `{sentence, passage | passages, supported}`: does the checker of replies take what the passages say, and that alone?

Without a data set, the cases are made by machine from true sentences of the documents (`--kb`, else the dossier's).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from core.grounding.check import Verdict, check
from core.models import Passage, ReplySentence
from evals.grounding_cases import make_cases, passages_of
from evals.rows import NoCriterion, Row
from evals.statistics import share
from evals.suite import Case, Fault, Measured, known
from evals.world import World

_MOST_SENTENCES = 500


@dataclass(frozen=True, slots=True)
class GroundingCase(Case):
    sentence: str
    passages: tuple[Passage, ...]
    supported: bool
    kind: str


class Grounding:
    name = "grounding"

    def read(self, row: Row) -> GroundingCase:
        sentence, supported = row.text("sentence"), row.find("supported", bool)
        if supported is None:
            raise NoCriterion("give `supported`: true or false")
        texts = row.texts("passages") or (row.text("passage"),)
        title, kind = row.find("title", str) or "", row.find("kind", str) or ""
        passages = tuple(_passage(f"{row.place}#{number}", title, text) for number, text in enumerate(texts))
        return GroundingCase(row.id, row.place, sentence, sentence, passages, supported, kind)

    def dossier_cases(self, world: World) -> list[GroundingCase]:
        documents = world.options.kb or world.dossier / "docs"
        made = make_cases(passages_of(documents), most_sentences=_MOST_SENTENCES)
        return [
            GroundingCase(
                f"{case.kind}-{number}",
                case.passage.slug,
                case.sentence,
                case.sentence,
                (case.passage,),
                case.true,
                case.kind,
            )
            for number, case in enumerate(made)
        ]

    async def prepare(self, world: World, cases: Sequence[GroundingCase]) -> None:
        return

    async def ask(self, world: World, case: GroundingCase) -> Verdict:
        sentence = ReplySentence(case.sentence, tuple(p.id for p in case.passages))
        [verdict] = check(
            [sentence], {p.id: p for p in case.passages}, names=(world.profile.name, world.profile.product)
        )
        return verdict

    def measure(self, answered: Sequence[tuple[GroundingCase, Verdict]]) -> Measured:
        false = [(c, v) for c, v in answered if not c.supported]
        true = [(c, v) for c, v in answered if c.supported]
        figures = known(
            unsupported_taken=share(v.supported for _, v in false),
            supported_refused=share(not v.supported for _, v in true),
        )
        kinds: dict[str, list[bool]] = defaultdict(list)
        for case, verdict in ((case, verdict) for case, verdict in answered if case.kind):
            kinds[f"{'refused' if case.supported else 'taken'}.{case.kind}"].append(case.supported != verdict.supported)
        figures |= known(**{name: share(wrong) for name, wrong in sorted(kinds.items())})
        faults = [
            Fault(
                c,
                f"taken, though the passage does not say it ({c.kind})"
                if v.supported
                else f"refused: {v.rule}: {v.evidence}",
            )
            for c, v in answered
            if v.supported != c.supported
        ]
        return Measured(figures, faults)


def _passage(name: str, title: str, text: str) -> Passage:
    id_ = uuid5(NAMESPACE_URL, name)
    return Passage(id_, id_, name, title, title, text, None, None, None, name, 1.0, 1.0, 0.0)
