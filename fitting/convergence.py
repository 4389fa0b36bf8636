"""The gate every fit passes or fails: split R-hat, bulk effective sample size, divergences."""

from dataclasses import dataclass

import arviz_stats
import numpy as np
import xarray as xr

MAX_RHAT = 1.01
MIN_ESS_BULK = 400.0


@dataclass(frozen=True)
class Convergence:
    """What the chains say about themselves.

    Parameters
    ----------
    max_rhat : float
        Largest rank-normalised split R-hat over all parameters (Vehtari et al., Bayesian Anal. 16, 667 (2021)).
    min_ess_bulk : float
        Smallest bulk effective sample size.
    divergences : int
        Divergent transitions after warmup.
    worst : str
        Parameter with the smallest effective sample size.
    """

    max_rhat: float
    min_ess_bulk: float
    divergences: int
    worst: str

    @property
    def mixed(self) -> bool:
        """R-hat and effective sample size are within their limits."""
        return self.max_rhat <= MAX_RHAT and self.min_ess_bulk >= MIN_ESS_BULK

    @property
    def converged(self) -> bool:
        """The chains have mixed and none diverged."""
        return self.mixed and self.divergences == 0

    def statement(self) -> str:
        """One line: the verdict and the numbers behind it."""
        numbers = (
            f"largest R-hat {self.max_rhat:.4f} (limit {MAX_RHAT}), smallest bulk ESS {self.min_ess_bulk:.0f}"
            f" ({self.worst}; limit {MIN_ESS_BULK:.0f}), {self.divergences} divergences"
        )
        return f"converged: {numbers}" if self.converged else f"NOT CONVERGED: {numbers}"


def assess(posterior: xr.Dataset, diverging: np.ndarray) -> Convergence:
    """Judge the draws of all parameters.

    Parameters
    ----------
    posterior : Dataset
        Variables with dimensions chain and draw first.
    diverging : array (chain, draw)
    """
    rhat, ess = diagnostics(posterior)
    # NaN (a chain that never moved) must count as the worst, not vanish in a maximum.
    worst_rhat = max(float(np.nan_to_num(rhat[name], nan=np.inf).max()) for name in rhat)
    smallest = {name: float(np.nan_to_num(ess[name], nan=0.0).min()) for name in ess}
    worst = min(smallest, key=lambda name: smallest[name])
    return Convergence(worst_rhat, smallest[worst], int(np.sum(diverging)), str(worst))


def diagnostics(posterior: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """R-hat and bulk effective sample size of every parameter, without the chain and draw dimensions."""
    with np.errstate(
        invalid="ignore", divide="ignore"
    ):  # a chain that never moved: NaN, which `assess` judges
        return arviz_stats.rhat(posterior), arviz_stats.ess(posterior, method="bulk")
