r"""`plan`: candidates ranked by how much an hour of each narrows the interval of a target.

With :math:`\sigma` the target's standard deviation now and :math:`\sigma_c^2 = E_y \mathrm{Var}(f \mid y)` its expected
variance after candidate c, the interval is expected to shrink by :math:`1 - \sigma_c/\sigma`, and the rank is that of
the shrinkage over the hours.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.convergence import MAX_PARETO_K
from charz.fitting.marginal import integrable
from charz.fitting.planning.candidate_files import described
from charz.fitting.planning.contract import Candidate, FlatDraws, Target
from charz.fitting.planning.outcomes import Addition, addition
from charz.fitting.planning.reweighting import (
    Expected,
    expected,
    of_measured,
    of_measured_in_population,
    of_new,
    reweighted,
)
from charz.fitting.planning.simulation import EFFECTIVE, simulated
from charz.fitting.population import population_names
from charz.fitting.posterior import Posterior
from charz.fitting.priors import Prior, priors_from_json

REWEIGHTED, SIMULATED = "reweighted", "simulated"
NUM_OUTCOMES, NUM_DRAWS, NUM_SIMULATIONS = 64, 1000, 8
# Of candidates with very many devices fewer outcomes are simulated.
MOST_SIMULATED_DEVICES, LEAST_OUTCOMES = 2000, 16

Tick = Callable[[int, int, str], None]


class _Known(NamedTuple):
    """What all candidates start from; draws are thinned."""

    model: Model
    pool: str
    priors: dict[str, Prior]
    observations: Observations
    draws: FlatDraws
    target: Target


def plan(
    posterior: Posterior,
    candidates: Sequence[Candidate],
    target: Target,
    *,
    key: PRNGKeyArray,
    simulations: int = NUM_SIMULATIONS,
    on_progress: Tick | None = None,
) -> xr.Dataset:
    """Rank candidate measurements.

    Costs a likelihood of each of 64 simulated outcomes under each of 1,000 draws (of new devices at each node of a
    quadrature, too); where the weights of these draws cannot be trusted, `simulations` fits.

    Parameters
    ----------
    posterior : Posterior
        What is known now.
    candidates : sequence of Candidate
        With different names.
    target : Target
        From `parameter_target` or `accuracy_target`.
    key : PRNG key
        Each candidate's random numbers belong to its name's place in the sequence.
    simulations : int
        Fits of a candidate that reweighting cannot judge.
    on_progress : callable, optional
        ``on_progress(done, total, name)`` as candidates are judged.

    Returns
    -------
    Dataset
        Along ``candidate``, the best first: ``hours``, ``sd_before``, ``sd_after`` and its standard error
        ``sd_after_se`` (in the unit of the target), ``shrinkage`` of the interval (a fraction), ``per_hour`` (1/h),
        ``pareto_k``, ``method`` and ``measurement`` in words.

    Raises
    ------
    FitError
        For no or repeated candidates, ones that the data cannot take, new devices without a population, and a family
        whose inference is its own.
    """
    known = _known(posterior, target)
    _check(candidates, known, simulations)
    additions = [addition(one, known.model, known.observations) for one in candidates]
    before = float(np.var(known.target.values(known.draws)))
    if not before > 0:
        raise FitError(f"target {target.name!r} is the same in every draw: there is nothing to narrow")
    found = []
    with jax.enable_x64(True):
        for index, (one, added) in enumerate(zip(candidates, additions, strict=True)):
            if on_progress is not None:
                on_progress(index, len(candidates), one.name)
            found.append(_judged(jax.random.fold_in(key, index), known, added, simulations))
    if on_progress is not None:
        on_progress(len(candidates), len(candidates), "")
    return _table(candidates, additions, found, before, known)


def _known(posterior: Posterior, target: Target) -> _Known:
    model = posterior.fit_model
    if posterior.family.infer is not None:
        raise FitError(
            f"model {model.name!r} has no parameters of devices that outcomes could be weighed by; plan with a fit of"
            " another kind of data"
        )
    draws = posterior.flat_draws
    total = len(next(iter(draws.values())))
    chosen = np.unique(np.linspace(0, total - 1, NUM_DRAWS).astype(int))
    return _Known(
        model,
        posterior.pool,
        priors_from_json(posterior.tree.attrs["priors"]),
        posterior.observations(),
        {name: value[chosen] for name, value in draws.items()},
        target,
    )


def _check(candidates: Sequence[Candidate], known: _Known, simulations: int) -> None:
    names = [one.name for one in candidates]
    if not names:
        raise FitError("there is no candidate to choose from")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise FitError(f"candidate {repeated[0]!r} is there twice; give each its own name")
    if simulations < 2:
        raise FitError(f"simulations is {simulations}; an expectation with its error needs at least 2")
    if known.pool != "hierarchical" and (new := [one.name for one in candidates if one.new]):
        raise FitError(
            f"candidate {new[0]!r} measures new devices; a fit with pool={known.pool!r} has no population that they"
            " could tell about: fit with pool='hierarchical', or plan measured devices"
        )


def _judged(key: PRNGKeyArray, known: _Known, added: Addition, simulations: int) -> tuple[Expected, str]:
    key_truth, key_outcomes, key_fits = jax.random.split(key, 3)
    values = known.target.values(known.draws)
    fitting = MOST_SIMULATED_DEVICES // len(added.observations.devices)
    number = int(np.clip(fitting, LEAST_OUTCOMES, NUM_OUTCOMES))
    truths = np.asarray(jax.random.choice(key_truth, len(values), (number,), replace=False))
    found = None
    log_likelihoods = _log_likelihoods(key_outcomes, known, added, truths)
    if log_likelihoods is not None:
        found = reweighted(log_likelihoods, truths, values)
        if found.pareto_k <= MAX_PARETO_K:
            return found, REWEIGHTED
    model, pool, priors, observations, draws, target = known
    moments = [
        simulated(one, model, pool, priors, observations, draws, added, int(truth), target)
        for one, truth in zip(jax.random.split(key_fits, simulations), truths, strict=False)
    ]
    means, variances = np.array(moments).T
    by_simulation = expected(float(np.var(values)), means, variances / EFFECTIVE, variances)
    k = float("nan") if found is None else found.pareto_k
    return by_simulation._replace(pareto_k=k), SIMULATED


def _log_likelihoods(
    key: PRNGKeyArray, known: _Known, added: Addition, truths: np.ndarray
) -> np.ndarray | None:
    """Log likelihoods (outcome, draw); None where devices cannot be integrated out."""
    model, observations, draws = known.model, added.observations, known.draws
    inseparable = integrable(model, known.observations, known.pool) is not None
    if added.places is None:
        if inseparable:
            return None
        return of_new(key, model, known.priors, draws, observations, truths)
    if inseparable:
        populations = population_names(model, known.pool)
        law = {name: value for name, value in draws.items() if name not in populations}
        return of_measured(key, model, law, observations, added.places, truths)
    return of_measured_in_population(
        key, model, known.priors, draws, known.observations, added, truths, known.target.device
    )


def _table(
    candidates: Sequence[Candidate],
    additions: Sequence[Addition],
    found: Sequence[tuple[Expected, str]],
    before: float,
    known: _Known,
) -> xr.Dataset:
    rest, unit = known.target.rest, known.target.unit
    sd_before = np.sqrt(before + rest)
    hours = np.array([added.hours for added in additions])
    variance, error = np.array([(one.variance, one.error) for one, _ in found]).T
    sd_after = np.sqrt(variance + rest)
    shrinkage = 1 - sd_after / sd_before
    with np.errstate(divide="ignore", invalid="ignore"):
        per_hour = shrinkage / hours
    columns = {
        "hours": (hours, "h", "time on the bench"),
        "sd_before": (np.full(len(hours), sd_before), unit, f"standard deviation of {known.target.name} now"),
        "sd_after": (
            sd_after,
            unit,
            f"expected standard deviation of {known.target.name} after the measurement",
        ),
        "sd_after_se": (error / (2 * sd_after), unit, "Monte Carlo standard error of sd_after"),
        "shrinkage": (shrinkage, "1", "expected shrinkage of the interval (fraction)"),
        "per_hour": (per_hour, "1/h", "shrinkage an hour"),
        "pareto_k": (np.array([one.pareto_k for one, _ in found]), "1", "Pareto k of the weights"),
    }
    order = np.argsort(-per_hour, kind="stable")
    words = {
        "method": np.array([method for _, method in found], object),
        "measurement": np.array([described(one, known.observations) for one in candidates], object),
    }
    return xr.Dataset(
        {
            **{
                name: (
                    "candidate",
                    np.asarray(values, float)[order],
                    {"units": units, "long_name": long_name},
                )
                for name, (values, units, long_name) in columns.items()
            },
            **{name: ("candidate", values[order]) for name, values in words.items()},
        },
        coords={"candidate": np.array([one.name for one in candidates], object)[order]},
        attrs={
            "kind": "measurement plan",
            "target": known.target.name,
            "target_unit": unit,
            "remark": known.target.remark,
        },
    )
