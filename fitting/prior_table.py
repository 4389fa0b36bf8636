"""The priors in force for a dataset, and a table that says on the natural scale what they expect."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from charz.errors import FitError
from charz.fitting.contract import Observations
from charz.fitting.population import POOLS, default_priors
from charz.fitting.prior_sites import Site
from charz.fitting.priors import Prior
from charz.fitting.registry import find_model, require_suitable
from charz.fitting.run import default_pool

LARGEST_BELOW_ONE = 1 - np.finfo(float).epsneg


def priors_for(dataset: xr.Dataset, model: str, pool: str | None = None) -> dict[str, Prior]:
    """Default priors of a model for a dataset, to look at or to change before a fit.

    Parameters
    ----------
    dataset : Dataset
    model : str
        Name in `charz.fitting.MODELS`.
    pool : {"hierarchical", "complete", "none"}, optional
        As in `charz.fitting.fit`.

    Returns
    -------
    dict
        Of each typical value by linked name; for a hierarchical fit of each spread by ``{linked}_sd``.

    Raises
    ------
    FitError
        For an unknown model or pool, a model of another kind, or data that cannot answer.

    Examples
    --------
    >>> priors = priors_for(dataset, "logistic")  # doctest: +SKIP
    >>> fit(dataset, "logistic", key=key, priors={"location": Prior("normal", (1.6, 0.1), "V")})  # doctest: +SKIP
    """
    observations, pool = observed_with_pool(dataset, model, pool)
    return default_priors(find_model(model), observations, pool)


def observed_with_pool(dataset: xr.Dataset, model: str, pool: str | None) -> tuple[Observations, str]:
    """Read a dataset as `fit` would, with the pooling that it would choose.

    Raises
    ------
    FitError
        As `priors_for`.
    """
    family = require_suitable(model, dataset)
    if pool is not None and pool not in POOLS:
        raise FitError(f"pool {pool!r} is not known; choose one of {', '.join(POOLS)}")
    observations = family.observe(dataset)
    if family.infer is not None:
        if pool not in (None, "complete"):
            raise FitError(
                f"pool is {pool!r}; {family.experiment!r} data are of one device, for which there is only 'complete'"
            )
        return observations, "complete"
    pool = pool or default_pool(len(observations.devices), family.min_devices)
    # A model may read settings that these data lack: said here as a fit would say it.
    family.require_information(observations, find_model(model), pool)
    return observations, pool


def quantiles_of(prior: Prior, probabilities: tuple[float, ...]) -> NDArray[np.float64]:
    """Quantiles of a prior on the scale of its variable."""
    below = np.asarray(probabilities)
    if prior.family == "half-normal":
        return np.asarray(prior.constants[0] * ndtri((1 + below) / 2))
    if prior.family == "normal":
        mean, sd = prior.constants
        return np.asarray(mean + sd * ndtri(below))
    share = np.clip(betaincinv(*prior.constants, below), np.finfo(float).tiny, LARGEST_BELOW_ONE)
    return np.log(share) - np.log1p(-share)


def prior_table(priors: Mapping[str, Prior], sites: Mapping[str, Site]) -> list[dict[str, Any]]:
    """Rows of a table of priors.

    Returns
    -------
    list of dict
        ``name``, ``meaning``, ``distribution`` (on the scale of the prior's variable, unit ``scale_unit``), and its
        quantiles ``q05``, ``q50``, ``q95`` on the natural scale in ``unit``.
    """
    rows: list[dict[str, Any]] = []
    for name, site in sites.items():
        low, middle, high = np.sort(site.natural(quantiles_of(priors[name], (0.05, 0.5, 0.95)))).tolist()
        rows.append(
            {
                "name": name,
                "meaning": site.meaning,
                "distribution": priors[name].describe(),
                "scale_unit": site.scale_unit,
                "q05": low,
                "q50": middle,
                "q95": high,
                "unit": site.natural_unit,
            }
        )
    return rows
