r"""Shape k of the tail of many sets of importance ratios at once.

The largest ratios of each set are taken for draws of a generalised Pareto distribution, whose shape is estimated as in
Pareto-smoothed importance sampling (Vehtari, Simpson, Gelman, Yao & Gabry, J. Mach. Learn. Res. 25, 72 (2024), with the
estimator of Zhang & Stephens, Technometrics 51, 316 (2009)). One set at a time, as ArviZ does it, twenty thousand
devices would take longer than their fit.
"""

import numpy as np

# The weakly informative prior of k: ten observations at 0.5.
PRIOR_WEIGHT, PRIOR_SHAPE = 10.0, 0.5
PRIOR_PLACES = 3.0
LEAST_TAIL = 5
ROWS_PER_PASS = 512


def pareto_shapes(log_ratios: np.ndarray) -> np.ndarray:
    """Estimate k of every row.

    Parameters
    ----------
    log_ratios : array (set, draw)
        Logarithms of importance ratios; -inf for ratios of 0.

    Returns
    -------
    array (set,)
        Infinite where a ratio is NaN or infinite; -inf where all ratios of the tail are equal, so that there is none.
    """
    rows = [log_ratios[start : start + ROWS_PER_PASS] for start in range(0, len(log_ratios), ROWS_PER_PASS)]
    return np.concatenate([_shapes(part) for part in rows])


def _shapes(log_ratios: np.ndarray) -> np.ndarray:
    number = log_ratios.shape[1]
    length = int(np.ceil(min(0.2 * number, 3 * np.sqrt(number))))
    if length < LEAST_TAIL:
        return np.full(len(log_ratios), np.inf)
    spoilt = np.asarray(~(log_ratios < np.inf).all(1))
    top = log_ratios.max(1, keepdims=True)
    ordered = np.partition(np.where(spoilt[:, None], 0.0, log_ratios), number - length - 1, axis=1)
    relative = np.exp(
        np.maximum(ordered[:, number - length - 1 :] - np.where(spoilt[:, None], 0.0, top), -700.0)
    )
    excess = np.sort(relative[:, 1:] - relative[:, :1].clip(0), axis=1)
    flat = excess[:, -1] <= np.finfo(float).eps * 10
    shapes = _generalised_pareto(
        np.where(flat[:, None], np.arange(1.0, length + 1), np.maximum(excess, 1e-300))
    )
    return np.where(spoilt, np.inf, np.where(flat, -np.inf, shapes))


def _generalised_pareto(ordered: np.ndarray) -> np.ndarray:
    """Estimate of Zhang & Stephens with the prior of Vehtari et al., rows of increasing positive excesses."""
    length = ordered.shape[1]
    places = 30 + int(np.sqrt(length))
    quartile = ordered[:, int(length / 4 + 0.5) - 1][:, None]
    grid = 1 - np.sqrt(places / (np.arange(1, places + 1) - 0.5))
    theta = grid / PRIOR_PLACES / quartile + 1 / ordered[:, -1:]
    shape = np.stack([np.log1p(-column[:, None] * ordered).mean(1) for column in theta.T], axis=1)
    height = length * (np.log(-theta / shape) - shape - 1)
    weight = np.exp(height - height.max(1, keepdims=True))
    centre = (theta * weight).sum(1) / weight.sum(1)
    k = np.log1p(-centre[:, None] * ordered).mean(1)
    return (length * k + PRIOR_WEIGHT * PRIOR_SHAPE) / (length + PRIOR_WEIGHT)
