"""Which model predicts better: leave-one-out cross-validation by Pareto-smoothed importance sampling."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

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
        Sum over the observations, in nats, and its standard error.
    p_loo : float
        Effective number of parameters.
    num_observations : int
        Measured outcomes of all devices (settings, thresholds, samples, or blocks of a long record).
    num_high_k : int
        Observations with Pareto k above 0.7, whose contribution is not reliable.
    max_k : float
    pointwise : array (observation,)
        Contribution of each observation.
    """

    elpd: float
    se: float
    p_loo: float
    num_observations: int
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
    group = posterior.tree["log_likelihood"].to_dataset()
    terms = next(iter(group.values())).to_numpy()
    terms = terms.reshape(*terms.shape[:2], -1)
    terms = terms[..., np.isfinite(terms).all((0, 1))]
    varies = np.ptp(terms, axis=(0, 1)) > CONSTANT_BELOW
    pointwise, pareto_k = terms.mean((0, 1)), np.full(terms.shape[-1], -np.inf)
    if varies.any():
        import arviz_stats  # takes long, and most commands never get here

        groups = {
            "posterior": posterior.tree["posterior"].to_dataset().sel(draw=group["draw"]),
            "log_likelihood": xr.Dataset({"outcome": (("chain", "draw", "observation"), terms[..., varies])}),
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
        num_observations=int(pointwise.size),
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
    """Same outcomes at the same places; settings that only one of the models reads may differ."""
    first, second = (p.tree["observed_data"].to_dataset() for p in (one, other))
    if set(first) != set(second) or first.sizes != second.sizes:
        return False
    terms = [next(iter(p.tree["log_likelihood"].to_dataset().values())) for p in (one, other)]
    places = [np.isfinite(t.to_numpy()).all((0, 1)) for t in terms]
    settings = [p.tree["constant_data"].to_dataset() for p in (one, other)]
    shared = [n for n in settings[0] if n in settings[1] and not str(n).startswith("centring_")]
    return (
        np.array_equal(*places)
        and all(first[name].equals(second[name]) for name in first)
        and all(settings[0][name].equals(settings[1][name]) for name in shared)
    )
