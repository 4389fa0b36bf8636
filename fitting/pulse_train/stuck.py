r"""A device responds, or it is stuck: a mixture of the two for all its reads together, the choice summed out.

With :math:`R_k, S_k` the log likelihoods of the first k reads of a device that responds and of one that is stuck (no
mean step, only the additive noise), and π the stuck fraction,

.. math:: L_k = \ln\left[(1 - \pi) e^{R_k} + \pi e^{S_k}\right], \qquad \text{term}_k = L_k - L_{k-1}

The terms are the densities of each read given those before it, and add up to the device's log likelihood.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.devices.increments import log_folded_density
from charz.devices.memristor import LEAST_SCALE
from charz.fitting.contract import Arrays, Values
from charz.fitting.pulse_train.observations import conductance_before
from charz.fitting.pulse_train.steps import log_left_out, log_steps, soft_bounds

Weights = tuple[Float[Array, ""], Float[Array, ""]]


def log_stuck(values: Values, arrays: Arrays) -> Array:
    """Log density of every read of a stuck device given the one before, (cycle, pulse), in nats."""
    conductance = jnp.asarray(arrays["conductance"])
    before = conductance_before(conductance, arrays)
    scale = jnp.sqrt(values["additive_noise"] ** 2 + (LEAST_SCALE * before) ** 2)
    return jnp.where(arrays["stepped"] > 0, log_folded_density(conductance, before, scale), 0.0)


def log_likelihood(values: Values, arrays: Arrays) -> Array:
    """Terms of one device, (cycle, pulse), in nats."""
    responding, stuck = log_steps(soft_bounds(values), arrays), log_stuck(values, arrays)
    alive, dead = _log_weights(values["stuck_fraction"])
    total = jnp.logaddexp(alive + jnp.cumsum(responding.ravel()), dead + jnp.cumsum(stuck.ravel()))
    terms = jnp.diff(total, prepend=jnp.logaddexp(alive, dead)).reshape(responding.shape)
    return jnp.where(arrays["stepped"] > 0, terms, 0.0)


def left_out(values: Values, arrays: Arrays) -> Array:
    r"""Log density of every read given all others of its device, (cycle, pulse), in nats.

    With :math:`r, s` the same for a device that responds and for a stuck one:
    :math:`\ln[(1-\pi)e^R + \pi e^S] - \ln[(1-\pi)e^{R - r} + \pi e^{S - s}]`.
    """
    device = soft_bounds(values)
    idle = dataclasses.replace(device, stuck=jnp.ones_like(device.cycle_noise, bool))
    alive, dead = _log_weights(values["stuck_fraction"])
    responding, stuck = log_steps(device, arrays).sum(), log_stuck(values, arrays).sum()
    whole = jnp.logaddexp(alive + responding, dead + stuck)
    without = jnp.logaddexp(
        alive + responding - log_left_out(device, arrays), dead + stuck - log_left_out(idle, arrays)
    )
    return jnp.where(arrays["stepped"] > 0, whole - without, 0.0)


def stuck_log_odds(values: Values, arrays: Arrays) -> Array:
    """Log odds that the device is stuck, given all its reads and these values."""
    alive, dead = _log_weights(values["stuck_fraction"])
    responding, stuck = log_steps(soft_bounds(values), arrays).sum(), log_stuck(values, arrays).sum()
    return dead + stuck - alive - responding


def _log_weights(fraction: Array) -> Weights:
    """Log of the probabilities that a device responds and that it is stuck, finite for fractions of 0 and 1, too."""
    tiny = jnp.finfo(jnp.result_type(fraction, float)).tiny
    inside = jnp.clip(fraction, tiny, 1 - jnp.finfo(jnp.result_type(fraction, float)).eps)
    return jnp.log1p(-inside), jnp.log(inside)
