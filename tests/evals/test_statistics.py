"""Figures against values that others computed."""

from __future__ import annotations

import pytest

from evals.statistics import auroc, correlation, macro_f1, mean, pass_hat, share, share_of, wilson


@pytest.mark.parametrize(
    ("passed", "count", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table 1, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_the_interval_of_a_share_is_wilsons(passed: int, count: int, low: float, high: float) -> None:
    assert wilson(passed, count) == pytest.approx((low, high), abs=2e-4)


def test_of_nothing_there_is_no_figure_instead_of_a_zero() -> None:
    assert share([]) is share_of(0, 0) is mean([]) is correlation([], []) is macro_f1([], []) is None
    assert auroc([], [0.5]) is auroc([0.5], []) is None


def test_a_share_knows_of_how_many() -> None:
    figure = share([True, True, False, True])
    assert figure is not None
    assert (figure.value, figure.n) == (0.75, 4)


def test_macro_f1_counts_every_gold_label_alike() -> None:
    # a: P 2/3 R 1 F1 .8; b: P 1 R 1/2 F1 2/3; c is never said: 0. "x" is said and never gold: it costs recall alone.
    figure = macro_f1(["a", "a", "b", "b", "c"], ["a", "a", "a", "b", "x"])
    assert figure is not None
    assert figure.value == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    assert figure.n == 5


def test_auroc_is_the_chance_to_be_ordered_rightly_and_ties_count_half() -> None:
    figure = auroc([0.9, 0.4], [0.4, 0.1])
    assert figure is not None
    assert figure.value == pytest.approx((2 + 1 + 0.5) / 4)


def test_correlation_is_pearsons() -> None:
    figure = correlation([1, 2, 3, 4], [1, 3, 2, 5])
    assert figure is not None
    assert figure.value == pytest.approx(0.8315, abs=1e-4)
    assert correlation([1, 2, 3], [5, 5, 5]) is None


def test_an_interval_holds_its_value_and_is_the_same_on_every_run() -> None:
    once, again = (mean(float(n % 7) for n in range(200)) for _ in range(2))
    assert once is not None
    assert once == again
    assert once.lo < once.value < once.hi


def test_pass_hat_k_asks_that_all_of_k_trials_pass() -> None:
    # Of 4 trials 4, 2 and 0 passed: pass^2 = (1 + 1/6 + 0) / 3.
    figure = pass_hat([4, 2, 0], trials=4, k=2)
    assert figure is not None
    assert figure.value == pytest.approx((1 + 1 / 6) / 3)
    with pytest.raises(ValueError, match="between 1 and the 4 trials"):
        pass_hat([1], trials=4, k=5)
