"""`fit`: from a dataset to a posterior."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.errors import FitError
from charz.fitting.inference import STEPS_PER_CALL
from charz.fitting.models import find_model
from charz.fitting.observations import MIN_DEVICES_IN_POPULATION, require_information, switching_counts
from charz.fitting.population import POOLS
from charz.fitting.posterior import INTERVAL, Posterior
from charz.fitting.predictive import log_likelihood, prior_draws, replicates
from charz.fitting.priors import Prior, default_priors, priors_to_json, with_overrides
from charz.fitting.progress import shown_progress
from charz.fitting.pulse import generator_from
from charz.fitting.sampling import Draws, Plan, prepare, sample
from charz.fitting.tree import build_tree
from charz.provenance import provenance

NUM_PRIOR_DRAWS = 500
# Replicated counts are kept for all draws up to this many numbers, beyond it for evenly spaced draws.
MAX_REPLICATED_NUMBERS = 5_000_000
MIN_REPLICATED_DRAWS = 100
CARRIED_ATTRS = ("source_file", "source_sha256", "device_family", "temperature", "instrument", "simulated")


def default_pool(num_devices: int) -> str:
    """``hierarchical`` where there are devices enough to learn their spread, else ``complete``."""
    return "hierarchical" if num_devices >= MIN_DEVICES_IN_POPULATION else "complete"


def fit(
    dataset: xr.Dataset,
    model: str = "logistic",
    *,
    key: PRNGKeyArray,
    pool: str = "hierarchical",
    draws: int = 1000,
    warmup: int = 500,
    chains: int = 4,
    progress: bool | Callable[[int], None] = False,
    priors: Mapping[str, Prior] | None = None,
) -> Posterior:
    """Fit a model to switching counts by NUTS, in double precision.

    The program is compiled once for a model, a pooling and a shape of data; a second fit of the same shape
    starts at once. Chains that fall short are extended or repeated once, and the result says so.

    Parameters
    ----------
    dataset : Dataset
        Of kind ``pulse_switching``: amplitude, num_trials, num_switched over (device, setting).
    model : str
        Name in `charz.fitting.MODELS`.
    key : PRNG key
        Fixes every number of the result.
    pool : {"hierarchical", "complete", "none"}
        A population of devices, one device that stands for all, or devices that know nothing of each other.
    draws, warmup : int
        Draws kept and adaptation steps of each chain, multiples of 100.
    chains : int
        Number of chains; at least 2, because R-hat compares them.
    progress : bool or callable
        True shows a bar on standard error; a callable receives numbers of finished steps.
    priors : mapping, optional
        Priors that replace the defaults of `charz.fitting.priors`, by name.

    Returns
    -------
    Posterior

    Raises
    ------
    FitError
        For an unknown model or option, and for data that cannot answer, with the reason.

    Examples
    --------
    >>> posterior = fit(dataset, "logistic", key=jax.random.key(0))  # doctest: +SKIP
    >>> posterior.summary().loc["population", "location_mean"]  # doctest: +SKIP
    """
    switching = find_model(model)
    _require_options(pool, draws, warmup, chains)
    counts = switching_counts(dataset)
    require_information(counts, pool)
    chosen = with_overrides(default_priors(switching, counts, pool), priors)
    plan = Plan(draws, warmup, chains)
    key_sample, key_prior, key_prior_counts, key_counts = jax.random.split(key, 4)
    with jax.enable_x64(True):
        prepared = prepare(switching, counts, pool, chosen)
        with shown_progress(progress, draws + warmup) as tick:
            sampled = sample(key_sample, prepared, plan, tick)
        law_values = _law_values(sampled.values)
        prior = prior_draws(
            generator_from(key_prior), switching, chosen, pool, NUM_PRIOR_DRAWS, len(counts.devices)
        )
        prior_counts = replicates(key_prior_counts, switching, _law_values(prior), counts, 1)
        pointwise = log_likelihood(switching, law_values, counts)
        kept = _replicated_draws(pointwise.shape)
        few = {name: value[:, kept] for name, value in law_values.items()}
        replicated = replicates(key_counts, switching, few, counts, 2)
    settings = {"model": model, "pool": pool, "draws": draws, "warmup": warmup, "chains": chains}
    attrs = {
        **{name: dataset.attrs[name] for name in CARRIED_ATTRS if name in dataset.attrs},
        **provenance(seed=seed_of(key), settings=settings),
        **_attributes(sampled, settings, counts.unit, priors_to_json(chosen)),
    }
    if "provenance" in dataset.attrs:
        attrs["dataset_provenance"] = dataset.attrs["provenance"]
    tree = build_tree(
        switching,
        counts,
        sampled.values,
        sampled.stats,
        pointwise,
        (kept, replicated),
        prior,
        prior_counts,
        sampled.centring,
        attrs,
    )
    return Posterior(tree)


def _require_options(pool: str, draws: int, warmup: int, chains: int) -> None:
    if pool not in POOLS:
        raise FitError(f"pool {pool!r} is not known; choose one of {', '.join(POOLS)}")
    for name, value in (("draws", draws), ("warmup", warmup)):
        if value < STEPS_PER_CALL or value % STEPS_PER_CALL:
            raise FitError(
                f"{name} = {value}: must be a multiple of {STEPS_PER_CALL}, at least {STEPS_PER_CALL}"
            )
    if chains < 2:
        raise FitError(f"chains = {chains}: convergence is judged by comparing chains, at least 2 are needed")


def _law_values(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Law parameters without the populations."""
    return {name: value for name, value in values.items() if not name.endswith(("_mean", "_sd"))}


def _replicated_draws(shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of the draws for which counts are replicated."""
    num_draws = shape[1]
    fitting = MAX_REPLICATED_NUMBERS * num_draws // int(np.prod(shape))
    wanted = min(num_draws, max(fitting, MIN_REPLICATED_DRAWS))
    return np.unique(np.linspace(0, num_draws - 1, wanted).astype(int))


def _attributes(sampled: Draws, settings: dict[str, Any], unit: str, priors: str) -> dict[str, Any]:
    convergence = sampled.convergence
    return {
        "experiment": "pulse_switching",
        "model": settings["model"],
        "pool": settings["pool"],
        "drive_unit": unit,
        "inference_library": "numpyro",
        "sampler": "NUTS, double precision",
        "converged": int(convergence.converged),
        "convergence": convergence.statement(),
        "divergences": convergence.divergences,
        "remarks": "; ".join(sampled.remarks),
        "parametrization": parametrization(sampled.centring),
        "interval": INTERVAL,
        "priors": priors,
    }


def parametrization(centring: Mapping[str, np.ndarray]) -> str:
    """Say in words how each parameter was centred (1 centred, 0 non-centred; chosen a device)."""
    if not centring:
        return "direct (no population)"
    parts = [f"{name} {weight.min():.2f} to {weight.max():.2f}" for name, weight in centring.items()]
    return "partially centred, weight by device (1 centred, 0 non-centred): " + ", ".join(parts)


def seed_of(key: PRNGKeyArray) -> int:
    """Seed that `jax.random.key` would turn into this key; of a split key, a number that stands for it."""
    if jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    words = [int(word) for word in np.asarray(key)]
    return int(sum(word << (32 * place) for place, word in enumerate(reversed(words))))
