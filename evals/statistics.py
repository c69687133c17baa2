"""Figures with their count and their 95 % interval: Wilson for shares, a bootstrap of fixed seed for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import comb, sqrt
from typing import Any, Final

import numpy as np

Z: Final = 1.96
RESAMPLES: Final = 1000
SEED: Final = 20_261_125

Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, over how many cases, and the ends of its 95 % interval."""

    value: float
    n: int
    lo: float
    hi: float


def share(truths: Iterable[bool]) -> Figure | None:
    """How many are true; None where nothing was asked, for that is not 0 %."""
    listed = list(truths)
    return share_of(sum(listed), len(listed))


def share_of(passed: int, count: int) -> Figure | None:
    return Figure(passed / count, count, *wilson(passed, count)) if count else None


def wilson(passed: int, count: int, z: float = Z) -> tuple[float, float]:
    """The interval of a share (Wilson score)."""
    if count == 0:
        return 0.0, 1.0
    centre = passed / count + z * z / (2 * count)
    spread = z * sqrt(passed / count * (1 - passed / count) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def mean(values: Iterable[float]) -> Figure | None:
    listed = np.fromiter(values, dtype=float)
    return _bootstrap(lambda sample: float(sample.mean()), listed) if len(listed) else None


def correlation(one: Sequence[float], other: Sequence[float]) -> Figure | None:
    """Pearson's r; None where one side never varies."""
    pairs = np.column_stack([one, other]) if len(one) else np.empty((0, 2))
    return _bootstrap(_pearson, pairs) if len(pairs) > 2 and not np.isnan(_pearson(pairs)) else None


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> Figure | None:
    """The mean of the F1 of every label that is among the gold ones."""
    if not gold:
        return None
    names = {name: number for number, name in enumerate(sorted({*gold, *predicted}))}
    numbers = np.array([[names[g], names[p]] for g, p in zip(gold, predicted, strict=True)])
    return _bootstrap(lambda sample: _macro_f1(sample, len(names)), numbers)


def auroc(high: Sequence[float], low: Sequence[float]) -> Figure | None:
    """The chance that one of `high` scores above one of `low`; ties count half."""
    if not high or not low:
        return None
    rows = np.column_stack([[*high, *low], [1.0] * len(high) + [0.0] * len(low)])
    return _bootstrap(_auroc, rows)


def pass_hat(successes: Sequence[int], trials: int, k: int) -> Figure | None:
    """pass^k: the chance that k trials of a case, drawn from those that were made, all succeed; the mean over cases."""
    if not 0 < k <= trials:
        raise ValueError(f"k must be between 1 and the {trials} trials")
    return mean(comb(passed, k) / comb(trials, k) for passed in successes)


def mcnemar(won: int, lost: int) -> float:
    """The exact two-sided p of two methods on the same cases: `won` and `lost` are those where just one was right."""
    count = won + lost
    tail = sum(comb(count, k) for k in range(min(won, lost) + 1)) / 2**count
    return min(1.0, 2 * tail)


def _bootstrap(statistic: Callable[[Numbers], float], rows: Numbers) -> Figure:
    """The statistic of the rows, and its percentiles over samples drawn from them with replacement."""
    random = np.random.default_rng(SEED)
    samples = (statistic(rows[random.integers(0, len(rows), len(rows))]) for _ in range(RESAMPLES))
    drawn = [value for value in samples if not np.isnan(value)]
    value = statistic(rows)
    lo, hi = np.percentile(drawn, [2.5, 97.5]) if drawn else (value, value)
    return Figure(value, len(rows), float(lo), float(hi))


def _pearson(pairs: Numbers) -> float:
    if (pairs == pairs[0]).all(axis=0).any():
        return float("nan")
    return float(np.corrcoef(pairs, rowvar=False)[0, 1])


def _macro_f1(numbers: Numbers, labels: int) -> float:
    confusion = np.bincount(numbers[:, 0] * labels + numbers[:, 1], minlength=labels * labels).reshape(labels, labels)
    right, asked, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    among_gold = asked > 0
    return float((2 * right[among_gold] / (asked + said)[among_gold]).mean())


def _auroc(rows: Numbers) -> float:
    """By the sum of ranks, in n log n."""
    scores, positive = rows[:, 0], rows[:, 1] > 0
    high, low = int(positive.sum()), int((~positive).sum())
    if not high or not low:
        return float("nan")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[positive].sum() - high * (high + 1) / 2) / (high * low))
