r"""Density and draws of a conductance after one noisy step, which is never negative: folded at zero.

A step leads from :math:`G` to :math:`m = G + \Delta G`, with noise of scale :math:`s` around it. No conductance is
below zero: what the noise would carry there is reflected,

.. math:: G' = |m + s\,\varepsilon|, \qquad
          p(G') = \frac1s\left[f\!\left(\frac{G' - m}{s}\right) + f\!\left(\frac{G' + m}{s}\right)\right]

with :math:`f` the standard normal density or Student's t. Far from zero the second term vanishes; near zero the
density stays normalised, in closed form, and the simulator is the same one line. (A truncated noise would need the
distribution function of Student's t, whose derivative by the degrees of freedom has no closed form.)
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def log_normal_shape(deviation: Float[Array, "..."]) -> Float[Array, "..."]:
    """Log of the standard normal density, in nats."""
    return -0.5 * deviation**2 - HALF_LOG_TWO_PI


def log_student_shape(
    deviation: Float[Array, "..."], degrees_of_freedom: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Log of Student's t density of scale 1, in nats.

    .. math:: \ln f = \ln\Gamma\tfrac{\nu+1}2 - \ln\Gamma\tfrac\nu2 - \tfrac12\ln\nu\pi
              - \tfrac{\nu+1}2 \ln(1 + w^2/\nu)
    """
    nu = degrees_of_freedom
    norm = jax.lax.lgamma((nu + 1) / 2) - jax.lax.lgamma(nu / 2) - 0.5 * jnp.log(nu * math.pi)
    return norm - (nu + 1) / 2 * jnp.log1p(deviation**2 / nu)


def log_folded_density(
    conductance: Float[Array, "..."],
    mean: Float[Array, "..."],
    scale: Float[Array, "..."],
    degrees_of_freedom: Float[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Log density of a conductance after a step, in nats for conductances in S.

    Parameters
    ----------
    conductance : array
        After the step, in S, above zero.
    mean : array
        Conductance before the step plus the mean step, in S; it may be below zero.
    scale : array
        Scale of the noise, in S, above zero: its standard deviation where it is normal.
    degrees_of_freedom : array, optional
        Of Student's t; normal noise without.

    Returns
    -------
    array
    """
    direct = (conductance - mean) / scale
    if degrees_of_freedom is None:
        # Both normal terms differ by the factor exp(-2 G m/s²).
        reflected = jax.nn.softplus(-2 * (conductance / scale) * (mean / scale))
        return log_normal_shape(direct) + reflected - jnp.log(scale)
    back = log_student_shape((conductance + mean) / scale, degrees_of_freedom)
    return jnp.logaddexp(log_student_shape(direct, degrees_of_freedom), back) - jnp.log(scale)


def draw_noise(
    key: PRNGKeyArray, shape: tuple[int, ...], degrees_of_freedom: Float[Array, "..."] | None = None
) -> Float[Array, "..."]:
    """Draw ε of so many steps: standard normal, or Student's t of scale 1."""
    kind = jnp.result_type(float)
    if degrees_of_freedom is None:
        return jax.random.normal(key, shape, kind)
    return jax.random.t(key, degrees_of_freedom, shape, kind)


def draw_folded(
    key: PRNGKeyArray,
    mean: Float[Array, "..."],
    scale: Float[Array, "..."],
    degrees_of_freedom: Float[Array, "..."] | None = None,
) -> Float[Array, "..."]:
    """Draw a conductance after a step, in S: fresh noise for every element of `mean`."""
    shape = jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(scale))
    return jnp.abs(mean + scale * draw_noise(key, shape, degrees_of_freedom))
