"""What chance alone does: limits for many devices at once, and for values that pile up."""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z = 3.0
# Probability that a normal number lies beyond three standard errors on either side: 0.0027.
TAIL = 2 * (1 - NormalDist().cdf(Z))


def beyond_chance(z: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Rows that are further out than chance explains.

    Three standard errors are exceeded by chance in 0.27 % of the rows, so of many devices some exceed them
    anyway. Rows beyond 3 are flagged only when the farthest one is beyond the limit of the largest of n
    normal numbers (Šidák), or more rows are beyond 3 than a binomial count allows; each at 0.27 % for the
    whole dataset.

    Parameters
    ----------
    z : array, shape (rows,)
        In standard errors; NaN where a row cannot tell.

    Returns
    -------
    array of bool, shape (rows,)
        All False where chance suffices.
    """
    size = np.abs(np.nan_to_num(z, nan=0.0))
    number = int(np.isfinite(z).sum())
    flagged = size > Z
    if not flagged.any():
        return flagged
    limit = NormalDist().inv_cdf(1 - TAIL / 2 / number)
    many = binomial_tail(flagged.sum(), number, TAIL) < TAIL
    return flagged if size.max() > limit or many else np.zeros_like(flagged)


def binomial_tail(
    seen: NDArray[Any], number: NDArray[Any] | int, probability: NDArray[Any] | float
) -> NDArray:
    r"""Upper bound on the probability of `seen` or more successes (Chernoff, Ann. Math. Stat. 23, 493 (1952)).

    .. math:: P(X \ge k) \le \exp\left(-n D(k/n \,\|\, p)\right),\quad k/n > p

    with the relative entropy D of two Bernoulli distributions; 1 where k/n ≤ p.
    """
    number = np.maximum(np.asarray(number, dtype=np.float64), 1.0)
    share = np.clip(np.asarray(seen, dtype=np.float64) / number, 0.0, 1.0)
    rest = 1.0 - share
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.where(share > 0, share * np.log(share / probability), 0.0) + np.where(
            rest > 0, rest * np.log(rest / (1.0 - np.asarray(probability))), 0.0
        )
    return np.where(share > probability, np.exp(-number * entropy), 1.0)


def inflation(correlation: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    r"""How many times larger the variance of a mean is than without serial correlation: (1 + r)/(1 - r).

    Exact for a first-order autoregressive series that is long against its correlation time. Bounded at
    r = 0.9999.
    """
    r = np.clip(correlation, -0.9999, 0.9999)
    return (1.0 + r) / (1.0 - r)
