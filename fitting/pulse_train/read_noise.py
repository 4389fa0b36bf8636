r"""Reads that are noisy: the true conductance after every pulse is hidden.

A read is :math:`r_k = G_k e^{\sigma_r \eta_k}`, and the true conductances obey the law of the step. Instead of the
true conductances their read errors :math:`\eta_k` are sampled: the density of the reads,

.. math:: p(r_k \mid G_k)\,dG_k = \frac{\varphi(\eta_k)}{\sigma_r r_k}\,\sigma_r G_k\,d\eta_k
          = \varphi(\eta_k)\, e^{-\sigma_r \eta_k}\, d\eta_k

is their standard normal prior but for the last factor, so each term is
:math:`\ln p(G_k \mid G_{k-1}) - \sigma_r \eta_k` with :math:`G_k = r_k e^{-\sigma_r \eta_k}`. Where the conductance
before a pulse is given it is a noisy read, too, of a conductance of which nothing else is known (constant density of
its logarithm): its error is standard normal.

A read left out leaves its neighbours' true conductances behind; with them

.. math:: p(r_k \mid r_{-k}, G_{k \pm 1}) = \frac{\int p(r_k \mid x)\,p(x \mid G_{k-1})\,p(G_{k+1} \mid x)\,dx}
                                                 {\int p(x \mid G_{k-1})\,p(G_{k+1} \mid x)\,dx}
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array

from charz.devices.increments import log_normal_shape
from charz.devices.memristor import SoftBoundsMemristor
from charz.fitting.contract import Arrays, Observations, Values
from charz.fitting.pulse_train.observations import conductance_before
from charz.fitting.pulse_train.steps import LOG_WEIGHTS, NODES, following, log_steps, soft_bounds


def latents(observations: Observations) -> dict[str, np.ndarray]:
    """One error for each read after a known conductance, one for each conductance that is given."""
    stepped = observations.arrays["stepped"] > 0
    return {"read_error": stepped, "start_error": observations.arrays["restarts"] > 0}


def true_arrays(values: Values, arrays: Arrays) -> Arrays:
    """Measurement with the true conductances in the place of the reads."""
    noise = values["read_noise"]
    return {
        **arrays,
        "conductance": arrays["conductance"] * jnp.exp(-noise * values["read_error"]),
        "start": arrays["start"] * jnp.exp(-noise * values["start_error"]),
    }


def log_likelihood(values: Values, arrays: Arrays) -> Array:
    """Terms of one device, (cycle, pulse), in nats."""
    terms = log_steps(soft_bounds(values), true_arrays(values, arrays))
    return jnp.where(arrays["stepped"] > 0, terms - values["read_noise"] * values["read_error"], 0.0)


def left_out(values: Values, arrays: Arrays) -> Array:
    """Log density of every read given all others, (cycle, pulse), in nats for reads in S."""
    device, hidden = soft_bounds(values), true_arrays(values, arrays)
    conductance, polarity = hidden["conductance"], arrays["polarity"]
    before = conductance_before(conductance, hidden)
    goes_on, after, next_polarity = following(conductance, arrays)
    middle, width = _path(device, before, polarity, conductance, after, next_polarity, goes_on)
    path = _log_path(device, before, polarity, after, next_polarity, goes_on)
    read, noise = jnp.asarray(arrays["conductance"]), values["read_noise"]

    def log_read(true: Array) -> Array:
        return log_normal_shape(jnp.log(read[..., None] / true) / noise) - jnp.log(noise * read[..., None])

    # The integrand with the read is narrower, and lies between the path and the read.
    precision, read_precision = width**-2, (noise * read) ** -2
    joint_width = (precision + read_precision) ** -0.5
    joint_middle = (middle * precision + read * read_precision) * joint_width**2
    with_read = _integral(lambda x: path(x) + log_read(x), joint_middle, joint_width)
    return jnp.where(arrays["stepped"] > 0, with_read - _integral(path, middle, width), 0.0)


def _path(
    device: SoftBoundsMemristor,
    before: Array,
    polarity: Array,
    conductance: Array,
    after: Array,
    next_polarity: Array,
    goes_on: Array,
) -> tuple[Array, Array]:
    """Middle and width, in S, of the density of a true conductance between its neighbours."""
    step = device.step(before, polarity)
    scale = device.scale(before, step)
    back = after - device.step(conductance, next_polarity)
    middle = jnp.where(goes_on, (before + step + back) / 2, before + step)
    return jnp.abs(middle), jnp.where(goes_on, scale / jnp.sqrt(2.0), scale)


def _log_path(
    device: SoftBoundsMemristor,
    before: Array,
    polarity: Array,
    after: Array,
    next_polarity: Array,
    goes_on: Array,
) -> Callable[[Array], Array]:
    """Log density of the way from one neighbour to the other through the nodes (..., node)."""

    def log_path(true: Array) -> Array:
        arriving = device.log_density(true, before[..., None], polarity[..., None])
        leaving = device.log_density(after[..., None], true, next_polarity[..., None])
        return arriving + jnp.where(goes_on[..., None], leaving, 0.0)

    return log_path


def _integral(log_integrand: Callable[[Array], Array], middle: Array, width: Array) -> Array:
    """Log of the integral over positive conductances, by the trapezoidal rule on nodes dense around the middle."""
    nodes = middle[..., None] + width[..., None] * NODES
    possible = nodes > 0
    terms = log_integrand(jnp.where(possible, nodes, middle[..., None]))
    return logsumexp(jnp.where(possible, terms + LOG_WEIGHTS, -jnp.inf), axis=-1) + jnp.log(width)
