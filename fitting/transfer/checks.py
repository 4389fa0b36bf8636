"""What tells records of a material apart from those of a model: structure that is left in the residuals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charz.fitting.contract import Discrepancy, Model, Observations
from charz.fitting.transfer.models import expected_current
from charz.fitting.transfer.record import record_of

# Singular values of the quadratic terms below this share of the largest repeat other terms.
NOTHING = 1e-6
# With fewer samples left than this beside the quadratic terms, they would describe anything.
MIN_FREE = 5


@dataclass(frozen=True)
class Situation:
    """Residuals under each draw.

    Parameters
    ----------
    residual : array (draw, sample)
        In units of the draw's noise.
    expected : array (draw, sample)
        Mean current, in A.
    voltage : array (sample, electrode)
        In shares of the ranges.
    """

    residual: np.ndarray
    expected: np.ndarray
    voltage: np.ndarray

    @cached_property
    def curvature_basis(self) -> np.ndarray:
        """Orthonormal squares and products of the voltages that no linear response explains: (sample, term).

        At most a quarter as many as samples: with many electrodes the strongest combinations.
        """
        return curvature_basis(self.voltage)


def curvature_basis(voltage: np.ndarray) -> np.ndarray:
    """See `Situation.curvature_basis`."""
    first, second = np.triu_indices(voltage.shape[1])
    linear = np.linalg.svd(np.column_stack([np.ones(len(voltage)), voltage]), full_matrices=False)
    basis = linear[0][:, linear[1] > NOTHING * linear[1][0]]
    terms = voltage[:, first] * voltage[:, second]
    terms = terms - basis @ (basis.T @ terms)
    left, values, _ = np.linalg.svd(terms, full_matrices=False)
    most = max(len(voltage) // 4, 1)
    return left[:, values > NOTHING * max(values.max(initial=0.0), 1.0)][:, :most]


def situation(
    model: Model,
    data: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    observations: Observations,
) -> Situation:
    """Residuals of measured (1, 1, sample) or replicated (draw, 1, sample) currents under draws."""
    del model
    record = record_of(observations)
    expected = expected_current(values, observations)
    residual = (data["current"] - expected) / values["noise"][..., None]
    return Situation(residual[:, 0], expected[:, 0], record.scaled(record.voltage))


def _centred(residual: np.ndarray) -> np.ndarray:
    return residual - residual.mean(-1, keepdims=True)


def _serial(situation: Situation) -> np.ndarray:
    residual = _centred(situation.residual)
    return (residual[:, 1:] * residual[:, :-1]).sum(1) / (residual**2).sum(1)


def _curvature(situation: Situation) -> np.ndarray:
    along = situation.residual @ situation.curvature_basis
    return (along**2).sum(1) / (situation.residual**2).sum(1)


def _tails(situation: Situation) -> np.ndarray:
    residual = _centred(situation.residual)
    return (residual**4).mean(1) / (residual**2).mean(1) ** 2


def _largest(situation: Situation) -> np.ndarray:
    return np.abs(situation.residual).max(1)


def _dispersion(situation: Situation) -> np.ndarray:
    """Correlation of the residuals' size with the size of the current."""
    size = _centred(np.abs(situation.residual))
    current = _centred(np.abs(_centred(situation.expected)))
    return (size * current).sum(1) / np.sqrt((size**2).sum(1) * np.maximum((current**2).sum(1), 1e-300))


def _enough(observations: Observations) -> bool:
    record = record_of(observations)
    basis = curvature_basis(record.scaled(record.voltage))
    return 0 < basis.shape[1] <= len(record.current) - MIN_FREE


DISCREPANCIES = (
    Discrepancy("lag-1 correlation", "residuals of consecutive samples that run together", _serial),
    Discrepancy(
        "nonlinearity",
        "share of the residuals explained by squares and products of voltages",
        _curvature,
        _enough,
    ),
    Discrepancy("tails", "kurtosis of the residuals", _tails),
    Discrepancy("largest residual", "the sample that fits worst, in units of the noise", _largest),
    Discrepancy("dispersion", "noise that grows with the current", _dispersion),
)
