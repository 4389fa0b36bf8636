"""Importance weights whose tail is smoothed by a generalised Pareto distribution, and what its shape k says of them.

ArviZ smooths. It takes as long to import as all the rest of a fit, and is needed after the draws: it is imported late.
"""

from typing import NamedTuple

import numpy as np

# Ratios below e^-700 of the largest are as good as none, and their logarithms stay finite.
LEAST_LOG_RATIO = -700.0


class Smoothed(NamedTuple):
    """Normalised weights of one set of proposals.

    Parameters
    ----------
    log_weights : array (proposal,)
        Of sum 1.
    pareto_k : float
        Shape of the tail; infinite where there is none to be smoothed.
    effective : float
        Effective number of proposals, 1/Σw²; 0 where no ratio is finite.
    """

    log_weights: np.ndarray
    pareto_k: float
    effective: float


def pareto_smoothed(log_ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth the tail (Vehtari et al., J. Mach. Learn. Res. 25, 1 (2024)).

    Parameters
    ----------
    log_ratios : array (..., proposal)
        In nats.

    Returns
    -------
    log_weights : array (..., proposal)
        Up to a constant.
    pareto_k : array (...)
    """
    from arviz_stats.base import array_stats

    # Where all but a few ratios underflow there is no tail to smooth, and k is not a number.
    with np.errstate(all="ignore"):
        log_weights, pareto_k = array_stats.psislw(-log_ratios)
    return np.asarray(log_weights), np.asarray(pareto_k)


def smoothed_weights(log_ratios: np.ndarray) -> Smoothed:
    """Smooth and normalise one set of log ratios (proposal,), of which some may be no number."""
    finite = np.where(np.isfinite(log_ratios), log_ratios, -np.inf)
    if not np.isfinite(finite).any():
        return Smoothed(np.full(len(finite), -np.log(len(finite))), np.inf, 0.0)
    raw = np.maximum(finite - finite.max(), LEAST_LOG_RATIO)
    smooth, k = pareto_smoothed(raw)
    if not (np.isfinite(k) and np.isfinite(smooth).all()):
        smooth, k = raw, np.asarray(np.inf)
    smooth = smooth - np.logaddexp.reduce(smooth)
    return Smoothed(smooth, float(k), float(1 / np.exp(2 * smooth).sum()))
