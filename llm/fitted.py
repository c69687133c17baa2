"""Fits of the policy on disk: thousands of sentences are embedded once, by whoever changed them, and not at every first start."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from core.errors import ConfigurationError
from core.policy import Rule
from llm.kernel import GAMMA, KernelRidge, Matrix
from llm.likeness import Lesson, RuleLikeness, joined
from llm.spelling import DIMS

_STEPS = 127


@dataclass(frozen=True, slots=True)
class FittedPolicies:
    """`shipped` comes with the dossier and is only read; what is not there is kept in `own`. A fit is named by all that made it."""

    shipped: Path
    own: Path

    def find(self, name: str, rules: Sequence[Rule], lessons: Sequence[Lesson]) -> RuleLikeness | None:
        for folder in (self.shipped, self.own):
            # A file that is missing or broken costs the time of a fit and nothing else.
            with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(_path(folder, name)) as kept:
                return _revived(name, kept, rules, [lesson.text for lesson in lessons])
        return None

    def keep(self, fit: RuleLikeness) -> None:
        with suppress(OSError):
            _write(self.own, fit)

    def keep_only(self, fits: Sequence[RuleLikeness]) -> dict[Path, RuleLikeness]:
        """Where these are kept, now that all others are gone. Raises ConfigurationError where nothing can be written."""
        try:
            kept = {_write(self.own, fit): fit for fit in fits}
            for stale in set(self.own.glob("policy-*.npz")) - kept.keys():
                stale.unlink()
        except OSError as error:
            raise ConfigurationError(f"{self.own} cannot be written to: {error}") from error
        return kept


def _write(folder: Path, fit: RuleLikeness) -> Path:
    """Whole or not at all: two processes may write the same file. Texts and spelling are not in it, the policy has them."""
    folder.mkdir(parents=True, exist_ok=True)
    meaning = fit.model.examples[:, :-DIMS]
    scales = np.abs(meaning).max(axis=1)
    rounded = np.round(meaning / scales[:, None] * _STEPS).astype(np.int8)
    half = folder / f".{fit.name}.{os.getpid()}"
    with half.open("wb") as file:
        np.savez_compressed(file, meaning=rounded, scales=scales, weights=fit.model.weights, thresholds=fit.thresholds)
    return half.replace(_path(folder, fit.name))


def _revived(name: str, kept: Mapping[str, Matrix], rules: Sequence[Rule], texts: Sequence[str]) -> RuleLikeness:
    meaning = kept["meaning"].astype(np.float32) * kept["scales"][:, None] / _STEPS
    if meaning.shape[0] != len(texts):
        raise ValueError("the file does not hold a vector for every lesson")
    none = np.zeros((0, len(rules)))
    model = KernelRidge(joined(meaning, texts), kept["weights"], none, none, GAMMA)
    return RuleLikeness(name, tuple(rule.id for rule in rules), tuple(texts), model, kept["thresholds"])


def _path(folder: Path, name: str) -> Path:
    return folder / f"policy-{name}.npz"
