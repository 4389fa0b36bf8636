"""The gate every fit passes or fails: split R-hat, bulk effective sample size, divergences; or Pareto k."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

MAX_RHAT = 1.01
MIN_ESS_BULK = 400.0
MAX_PARETO_K = 0.7
# Importance sampling wastes proposals, but what is left is independent.
MIN_EFFECTIVE_PROPOSALS = 100.0


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
    pareto_k : float, optional
        Of an approximation: shape of the tail of its importance weights; `min_ess_bulk` is then the
        effective number of proposals, and R-hat has no meaning.
    approximation : str
        What the importance weights check, in words.
    """

    max_rhat: float
    min_ess_bulk: float
    divergences: int
    worst: str
    pareto_k: float | None = None
    approximation: str = "Laplace approximation"

    @property
    def mixed(self) -> bool:
        """R-hat and effective sample size (or Pareto k and effective proposals) are within their limits."""
        if self.pareto_k is not None:
            return self.pareto_k <= MAX_PARETO_K and self.min_ess_bulk >= MIN_EFFECTIVE_PROPOSALS
        return self.max_rhat <= MAX_RHAT and self.min_ess_bulk >= MIN_ESS_BULK

    @property
    def converged(self) -> bool:
        """The chains have mixed and none diverged."""
        return self.mixed and self.divergences == 0

    def statement(self) -> str:
        """One line: the verdict and the numbers behind it."""
        if self.pareto_k is not None:
            return self._statement_of_weights()
        numbers = (
            f"largest R-hat {self.max_rhat:.4f} (limit {MAX_RHAT}), smallest bulk ESS {self.min_ess_bulk:.0f}"
            f" ({self.worst}; limit {MIN_ESS_BULK:.0f}), {self.divergences} divergences"
        )
        return f"converged: {numbers}" if self.converged else f"NOT CONVERGED: {numbers}"

    def _statement_of_weights(self) -> str:
        numbers = (
            f"{self.approximation} checked by Pareto-smoothed importance sampling: k {self.pareto_k:.2f}"
            f" (limit {MAX_PARETO_K}), effective proposals {self.min_ess_bulk:.0f}"
            f" (limit {MIN_EFFECTIVE_PROPOSALS:.0f})"
        )
        return f"converged: {numbers}" if self.converged else f"NOT CONVERGED: {numbers} ({self.worst})"


def assess(posterior: xr.Dataset, diverging: np.ndarray) -> Convergence:
    """Judge the draws of all parameters.

    Parameters
    ----------
    posterior : Dataset
        Variables with dimensions chain and draw first.
    diverging : array (chain, draw)
    """
    # A value that no draw changes is a constant of the model (a chain that is stuck differs from the others).
    constant = [name for name, values in posterior.items() if np.ptp(values.to_numpy()) == 0]
    rhat, ess = diagnostics(posterior.drop_vars(constant))
    # NaN (a chain that never moved) must count as the worst, not vanish in a maximum.
    worst_rhat = max(float(np.nan_to_num(rhat[name], nan=np.inf).max()) for name in rhat)
    smallest = {name: float(np.nan_to_num(ess[name], nan=0.0).min()) for name in ess}
    worst = min(smallest, key=lambda name: smallest[name])
    return Convergence(worst_rhat, smallest[worst], int(np.sum(diverging)), str(worst))


def diagnostics(posterior: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """R-hat and bulk effective sample size of every parameter, without the chain and draw dimensions."""
    import arviz_stats  # takes as long as all other imports of a fit, and is needed after the draws

    with np.errstate(
        invalid="ignore", divide="ignore"
    ):  # a chain that never moved: NaN, which `assess` judges
        return arviz_stats.rhat(posterior), arviz_stats.ess(posterior, method="bulk")
