"""Calibration of a likelihood against its simulator, one parameter at a time, without a sampler.

Values are drawn from the prior and outcomes from the values, as in `calibration`. Given the true values of all other
parameters, the posterior of one parameter is its prior times the likelihood along a line: one integral. The posterior
probability below the truth is then uniform exactly, whatever the model (Cook, Gelman, Rubin 2006, for the
conditional posterior). It costs likelihood values only, so every model can afford it in the default suite; what it
cannot see, the sampler and the population, is tested by whole fits.
"""

import zlib
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from design_contract import Design
from scipy import special, stats

from charz.fitting.contract import Model
from charz.fitting.population import varies
from charz.fitting.predictive import replicates
from charz.fitting.priors import Prior
from charz.fitting.registry import family_of, find_model

NUM_REPLICATIONS = 60
NUM_POINTS = 96
NUM_ZOOMS = 3
KEPT = 30.0  # nats below the largest value on the line, where nothing of the posterior is left
CENSORING = ("censored", "lower", "upper")  # a censored value is a latent variable of two models


def quantile(prior: Prior, share: np.ndarray) -> np.ndarray:
    """Inverse of a prior's distribution function."""
    if prior.family == "normal":
        return stats.norm.ppf(share, *prior.constants)
    if prior.family == "half-normal":
        return stats.halfnorm.ppf(share, scale=prior.constants[0])
    return special.logit(stats.beta.ppf(share, *prior.constants))


def lines(model: Model, design: Design, generator: np.random.Generator) -> tuple[dict, dict[str, float]]:
    """For one device: a function from prior probability to linked value for each parameter, and the true values."""
    inverses: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    truth = {}
    for parameter in model.free:
        prior = design.priors[parameter.linked_name]
        if varies(parameter, design.pool):  # the population is known: a normal around its centre
            spread = design.priors[f"{parameter.linked_name}_sd"]
            centre, sd = (float(p.draw(generator, ())) for p in (prior, spread))
            prior = Prior("normal", (centre, max(sd, 1e-9)))
        inverses[parameter.linked_name] = partial(quantile, prior)
        truth[parameter.linked_name] = float(quantile(prior, generator.uniform()))
    return inverses, truth


def below_truth(log_likelihood, inverse, point: np.ndarray, index: int) -> float:
    """Posterior probability that parameter `index` is below its true value, all others known."""
    true_value = point[index]
    low, high = 1e-9, 1 - 1e-9
    for _ in range(NUM_ZOOMS):
        share = np.linspace(low, high, NUM_POINTS)
        value = inverse(share)
        points = np.repeat(point[None], NUM_POINTS, axis=0)
        points[:, index] = value
        height = np.asarray(log_likelihood(points))
        kept = np.flatnonzero(height > height.max() - KEPT)
        low, high = share[max(kept[0] - 1, 0)], share[min(kept[-1] + 1, NUM_POINTS - 1)]
    # Uniform prior in the share: the posterior is the likelihood along it, taken as linear between points.
    weight = np.exp(height - height.max())
    mass = np.concatenate([[0.0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
    return float(np.interp(true_value, value, mass / mass[-1]))


def probabilities(name: str, simulated_by: str | None = None) -> dict[str, np.ndarray]:
    """Probability below the truth, (replication,) for each parameter of the first device.

    `simulated_by` names another model of the family whose outcomes are read instead: the true values of parameters
    that only it has are drawn from its own prior.
    """
    from designs import DESIGNS

    model, family = find_model(name), family_of(name)
    simulator = find_model(simulated_by or name)
    design = DESIGNS[family.experiment][simulator.name]
    dataset = design.dataset
    if model.latents(family.observe(dataset)):
        dataset = dataset.drop_vars([v for v in CENSORING if v in dataset])
    observations = family.observe(dataset.isel(device=[0]))
    assert not model.latents(observations)
    names = [p.linked_name for p in model.free]
    found: dict[str, list[float]] = {one: [] for one in names}

    def total(point, arrays):
        values = model.values_from_linked(dict(zip(names, point, strict=True)))
        return model.log_likelihood(values, arrays).sum()

    with jax.enable_x64(True):
        compiled = jax.jit(jax.vmap(total, in_axes=(0, None)))
        for seed in range(NUM_REPLICATIONS):
            generator = np.random.default_rng([zlib.crc32(name.encode()), seed])
            inverses, truth = lines(simulator, design, generator)
            point = np.array([truth[one] for one in names])
            linked = {one: jnp.full((1, 1), v) for one, v in truth.items()}
            values = {n: np.asarray(v) for n, v in simulator.values_from_linked(linked).items()}
            outcomes = replicates(generator, simulator, {n: v[None] for n, v in values.items()}, observations)
            arrays = {n: np.asarray(a[0], float) for n, a in observations.arrays.items()}
            measured = observations.measured[0]
            arrays |= {n: np.where(measured, a[0, 0, 0], arrays[n]) for n, a in outcomes.items()}
            for index, one in enumerate(names):
                found[one].append(
                    below_truth(lambda p, arrays=arrays: compiled(p, arrays), inverses[one], point, index)
                )
    return {one: np.array(v) for one, v in found.items()}
