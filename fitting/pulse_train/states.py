r"""Likelihood of two alternating states, without and with memory of the cycle before.

A state that follows a measured one of the cycle before has :math:`u_c \mid u_{c-1} \sim
N(\phi u_{c-1}, 1 - \phi^2)`; after a gap, and in the first cycle, the stationary :math:`N(0, 1)`. Left out, a state
that has neighbours on both sides has mean and variance

.. math:: E = \frac{\phi(u_{c-1} + u_{c+1})}{1 + \phi^2}, \qquad V = \frac{1 - \phi^2}{1 + \phi^2}
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from charz.devices.increments import log_normal_shape
from charz.devices.pulse_response import TwoLevelMemristor
from charz.fitting.contract import Arrays, Values

SERIAL_NAMES = ("correlation_set", "correlation_reset", "drift_set", "drift_reset")
# 1 - φ² is kept above this: beyond, a record is a constant and not two states.
LEAST_REST = 1e-9


def with_contrast(values: Values) -> dict[str, Any]:
    """Add the contrast, the logarithm of the ratio of both medians."""
    return {**values, "contrast": jnp.log(values["conductance_set"]) - jnp.log(values["conductance_reset"])}


def two_level(values: Values) -> TwoLevelMemristor:
    """Build the device from the free values; without memory and drift where they have none."""
    nothing = jnp.zeros_like(values["conductance_set"])
    serial = {name: values.get(name, nothing) for name in SERIAL_NAMES}
    names = ("conductance_set", "conductance_reset", "noise_set", "noise_reset")
    return TwoLevelMemristor(**{name: values[name] for name in names}, **serial)


def switching(values: Values) -> TwoLevelMemristor:
    """Build a device to be used: its RESET state never lies above its SET state.

    Cells that do not switch exist, and some are measured the wrong way round (2 of 136 in one array); the likelihood
    takes them as they are. As a device such a cell is one without contrast: both states have the SET median.
    """
    return two_level(
        {**values, "conductance_reset": jnp.minimum(values["conductance_reset"], values["conductance_set"])}
    )


def log_likelihood(values: Values, arrays: Arrays) -> Array:
    """Terms of one device, (cycle, pulse), in nats."""
    device, deviation = _deviation(values, arrays)
    phi = device.correlation(arrays["polarity"]) * arrays["follows"]
    previous = jnp.concatenate([jnp.zeros_like(deviation[:1]), deviation[:-1]])
    return _terms(device, arrays, deviation, phi * previous, _rest(phi))


def left_out(values: Values, arrays: Arrays) -> Array:
    """Log density of every state given all others of its device, (cycle, pulse), in nats."""
    device, deviation = _deviation(values, arrays)
    phi, zero = device.correlation(arrays["polarity"]), jnp.zeros_like(deviation[:1])
    follows = jnp.asarray(arrays["follows"])
    leads = jnp.concatenate([follows[1:], zero])
    neighbours = follows * jnp.concatenate([zero, deviation[:-1]]) + leads * jnp.concatenate(
        [deviation[1:], zero]
    )
    # Precision of a state between its neighbours, times 1 - φ²: 1 alone, 1 + φ² with both.
    precision = jnp.where(follows + leads == 2, 1 + phi**2, jnp.where(follows + leads == 1, 1.0, _rest(phi)))
    return _terms(device, arrays, deviation, phi * neighbours / precision, _rest(phi) / precision)


def _deviation(values: Values, arrays: Arrays) -> tuple[TwoLevelMemristor, Array]:
    device = two_level(values)
    return device, device.deviation(jnp.asarray(arrays["conductance"]), arrays["polarity"], arrays["time"])


def _rest(phi: Array) -> Array:
    return jnp.maximum((1 - phi) * (1 + phi), LEAST_REST)


def _terms(
    device: TwoLevelMemristor, arrays: Arrays, deviation: Array, mean: Array, variance: Array
) -> Array:
    shape = log_normal_shape((deviation - mean) / jnp.sqrt(variance)) - 0.5 * jnp.log(variance)
    terms = shape - jnp.log(device.noise(arrays["polarity"]) * arrays["conductance"])
    return jnp.where(arrays["polarity"] != 0, terms, 0.0)
