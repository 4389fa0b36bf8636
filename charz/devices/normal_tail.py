"""Logarithm of the normal distribution function with finite value, slope and curvature in the far tail."""

import math

import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

# Beyond it the series is used: there its error is 3e-12 (double) and 1e-6 (single precision).
_FAR_DOUBLE, _FAR_SINGLE = 20.0, 7.0
# Squares of larger deviations would overflow under the sums and products of a likelihood.
_LARGEST_DOUBLE, _LARGEST_SINGLE = 1e75, 1e9


def log_normal_cdf(deviation: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Give :math:`\ln\Phi(z)` in nats, for any z."""
    far = deviation < -_far(deviation)
    near = jnp.where(far, 0, deviation)
    tail = ndtr(-jnp.abs(near))
    close = jnp.log(jnp.where(near > 0, 1 - tail, tail))
    return jnp.where(far, log_normal_tail(deviation), close)


def log_normal_tail(deviation: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Give :math:`\ln\Phi(z)` for z far below 0, by the asymptotic series; a finite number for any other z.

    .. math:: \ln\Phi(z) = -\tfrac{z^2}{2} - \ln\left(-z\sqrt{2\pi}\right)
              + \ln\left(1 - z^{-2} + 3 z^{-4} - 15 z^{-6} + 105 z^{-8} - 945 z^{-10} + \dots\right)
    """
    largest = _LARGEST_DOUBLE if deviation.dtype == jnp.float64 else _LARGEST_SINGLE
    z = jnp.clip(deviation, -largest, -_FAR_SINGLE)
    inverse = 1 / z**2
    series = jnp.zeros_like(z)
    for factor in (11.0, 9.0, 7.0, 5.0, 3.0, 1.0):
        series = -factor * inverse * (1 + series)
    return -(z**2) / 2 - jnp.log(-z) - 0.5 * math.log(2 * math.pi) + jnp.log(1 + series)


def _far(deviation: Float[Array, "..."]) -> float:
    return _FAR_DOUBLE if deviation.dtype == jnp.float64 else _FAR_SINGLE
