"""Fits on disk: found by all that made them, and harmless where they are missing or broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli.deps import shipped_fits
from core.errors import ConfigurationError
from core.policy import Examples, Policy, Rule
from core.profile import load_intents
from core.settings import load_settings
from llm.embedding import E5, SentenceEmbedder
from llm.fitted import FittedPolicies
from llm.likeness import RuleLikeness, fingerprint, lessons_of
from llm.offline import OfflineMind
from nodes.guardrail import JUDGED, ordinary_examples

EXAMPLES = Examples(
    must_match=("Is there a rebate?", "Do you give discounts?"), must_not_match=("How do I print?", "Can I sync?")
)
RULE = Rule(
    id="discount",
    title="",
    why="",
    stages=("inbound",),
    action="hand_over",
    reason="pricing_inquiry",
    any=("x",),
    examples=EXAMPLES,
)


class Counting(SentenceEmbedder):
    asked = 0

    async def embed(self, texts):
        self.asked += len(texts)
        return await super().embed(texts)


def mind(shipped: Path, own: Path) -> tuple[Counting, OfflineMind]:
    embedder = Counting(E5)
    return embedder, OfflineMind(embedder, None, policies=FittedPolicies(shipped, own))


async def fit(with_mind: OfflineMind, rule: Rule = RULE) -> RuleLikeness:
    found = await with_mind.likeness((rule,), ())
    assert found is not None
    return found


async def test_what_one_start_learned_the_next_one_reads(tmp_path: Path) -> None:
    (first, one), (second, other) = mind(tmp_path / "a", tmp_path / "b"), mind(tmp_path / "b", tmp_path / "c")
    learned, read = await fit(one), await fit(other)
    assert (first.asked, second.asked) == (4, 0)
    assert np.allclose(read.model.examples, learned.model.examples, atol=0.005)
    assert (read.model.weights == learned.model.weights).all()
    assert (read.name, read.texts, read.thresholds.tolist()) == (
        learned.name,
        learned.texts,
        learned.thresholds.tolist(),
    )


async def test_another_lesson_is_another_fit(tmp_path: Path) -> None:
    await fit(mind(tmp_path, tmp_path)[1])
    embedder, other = mind(tmp_path, tmp_path)
    lessons = Examples(must_match=("Cheaper for schools?",))
    await fit(other, RULE.model_copy(update={"lessons": lessons}))
    assert embedder.asked == 5


async def test_a_broken_file_or_a_folder_that_cannot_be_used_costs_time_alone(tmp_path: Path) -> None:
    await fit(mind(tmp_path, tmp_path)[1])
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(b"broken")
    embedder, other = mind(tmp_path, file)
    await fit(other)
    assert embedder.asked == 4


async def test_only_the_named_fits_are_kept_and_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    policies = FittedPolicies(tmp_path, tmp_path)
    stale = tmp_path / "policy-0123.npz"
    stale.write_bytes(b"")
    learned = await fit(mind(tmp_path, tmp_path)[1])
    assert list(policies.keep_only([learned])) == list(tmp_path.glob("*.npz"))
    with pytest.raises(ConfigurationError, match="cannot be written"):
        FittedPolicies(tmp_path, next(tmp_path.glob("*.npz"))).keep_only([learned])


def test_the_fits_that_come_with_the_dossier_are_of_its_present_lessons() -> None:
    """When this fails: `fte policy fit`."""
    settings = load_settings()
    policy = Policy.load(settings.dossier_dir / "policy.yaml", settings.dossier_dir / "profile.yaml")
    intents = load_intents(settings.dossier_dir / "intents.yaml")
    for stage in JUDGED:
        rules = policy.by_meaning(stage)
        lessons = lessons_of(rules, ordinary_examples(stage, policy, intents))
        name = fingerprint(rules, lessons, SentenceEmbedder(E5).model_id)
        assert FittedPolicies(shipped_fits(settings), Path("/nowhere")).find(name, rules, lessons) is not None
