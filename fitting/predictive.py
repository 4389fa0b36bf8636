"""What the model expects to see: before the data (prior) and after them (posterior), at the same settings."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.models import SwitchingModel
from charz.fitting.observations import SwitchingCounts
from charz.fitting.priors import Prior
from charz.fitting.pulse import (
    generator_from,
    log_binomial_coefficient,
    log_likelihood_kernel,
    replicate_counts,
)


def probabilities(
    model: SwitchingModel, values: dict[str, np.ndarray], amplitude: np.ndarray, num_sample_dims: int
) -> np.ndarray:
    """Switching probability of each device at each setting for each draw.

    Parameters
    ----------
    model : SwitchingModel
    values : dict
        Law parameters, (*sample, device) or (*sample,) where all devices share them.
    amplitude : array (device, setting)
    num_sample_dims : int
        Number of leading sample axes.

    Returns
    -------
    array (*sample, device, setting)
    """
    law = model.law(_against_settings(values, num_sample_dims))
    return np.asarray(law.probability(jnp.asarray(amplitude)))


def _against_settings(values: dict[str, np.ndarray], num_sample_dims: int) -> dict[str, Array]:
    """Give every parameter a setting axis, and a device axis where it has none."""
    with_device = {
        name: value if np.ndim(value) > num_sample_dims else value[..., None]
        for name, value in values.items()
    }
    return {name: jnp.asarray(value)[..., None] for name, value in with_device.items()}


def log_likelihood(
    model: SwitchingModel, values: dict[str, np.ndarray], counts: SwitchingCounts
) -> np.ndarray:
    """Log likelihood of every setting, (chain, draw, device, setting), binomial coefficient included.

    NaN where a setting is padding: it is no observation.
    """
    law = model.law(_against_settings(values, 2))
    arrays = [jnp.asarray(a) for a in (counts.amplitude, counts.num_trials, counts.num_switched)]
    terms = log_likelihood_kernel(law, *arrays) + log_binomial_coefficient(*arrays[1:])
    return np.where(counts.measured, np.asarray(terms), np.nan)


def prior_draws(
    generator: np.random.Generator,
    model: SwitchingModel,
    priors: Mapping[str, Prior],
    pool: str,
    num_draws: int,
    num_devices: int,
) -> dict[str, np.ndarray]:
    """Draw populations and law parameters from the prior.

    Written without the sampler's model function, so that calibration tests one against the other.

    Returns
    -------
    dict
        Populations (draw,) as ``{linked}_mean`` and ``{linked}_sd``; law parameters (draw, device), or (draw,)
        where the pooling is complete.
    """
    populations: dict[str, np.ndarray] = {}
    linked: dict[str, Array] = {}
    for parameter in model.free:
        name = parameter.linked_name
        if pool == "hierarchical":
            mean = priors[name].draw(generator, (num_draws,))
            sd = priors[f"{name}_sd"].draw(generator, (num_draws,))
            noise = generator.standard_normal((num_draws, num_devices))
            populations |= {f"{name}_mean": mean, f"{name}_sd": sd}
            linked[name] = jnp.asarray(mean[:, None] + sd[:, None] * noise)
        else:
            shape = (num_draws, num_devices) if pool == "none" else (num_draws,)
            linked[name] = jnp.asarray(priors[name].draw(generator, shape))
    values = {name: np.asarray(value) for name, value in model.values_from_linked(linked).items()}
    return populations | values


def replicates(
    key: Array,
    model: SwitchingModel,
    values: dict[str, np.ndarray],
    counts: SwitchingCounts,
    num_sample_dims: int,
) -> np.ndarray:
    """Counts that devices with these parameters would have given, (*sample, device, setting)."""
    expected = probabilities(model, values, counts.amplitude, num_sample_dims)
    return replicate_counts(generator_from(key), expected, counts.num_trials)
