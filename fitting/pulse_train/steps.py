r"""Likelihood of pulse trains by the density of every step: what a Markov law says about each read.

The reads are taken as exact, so the conductance before each pulse is known and the steps are independent given it:
:math:`\ln p = \sum_k \ln p(G_k \mid G_{k-1})`. A read that no read precedes is given, its term is 0.

Leaving one read out is another matter, because it also is the start of the next step:

.. math:: p(G_k \mid G_{-k}) = \frac{p(G_k \mid G_{k-1})\, p(G_{k+1} \mid G_k)}
                                    {\int p(x \mid G_{k-1})\, p(G_{k+1} \mid x)\, dx}
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array

from charz.devices.memristor import (
    AbstractMemristor,
    ExponentialMemristor,
    LinearMemristor,
    SoftBoundsMemristor,
)
from charz.fitting.contract import Arrays, Values
from charz.fitting.pulse_train.observations import conductance_before

OPTIONAL = ("degrees_of_freedom", "read_noise", "stuck_fraction")
# Nodes of the integral over the read left out: dense around the middle, reaching 27 widths to either side.
NODES = np.sinh(np.linspace(-4.0, 4.0, 41))
LOG_WEIGHTS = np.log(np.cosh(np.linspace(-4.0, 4.0, 41)) * 0.2)


def bounds_from_window(values: Values) -> dict[str, Any]:
    """Add the upper bound, and the conductance where alternating pulses lead, to the values of the free parameters."""
    upper = values["conductance_min"] + values["window"]
    share = values["step_potentiation"] / (values["step_potentiation"] + values["step_depression"])
    symmetric = values["conductance_min"] + share * values["window"]
    return {**values, "conductance_max": upper, "symmetric_conductance": symmetric}


def soft_bounds(values: Values) -> SoftBoundsMemristor:
    """Build the device from the values of `bounds_from_window`."""
    names = ("conductance_min", "window", "step_potentiation", "step_depression")
    return SoftBoundsMemristor(**{name: values[name] for name in names}, **_noise(values))


def exponential(values: Values) -> ExponentialMemristor:
    """Build the device from the free values."""
    names = ("symmetric_conductance", "symmetric_step", "decay_potentiation", "decay_depression")
    return ExponentialMemristor(**{name: values[name] for name in names}, **_noise(values))


def linear(values: Values) -> LinearMemristor:
    """Build the device from the free values; its window is open."""
    steps = {name: values[name] for name in ("step_potentiation", "step_depression")}
    zero = jnp.zeros_like(values["additive_noise"])
    return LinearMemristor(
        **steps,
        cycle_noise=zero,
        additive_noise=values["additive_noise"],
        conductance_min=zero,
        conductance_max=zero + jnp.inf,
    )


def _noise(values: Values) -> dict[str, Any]:
    noise = {name: values[name] for name in ("cycle_noise", "additive_noise")}
    return noise | {name: values[name] for name in OPTIONAL if name in values}


def log_steps(device: AbstractMemristor, arrays: Arrays) -> Array:
    """Log density of every read given the one before, (cycle, pulse), in nats; 0 where there is none."""
    conductance = jnp.asarray(arrays["conductance"])
    before = conductance_before(conductance, arrays)
    terms = device.log_density(conductance, before, arrays["polarity"])
    return jnp.where(arrays["stepped"] > 0, terms, 0.0)


def log_left_out(device: AbstractMemristor, arrays: Arrays) -> Array:
    """Log density of every read given all others, (cycle, pulse), in nats; 0 where no read precedes it."""
    conductance, polarity = jnp.asarray(arrays["conductance"]), arrays["polarity"]
    before = conductance_before(conductance, arrays)
    own = device.log_density(conductance, before, polarity)
    goes_on, after, next_polarity = following(conductance, arrays)
    forth = device.log_density(after, conductance, next_polarity)
    # The integrand has its middle where both steps meet, and about half of the variance of one.
    step = device.step(before, polarity)
    scale = device.scale(before, step)
    back = after - device.step(conductance, next_polarity)
    middle, width = jnp.abs((before + step + back) / 2), scale / jnp.sqrt(2.0)
    nodes = middle[..., None] + width[..., None] * NODES
    possible = nodes > 0
    nodes = jnp.where(possible, nodes, middle[..., None])
    arriving = device.log_density(nodes, before[..., None], polarity[..., None])
    leaving = device.log_density(after[..., None], nodes, next_polarity[..., None])
    weights = jnp.where(possible, LOG_WEIGHTS, -jnp.inf)
    bridge = logsumexp(arriving + leaving + weights, axis=-1) + jnp.log(width)
    terms = own + jnp.where(goes_on, forth - bridge, 0.0)
    return jnp.where(arrays["stepped"] > 0, terms, 0.0)


def following(conductance: Array, arrays: Arrays) -> tuple[Array, Array, Array]:
    """Whether a step starts from each read, the read after it (S), and its polarity."""

    def shift(array: Array) -> Array:
        return jnp.concatenate([array[..., 1:], array[..., -1:]], axis=-1)

    starts = (arrays["stepped"] > 0) & (arrays["restarts"] == 0)
    goes_on = shift(jnp.asarray(starts)).at[..., -1].set(False)
    return goes_on, shift(conductance), shift(jnp.asarray(arrays["polarity"]))
