"""triage: `{text, label, in_scope?}` with any set of labels.

Few-shot from `--examples` (rows of the same form, or `{label, description}`), zero-shot from the labels' names without
them. Over the classifier that serves customers, with the node's own instructions.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.models import Classification, Label
from evals.rows import NoCriterion, Row, read_rows
from evals.statistics import Figure, auroc, macro_f1, share, share_of
from evals.suite import Case, Fault, Measured, Table, known
from evals.world import World
from nodes.prompts import render_prompt

_FOLDS = 5
# Of more labels than these the figures by label stand in the table alone.
_LABELS_SHOWN = 40
_CONFUSIONS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class TriageCase(Case):
    """`fold` tells which of the suite's label sets judges it: one that was taught without it."""

    text: str
    label: str
    in_scope: bool
    fold: int = 0


class Triage:
    name = "triage"

    def __init__(self) -> None:
        self._label_sets: list[tuple[Label, ...]] = []

    def read(self, row: Row) -> TriageCase:
        text, label, in_scope = row.text("text"), row.find("label", str), row.find("in_scope", bool)
        if not label:
            raise NoCriterion("give `label`")
        return TriageCase(row.id, row.place, text, text, label, in_scope is not False)

    def dossier_cases(self, world: World) -> list[TriageCase]:
        """Every labelled sentence of the intents, judged by a classifier that was taught without its fold."""
        place = str(world.dossier / "intents.yaml")
        self._label_sets = [_without_fold(world.intents, fold) for fold in range(_FOLDS)]
        return [
            TriageCase(f"{label.id}-{number}", place, text, text, label.id, True, _fold(text))
            for label in world.intents
            for number, text in enumerate(label.examples, 1)
        ]

    async def prepare(self, world: World, cases: Sequence[TriageCase]) -> None:
        if world.options.examples is not None:
            self._label_sets = [_taught(read_rows(world.options.examples).rows)]
        elif not self._label_sets:
            names = sorted({case.label for case in cases if case.in_scope})
            self._label_sets = [tuple(Label(name, "") for name in names)]
        # In one batch, before the clock of any case runs.
        taught = [text for labels in self._label_sets for label in labels for text in label.examples]
        await world.embedder.embed([*taught, *(case.text for case in cases)])

    async def ask(self, world: World, case: TriageCase) -> Classification:
        instructions = render_prompt("triage", world.profile)
        fold = case.fold if len(self._label_sets) > 1 else 0
        return await world.mind.classify(case.text, self._label_sets[fold], instructions=instructions)

    def measure(self, answered: Sequence[tuple[TriageCase, Classification]]) -> Measured:
        scoped = [pair for pair in answered if pair[0].in_scope]
        foreign = [pair for pair in answered if not pair[0].in_scope]
        taught = {label.id: label for label in self._label_sets[0]}
        # A label that nobody was taught cannot be said: such a case counts for `oos_auroc` alone.
        judged = [pair for pair in answered if pair[0].in_scope or pair[0].label in taught]
        gold, said = [case.label for case, _ in judged], [found.label for _, found in judged]
        figures = known(
            accuracy=share(case.label == found.label for case, found in judged),
            macro_f1=macro_f1(gold, said),
            accuracy_in_scope=share(case.label == found.label for case, found in scoped) if foreign else None,
            oos_auroc=auroc([_familiar(f, taught) for _, f in scoped], [_familiar(f, taught) for _, f in foreign]),
        )
        by_label = _by_label(gold, said)
        if len(by_label) <= _LABELS_SHOWN:
            for label, (recall, precision) in by_label.items():
                figures |= known(**{f"recall.{label}": recall, f"precision.{label}": precision})
        faults = [
            Fault(case, f"{found.label} ({found.confidence:.2f}) instead of {case.label}")
            for case, found in judged
            if case.label != found.label
        ]
        return Measured(figures, faults, (_confusion(gold, said), _label_table(by_label)))


def _familiar(found: Classification, taught: Mapping[str, Label]) -> float:
    """How surely a text is in scope; from the confidence where the mind says no more."""
    if found.familiarity is not None:
        return found.familiarity
    label = taught.get(found.label)
    return found.confidence if label is None or label.in_scope else -found.confidence


def _taught(rows: Iterable[Row]) -> tuple[Label, ...]:
    """Labels from `{text, label, in_scope?}` and `{label, description}`, in the order of their names."""
    texts: dict[str, list[str]] = defaultdict(list)
    descriptions: dict[str, str] = {}
    foreign: set[str] = set()
    for row in rows:
        label = row.text("label")
        if "text" in row.fields:
            texts[label].append(row.text("text"))
        else:
            descriptions[label] = row.text("description")
        if row.find("in_scope", bool) is False:
            foreign.add(label)
    return tuple(
        Label(name, descriptions.get(name, ""), tuple(texts[name]), in_scope=name not in foreign)
        for name in sorted({*texts, *descriptions})
    )


def _without_fold(labels: Iterable[Label], fold: int) -> tuple[Label, ...]:
    return tuple(replace(label, examples=tuple(t for t in label.examples if _fold(t) != fold)) for label in labels)


def _fold(text: str) -> int:
    """By the text alone, so that adding a sentence moves no other."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % _FOLDS


def _by_label(gold: Sequence[str], said: Sequence[str]) -> dict[str, tuple[Figure | None, Figure | None]]:
    right = Counter(g for g, s in zip(gold, said, strict=True) if g == s)
    asked, answered = Counter(gold), Counter(said)
    return {
        label: (share_of(right[label], asked[label]), share_of(right[label], answered[label]))
        for label in sorted(asked)
    }


def _label_table(by_label: Mapping[str, tuple[Figure | None, Figure | None]]) -> Table:
    rows = [
        (
            label,
            recall.n if recall else 0,
            round(recall.value, 3) if recall else "-",
            round(precision.value, 3) if precision else "-",
        )
        for label, (recall, precision) in by_label.items()
    ]
    return Table("By label", ("label", "cases", "recall", "precision"), tuple(rows))


def _confusion(gold: Sequence[str], said: Sequence[str]) -> Table:
    """The cells of the confusion matrix that are not empty, off the diagonal, the largest first."""
    cells = Counter((g, s) for g, s in zip(gold, said, strict=True) if g != s)
    rows = tuple((g, s, count) for (g, s), count in cells.most_common(_CONFUSIONS_SHOWN))
    return Table("Confusion: what was taken for what", ("label", "taken for", "cases"), rows)
