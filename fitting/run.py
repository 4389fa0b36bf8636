"""`fit`: from a dataset to a posterior."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.datachecks import check_data
from charz.errors import FitError
from charz.fitting.beside_draws import parts_of
from charz.fitting.contract import Family, Model, Observations
from charz.fitting.inference import STEPS_PER_CALL
from charz.fitting.laplace import NUM_PROPOSALS, approximate
from charz.fitting.marginal import Refused, integrable, integrate
from charz.fitting.population import POOLS, default_priors
from charz.fitting.posterior import INTERVAL, Posterior
from charz.fitting.priors import Prior, priors_to_json, with_overrides
from charz.fitting.progress import shown_progress
from charz.fitting.registry import find_model, require_suitable, suitable_models
from charz.fitting.sampling import Draws, Plan, Prepared, prepare, sample
from charz.fitting.tree import build_tree
from charz.provenance import provenance

METHODS = ("auto", "nuts", "marginal", "laplace")
# From so many on NUTS takes half a minute and more, and devices that are integrated out rarely have to be given up.
MANY_DEVICES = 200
CARRIED_ATTRS = ("source_file", "source_sha256", "device_family", "temperature", "instrument", "simulated")


def default_pool(num_devices: int, min_devices: int = 3) -> str:
    """``hierarchical`` where there are devices enough to learn their spread, else ``complete``."""
    return "hierarchical" if num_devices >= min_devices else "complete"


def fit(
    dataset: xr.Dataset,
    model: str | None = None,
    *,
    key: PRNGKeyArray,
    pool: str | None = None,
    method: str = "auto",
    draws: int = 1000,
    warmup: int = 500,
    chains: int = 4,
    progress: bool | Callable[[int], None] = False,
    priors: Mapping[str, Prior] | None = None,
) -> Posterior:
    """Fit a model to a dataset, in double precision.

    The program is compiled once for a model, a pooling and a shape of data; a second fit of the same shape
    starts at once. Chains that fall short are extended or repeated, and the result says so.

    Parameters
    ----------
    dataset : Dataset
        Of a kind for which there are models (`charz.fitting.FAMILIES`).
    model : str
        Name in `charz.fitting.MODELS`; without it the error lists those that suit the dataset.
    key : PRNG key
        Fixes every number of the result.
    pool : {"hierarchical", "complete", "none"}, optional
        A population of devices, one device that stands for all, or devices that know nothing of each other. By
        default hierarchical where there are devices enough, else complete.
    method : {"auto", "nuts", "marginal", "laplace"}
        ``marginal`` integrates every device of a hierarchy out by quadrature and draws population and devices by
        importance sampling; where a Pareto k is above 0.7 it goes on with NUTS, and the remarks say so. ``auto``
        takes the Laplace approximation checked by Pareto-smoothed importance sampling for records too long for NUTS,
        ``marginal`` for hierarchies of such records, or of 200 devices or more, that it is possible for, and else
        NUTS. The attribute ``method`` says what was done.
    draws, warmup : int
        Draws kept and adaptation steps of each chain, multiples of 100.
    chains : int
        Number of chains; at least 2, because R-hat compares them.
    progress : bool or callable
        True shows a bar on standard error; a callable receives numbers of finished steps.
    priors : mapping, optional
        Priors that replace the defaults, by name (`charz.fitting.priors_for` lists them).

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
    >>> posterior.summary()["population"]["location_mean"]  # doctest: +SKIP
    """
    if model is None:
        names = ", ".join(m.name for m in suitable_models(dataset))
        raise FitError(f"no model was named; for {dataset.attrs['experiment']!r} there are: {names}")
    family = require_suitable(model, dataset)
    settings = {"model": model, "pool": pool, "draws": draws, "warmup": warmup, "chains": chains}
    if family.infer is not None:
        tree = family.infer(
            dataset, model, key=key, draws=draws, chains=chains, progress=progress, priors=priors
        )
        tree.attrs = _source_attrs(family.checked(dataset), key, settings) | tree.attrs
        return Posterior(tree)
    chosen_model, observations = find_model(model), family.observe(dataset)
    pool = pool or default_pool(len(observations.devices), family.min_devices)
    settings = {**settings, "pool": pool, "method": method}
    _require_options(pool, method, draws, warmup, chains)
    _require_devices(observations, pool, family)
    family.require_information(observations, chosen_model, pool)
    chosen = with_overrides(default_priors(chosen_model, observations, pool), priors)
    method = _method(method, chosen_model, observations, pool)
    key_sample, key_prior, key_prior_outcomes, key_outcomes = jax.random.split(key, 4)
    with jax.enable_x64(True):
        sampled, method = _sampled(
            key_sample,
            chosen_model,
            observations,
            pool,
            chosen,
            method,
            Plan(draws, warmup, chains),
            progress,
        )
        keys = (key_prior, key_prior_outcomes, key_outcomes)
        parts = parts_of(chosen_model, observations, pool, chosen, sampled, method, keys)
    attrs = {
        **_source_attrs(family.checked(dataset), key, settings),
        **_attributes(sampled, settings, observations, method, priors_to_json(chosen)),
    }
    return Posterior(build_tree(chosen_model, observations, parts, attrs))


def _sampled(
    key: PRNGKeyArray,
    model: Model,
    observations: Observations,
    pool: str,
    priors: Mapping[str, Prior],
    method: str,
    plan: Plan,
    progress: bool | Callable[[int], None],
) -> tuple[Draws, str]:
    """Draws, and the method that made them: NUTS takes over where importance sampling cannot be trusted."""
    refused: tuple[str, ...] = ()
    reason: str | None = None
    if method == "marginal":
        with shown_progress(progress, plan.draws) as tick:
            found = integrate(key, model, observations, priors, (plan.chains, plan.draws), tick)
        if not isinstance(found, Refused):
            return found, method
        reason = found.reason
        refused = (f"the marginal fit was given up, and NUTS sampled all devices jointly: {reason}",)
    prepared = prepare(model, observations, pool, priors)
    if method == "laplace":
        with shown_progress(progress, NUM_PROPOSALS) as tick:
            return approximate(key, prepared, plan.chains, plan.draws, tick), method
    _require_whole(prepared, reason)
    with shown_progress(progress, plan.draws + plan.warmup) as tick:
        sampled = sample(key, prepared, plan, tick)
    return replace(sampled, remarks=refused + sampled.remarks), "nuts"


def _require_whole(prepared: Prepared, refusal: str | None) -> None:
    """Refuse NUTS of records that are not in memory, with the reason why the marginal fit was given up, if it was."""
    stand_in = prepared.known.modes.stand_in
    if stand_in is None or not stand_in.only:
        return
    beginning = f"only the beginning of {stand_in.number} outcomes that are read from their file in chunks"
    if refusal is not None:
        raise FitError(
            f"the marginal fit was given up ({refusal}), and NUTS would sample {beginning}: fit with pool='none', or"
            " parts of the records"
        )
    instead = "marginal" if prepared.pool == "hierarchical" else "laplace"
    raise FitError(
        f"method='nuts' would sample {beginning}: use method='{instead}' or 'auto', or fit a part of the record"
    )


def _require_options(pool: str, method: str, draws: int, warmup: int, chains: int) -> None:
    if pool not in POOLS:
        raise FitError(f"pool {pool!r} is not known; choose one of {', '.join(POOLS)}")
    if method not in METHODS:
        raise FitError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    for name, value in (("draws", draws), ("warmup", warmup)):
        if value < STEPS_PER_CALL or value % STEPS_PER_CALL:
            raise FitError(
                f"{name} = {value}: must be a multiple of {STEPS_PER_CALL}, at least {STEPS_PER_CALL}"
            )
    if chains < 2:
        raise FitError(f"chains = {chains}: convergence is judged by comparing chains, at least 2 are needed")


def _require_devices(observations: Observations, pool: str, family: Family) -> None:
    num_devices = len(observations.devices)
    if pool == "hierarchical" and num_devices < family.min_devices:
        raise FitError(
            f"a hierarchical fit needs at least {family.min_devices} devices to learn their spread, the"
            f" dataset has {num_devices}; use pool='complete' or pool='none'"
        )


def _method(method: str, model: Model, observations: Observations, pool: str) -> str:
    """Choose the way of inference, and refuse the Laplace approximation where it does not hold."""
    long = model.laplace_above is not None and int(observations.measured.sum()) > model.laplace_above
    possible = pool != "hierarchical" and not model.latents(observations)
    objection = integrable(model, observations, pool)
    if method == "auto":
        if long and possible:
            return "laplace"
        many = long or len(observations.devices) >= MANY_DEVICES
        return "marginal" if objection is None and many else "nuts"
    if method == "marginal" and objection is not None:
        raise FitError(
            f"method='marginal' integrates the devices of a hierarchy out one by one, and here {objection}: use"
            " method='nuts' or 'auto'"
        )
    if method == "laplace" and not possible:
        raise FitError(
            "method='laplace' approximates a posterior of few parameters; a hierarchy of devices or latent"
            " variables is no such posterior: use method='nuts', or pool='complete' or 'none'"
        )
    return method


def _source_attrs(dataset: xr.Dataset, key: PRNGKeyArray, settings: dict[str, Any]) -> dict[str, Any]:
    attrs = {
        **{name: dataset.attrs[name] for name in CARRIED_ATTRS if name in dataset.attrs},
        **provenance(seed=seed_of(key), settings=settings),
        "experiment": dataset.attrs["experiment"],
    }
    if "provenance" in dataset.attrs:
        attrs["dataset_provenance"] = dataset.attrs["provenance"]
    attrs["data_checks"] = data_checks(dataset)
    return attrs


def data_checks(dataset: xr.Dataset) -> str:
    """What the checks of the data found, as a JSON list: a fit repeats it, so that nobody has to look it up."""
    findings = [finding._asdict() for finding in check_data(dataset)]
    return json.dumps(findings, ensure_ascii=False)


def _attributes(
    sampled: Draws, settings: dict[str, Any], observations: Observations, method: str, priors: str
) -> dict[str, Any]:
    convergence = sampled.convergence
    attrs = {
        "model": settings["model"],
        "pool": settings["pool"],
        "method": method,
        "inference_library": "numpyro",
        "sampler": "NUTS, double precision",
        "converged": int(convergence.converged),
        "convergence": convergence.statement(),
        "divergences": convergence.divergences,
        "remarks": "; ".join(sampled.remarks),
        "data_remarks": "\n".join(observations.remarks),
        "parametrization": "devices integrated out"
        if method == "marginal"
        else parametrization(sampled.centring),
        "interval": INTERVAL,
        "priors": priors,
    }
    if method == "laplace":
        attrs["sampler"] = "Laplace approximation with Pareto-smoothed importance sampling, double precision"
        attrs["effective_proposals"] = convergence.min_ess_bulk
    if method == "marginal":
        attrs["sampler"] = (
            "devices integrated out by quadrature, population and devices by importance sampling, double precision"
        )
        attrs["effective_proposals"] = convergence.min_ess_bulk
    return attrs


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
