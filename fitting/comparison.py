"""Which model predicts better: leave-one-out cross-validation by Pareto-smoothed importance sampling."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import arviz_stats
import numpy as np
import xarray as xr

from charz.errors import FitError
from charz.fitting.posterior import Posterior

MAX_PARETO_K = 0.7
CONSTANT_BELOW = 1e-6  # nat


@dataclass(frozen=True)
class Loo:
    """Expected log predictive density, left one setting out.

    Parameters
    ----------
    elpd, se : float
        Sum over the settings, in nats, and its standard error.
    p_loo : float
        Effective number of parameters.
    num_settings : int
        Measured settings of all devices.
    num_high_k : int
        Settings with Pareto k above 0.7, whose contribution is not reliable.
    max_k : float
    pointwise : array (setting,)
        Contribution of each setting.
    """

    elpd: float
    se: float
    p_loo: float
    num_settings: int
    num_high_k: int
    max_k: float
    pointwise: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the pointwise terms."""
        return {name: value for name, value in asdict(self).items() if name != "pointwise"}


@dataclass(frozen=True)
class Ranking:
    """One row of a comparison.

    Parameters
    ----------
    name : str
    loo : Loo
    difference, se : float
        How far the model lies below the best one, in nats, and the standard error of that difference, from the
        paired contributions of the settings; both 0 for the best.
    """

    name: str
    loo: Loo
    difference: float
    se: float


def loo(posterior: Posterior) -> Loo:
    """Leave one setting of one device out (Vehtari, Gelman & Gabry, Stat. Comput. 27, 1413 (2017)).

    Far out on a plateau a setting's log likelihood is the same in every draw; leaving it out changes nothing,
    and there is no tail to smooth: it contributes its value as it stands.
    """
    measured = (posterior.tree["constant_data"]["num_trials"] > 0).to_numpy()
    terms = posterior.tree["log_likelihood"]["num_switched"].to_numpy()[..., measured]
    varies = np.ptp(terms, axis=(0, 1)) > CONSTANT_BELOW
    pointwise, pareto_k = terms.mean((0, 1)), np.full(terms.shape[-1], -np.inf)
    if varies.any():
        groups = {
            "posterior": posterior.tree["posterior"].to_dataset(),
            "log_likelihood": xr.Dataset(
                {"num_switched": (("chain", "draw", "observation"), terms[..., varies])}
            ),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # high Pareto k: counted and reported below
            result = arviz_stats.loo(xr.DataTree.from_dict(groups), pointwise=True)
        pointwise[varies], pareto_k[varies] = result.elpd_i, result.pareto_k
    in_sample = np.logaddexp.reduce(terms, axis=(0, 1)) - np.log(terms.shape[0] * terms.shape[1])
    return Loo(
        elpd=float(pointwise.sum()),
        se=float(np.sqrt(pointwise.size * pointwise.var())),
        p_loo=float(in_sample.sum() - pointwise.sum()),
        num_settings=int(pointwise.size),
        num_high_k=int(np.sum(~(pareto_k <= MAX_PARETO_K))),
        max_k=float(np.max(pareto_k)),
        pointwise=pointwise,
    )


def compare(posteriors: Mapping[str, Posterior]) -> list[Ranking]:
    """Rank models fitted to the same data, best first.

    Parameters
    ----------
    posteriors : mapping
        Posterior by the name to be shown.

    Raises
    ------
    FitError
        When there are fewer than two, or they were not fitted to the same counts.
    """
    if len(posteriors) < 2:
        raise FitError("a comparison needs at least two posteriors")
    names = list(posteriors)
    for name in names[1:]:
        if not _same_data(posteriors[names[0]], posteriors[name]):
            raise FitError(f"{names[0]!r} and {name!r} were fitted to different data and cannot be compared")
    results = {name: loo(posterior) for name, posterior in posteriors.items()}
    best = max(results.values(), key=lambda result: result.elpd)
    ranking = []
    for name, result in results.items():
        lost = best.pointwise - result.pointwise
        se = float(np.sqrt(lost.size * lost.var()))
        ranking.append(Ranking(name, result, float(lost.sum()), se))
    return sorted(ranking, key=lambda row: row.difference)


def _same_data(one: Posterior, other: Posterior) -> bool:
    groups = ("observed_data", "constant_data")
    return all(
        one.tree[group].dataset[name].equals(other.tree[group].dataset[name])
        for group, name in zip(
            (*groups, "constant_data"), ("num_switched", "amplitude", "num_trials"), strict=True
        )
    )
