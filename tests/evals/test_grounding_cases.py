"""The grounding rules against sentences that a machine made false, from the dossier and from real help centres."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from core.grounding.check import check
from core.models import ReplySentence
from core.settings import PROJECT_ROOT
from evals.grounding_cases import GroundingFigures, judge_cases, make_cases, passages_of

DATA = PROJECT_ROOT.parent / "shared" / "data"
# What the rules claim to cover; `harder_*` kinds are measured and not claimed.
CLAIMED = ("number", "unit", "code", "negated", "opposite", "modality", "entity", "addition", "wrong_passage")
PARAPHRASES = ("para_lead", "para_written_out", "para_synonym", "para_number_words", "para_shortened")


def measured(folder: Path, most_sentences: int) -> GroundingFigures:
    return judge_cases(make_cases(passages_of(folder), most_sentences=most_sentences))


def share(figures: GroundingFigures, kinds: tuple[str, ...]) -> float:
    taken, count = Counter(), Counter()
    for kind in kinds:
        taken[kind], count[kind] = figures.taken.get(kind, (0, 0))
    return taken.total() / count.total()


def test_the_same_seed_makes_the_same_cases() -> None:
    passages = passages_of(PROJECT_ROOT / "dossier" / "docs" / "api")
    assert make_cases(passages, most_sentences=20) == make_cases(passages, most_sentences=20)


def test_of_the_dossier_less_than_one_in_a_hundred_is_let_through_and_hardly_a_true_sentence_refused() -> None:
    figures = measured(PROJECT_ROOT / "dossier" / "docs", 200)
    assert figures.taken["verbatim"] == (200, 200)
    assert share(figures, CLAIMED) < 0.01
    assert share(figures, PARAPHRASES) > 0.98


@pytest.mark.parametrize("articles", ["kb_arduino", "kb_polar", "kb_techqa"])
def test_of_a_help_centre_that_nobody_tuned_a_word_for_neither(articles: str) -> None:
    file = DATA / articles / "common" / "articles.jsonl"
    if not file.is_file():
        pytest.skip(f"the help centre {file} is not beside the project")
    figures = measured(file, 100)
    assert share(figures, CLAIMED) < 0.01
    assert share(figures, PARAPHRASES) > 0.98


def test_of_free_wording_most_is_taken_and_what_says_more_is_not() -> None:
    """Sentences as a model words them, of passages of the dossier; two of them add something of their own."""
    passages = passages_of(PROJECT_ROOT / "dossier" / "docs")
    taken = Counter[bool]()
    for line in (PROJECT_ROOT / "tests" / "data" / "free_wording.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        cited = [p for p in passages if p.slug == row["slug"] and row["passage_says"] in p.text]
        sentence = ReplySentence(row["sentence"], tuple(p.id for p in cited))
        [verdict] = check([sentence], {p.id: p for p in cited}, names=("Tallyroot",))
        taken[row["true"]] += verdict.supported
    assert taken[False] == 0
    assert taken[True] >= 28
