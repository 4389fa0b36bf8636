"""Expected posterior variance of a target after a measurement, by carrying the measurement out on simulated devices.

Where reweighting has too few draws left: outcomes are drawn with one posterior draw for the truth, joined with the
data, and fitted anew.
"""

from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from charz.fitting.contract import Model, Observations
from charz.fitting.marginal import Refused, integrable, integrate
from charz.fitting.planning.contract import FlatDraws, Target
from charz.fitting.planning.outcomes import Addition, joined, with_outcomes
from charz.fitting.planning.reweighting import replicated
from charz.fitting.population import draw_devices
from charz.fitting.priors import Prior
from charz.fitting.sampling import Plan, prepare, sample

CHAINS, DRAWS, WARMUP = 2, 400, 400
# Effective draws of such a fit, at least: for the noise of its mean.
EFFECTIVE = 400


def simulated(
    key: PRNGKeyArray,
    model: Model,
    pool: str,
    priors: Mapping[str, Prior],
    observations: Observations,
    draws: FlatDraws,
    added: Addition,
    truth: int,
    target: Target,
) -> tuple[float, float]:
    """Mean and variance of the target after one simulated measurement; inside ``jax.enable_x64(True)``."""
    key_outcomes, key_fit = jax.random.split(key)
    together = measured_again(key_outcomes, model, observations, draws, added, truth)
    values = target.values(refitted(key_fit, model, pool, priors, together))
    return float(values.mean()), float(np.var(values))


def measured_again(
    key: PRNGKeyArray,
    model: Model,
    observations: Observations,
    draws: FlatDraws,
    added: Addition,
    truth: int,
) -> Observations:
    """The data and one simulated outcome of a candidate."""
    key_devices, key_outcomes = jax.random.split(key)
    one = {name: value[truth : truth + 1] for name, value in draws.items()}
    places = added.places
    if places is None:
        populations = {n: jax.numpy.asarray(v) for n, v in one.items() if v.ndim == 1}
        drawn = draw_devices(key_devices, model, populations, (len(added.observations.devices),))
        values = {n: np.asarray(v, float) for n, v in drawn.items()}
    else:
        values = {n: v if v.ndim == 1 else v[:, places] for n, v in one.items()}
    outcomes = replicated(key_outcomes, model, values, added.observations)
    new = with_outcomes(added.observations, {n: v[0] for n, v in outcomes.items()})
    return joined(observations, new, places)


def refitted(
    key: PRNGKeyArray, model: Model, pool: str, priors: Mapping[str, Prior], observations: Observations
) -> dict[str, np.ndarray]:
    """Draws, (draw,) or (draw, device), of a fit with devices integrated out where that can be, else by NUTS."""
    found = None
    if integrable(model, observations, pool) is None:
        found = integrate(key, model, observations, priors, (CHAINS, DRAWS))
    if found is None or isinstance(found, Refused):
        found = sample(key, prepare(model, observations, pool, priors), Plan(DRAWS, WARMUP, CHAINS))
    return {name: value.reshape(-1, *value.shape[2:]) for name, value in found.values.items()}
