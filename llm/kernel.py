"""Kernel ridge regression over unit vectors: nearest examples and a linear head in one closed form.

With K(a, b) = exp(gamma * (a.b - 1)) a far example counts little and a near one much. On banking77 with 25 examples a
class: .897, a linear head .847, the nearest example .871, class means .825. With 5,249 examples: .930, and TF-IDF
features of words and characters beside it add nothing (.932 at best). What the model would say about each of its own
examples had it not seen it comes without refitting, and is what confidence is calibrated on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Matrix = np.ndarray

GAMMA = 2.0
RIDGE = 0.1
# Above this single precision: half the memory and time (10,000 examples in 15 s of CPU), the same accuracy.
_MANY = 2_000


@dataclass(frozen=True, slots=True)
class KernelRidge:
    """`left_out`: for the examples numbered `left_out_rows`, the prediction by a model fitted without each."""

    examples: Matrix
    weights: Matrix
    left_out: Matrix
    left_out_rows: Matrix
    gamma: float

    @classmethod
    def fit(
        cls,
        examples: Matrix,
        targets: Matrix,
        *,
        gamma: float = GAMMA,
        ridge: float = RIDGE,
        left_out: int | None = None,
    ) -> KernelRidge:
        """`examples`: n x dims unit vectors; `targets`: n x outputs. At most `left_out` are left out, evenly spread; None: all.

        Each that is left out costs a column of the system.
        """
        count = len(examples)
        precision = np.float32 if count > _MANY else np.float64
        examples, targets = examples.astype(precision), targets.astype(precision)
        system = _kernel(examples @ examples.T, gamma)
        system[np.diag_indices(count)] += ridge
        rows = np.linspace(0, count - 1, count if left_out is None else min(count, left_out)).astype(int)
        # Columns of the inverse come with the solution, of one factorisation.
        columns = np.zeros((count, len(rows)), dtype=precision)
        columns[rows, np.arange(len(rows))] = 1
        solved = np.linalg.solve(system, np.hstack([targets, columns]))
        weights, inverse = solved[:, : targets.shape[1]], solved[rows, targets.shape[1] + np.arange(len(rows))]
        unseen = targets[rows] - weights[rows] / inverse[:, None]
        return cls(examples, np.ascontiguousarray(weights), unseen, rows, gamma)

    def predict(self, vectors: Matrix) -> Matrix:
        return self.predict_from(vectors.astype(self.examples.dtype) @ self.examples.T)

    def predict_from(self, similar: Matrix) -> Matrix:
        """The same from the cosines between the vectors and `examples`."""
        return _kernel(similar, self.gamma) @ self.weights


def _kernel(similar: Matrix, gamma: float) -> Matrix:
    exponents = similar - 1
    exponents *= gamma
    return np.exp(exponents, out=exponents)
