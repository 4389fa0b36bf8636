"""Makes the table of `charz.devices.macrospin_table` from the Fokker-Planck equation.

Run it after any change of the solver or of the axes::

    python -m charz.devices.make_macrospin_table charz/devices/macrospin_table.npz
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charz.devices.fokker_planck import distributions
from charz.devices.macrospin_table import X_SCALE, Axis, Table

# First node, last node, number of nodes; Δ reaches beyond 10 to 200 by the margin in which it comes to rest.
_AXES = {"log_stability": (np.log(9.5), np.log(210.5), 10), "q": (-1.05, 3.22, 48), "w": (-4.0, 6.0, 76)}
# Probabilities of no interest are lifted to this, so that ln(-ln(1-P)) stays smooth where they are rounding.
_TAIL = 1e-10


def make_table() -> Table:
    """Solve the Fokker-Planck equation at every node (about a minute) and fit the splines."""
    axes = {
        name: Axis(float(first), float((last - first) / (num - 1)), num)
        for name, (first, last, num) in _AXES.items()
    }
    w = axes["w"].nodes
    values = np.array(
        [
            [_solved(np.exp(log_stability), X_SCALE * np.sinh(q), w) for q in axes["q"].nodes]
            for log_stability in axes["log_stability"].nodes
        ]
    )
    for axis in range(3):
        values = np.moveaxis(np.tensordot(_fit_matrix(values.shape[axis]), values, (1, axis)), 0, axis)
    # Where P is rounding, splines through the values waver; coefficients that never fall give one that never does.
    for axis in (1, 2):
        values = np.maximum.accumulate(values, axis=axis)
    return Table(values.astype(np.float32), **axes)


def write_table(table: Table, path: Path) -> None:
    """Write a table as NumPy arrays, without pickles."""
    axes = {"log_stability": table.log_stability, "q": table.q, "w": table.w}
    rows = {name: np.array((axis.first, axis.step, axis.num)) for name, axis in axes.items()}
    np.savez_compressed(path, allow_pickle=False, coefficients=table.coefficients, **rows)


def _solved(stability: float, x: float, w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute ln(-ln(1-P)) at the times of `w`; 1 - P is summed by itself, which keeps its digits."""
    root = np.sqrt(stability)
    masses = distributions(stability, 1 + x / root, np.exp(w) * root)
    half = masses.shape[1] // 2
    switched, kept = masses[:, half:].sum(axis=1), masses[:, :half].sum(axis=1)
    hazard = np.where(
        switched < 0.5, -np.log1p(-np.minimum(switched, 0.5)), -np.log(np.maximum(kept, 0) + _TAIL)
    )
    return np.log(np.maximum(hazard, 0) + _TAIL)


def _fit_matrix(num: int) -> NDArray[np.float64]:
    """From values at the nodes to the spline's coefficients; the end cells are quadratic."""
    equations = np.zeros((num + 2, num + 2))
    inner = np.arange(num)
    for shift, weight in enumerate((1 / 6, 4 / 6, 1 / 6)):
        equations[inner + 1, inner + shift] = weight
    equations[0, :4] = equations[-1, -4:] = (-1, 3, -3, 1)
    return np.asarray(np.linalg.inv(equations)[:, 1:-1])


if __name__ == "__main__":
    write_table(make_table(), Path(sys.argv[1]))
