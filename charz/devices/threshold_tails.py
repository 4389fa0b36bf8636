r"""Tails of threshold laws in logarithms: probabilities of intervals, and the normal score of a probability.

A threshold far out in a tail has a probability that underflows, or one that rounds to 1. Likelihoods of censored
thresholds need its logarithm all the same, with a finite value and finite derivatives (the first and the second).
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtri
from jaxtyping import Array, Float

HALF_LOG_2PI = 0.9189385332046727
# Beyond these, differences of squares have no digit left, and exponentials no room for their derivatives.
FARTHEST_SCORE = 1e5
LARGEST_EXPONENT = 500.0
# exp(-650) is still a normal number of double precision, exp(-80) one of single precision.
SMALLEST_LOG = {8: -650.0, 4: -80.0}
NARROW = 1e-4


def log_one_minus_exp(log_size: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Return :math:`\ln(1 - e^{-x})` from :math:`\ln x`; for small x that is :math:`\ln x` itself."""
    small = log_size < -30
    size = jnp.exp(jnp.clip(log_size, -30, LARGEST_EXPONENT))
    return jnp.where(small, log_size, jnp.log(-jnp.expm1(-size)))


def log_normal_density(score: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Return :math:`\ln \varphi(z)` of the standard normal distribution."""
    return -0.5 * score**2 - HALF_LOG_2PI


def log_normal_below(score: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Return :math:`\ln \Phi(z)`, constant beyond :math:`|z| = 10^5`."""
    return log_ndtr(jnp.clip(score, -FARTHEST_SCORE, FARTHEST_SCORE))


def log_normal_between(low: Float[Array, "..."], high: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Return :math:`\ln(\Phi(b) - \Phi(a))` for a < b; of a narrow interval by its middle, where they cancel."""
    # In the upper half both probabilities are near 1: the mirror image has the digits.
    mirrored = low + high > 0
    lower, upper = jnp.where(mirrored, -high, low), jnp.where(mirrored, -low, high)
    lower, upper = (jnp.clip(end, -FARTHEST_SCORE, FARTHEST_SCORE) for end in (lower, upper))
    middle, width = (low + high) / 2, high - low
    # Also where both ends lie beyond the clip.
    narrow = (width * (1 + jnp.abs(middle)) < NARROW) | (upper <= lower)
    apart = jnp.where(narrow, -1.0, lower)
    end = jnp.where(narrow, 1.0, upper)
    drop = log_ndtr(end) - log_ndtr(apart)
    wide = log_ndtr(end) + jnp.log(-jnp.expm1(-drop))
    smallest = jnp.finfo(jnp.result_type(width)).tiny
    return jnp.where(narrow, log_normal_density(middle) + jnp.log(jnp.maximum(width, smallest)), wide)


def normal_score(log_below: Float[Array, "..."], log_above: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Normal score :math:`z = \Phi^{-1}(F)` from :math:`\ln F` and :math:`\ln(1 - F)`.

    The smaller of both probabilities decides, so that both tails keep their digits; the score ends at about ±36
    (in single precision ±12), beyond which no threshold is ever seen.
    """
    smallest = SMALLEST_LOG[jnp.result_type(log_below).itemsize]
    return _score(jnp.clip(log_below, smallest, 0), jnp.clip(log_above, smallest, 0))


@jax.custom_jvp
def _score(log_below: Float[Array, "..."], log_above: Float[Array, "..."]) -> Float[Array, "..."]:
    magnitude = ndtri(jnp.exp(jnp.minimum(log_below, log_above)))
    return jnp.where(log_below < log_above, magnitude, -magnitude)


@_score.defjvp
def _score_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    log_below, log_above = primals
    score = _score(log_below, log_above)
    low = log_below < log_above
    # dz = dF / phi(z) = F dlnF / phi(z), and the same from above with the other sign.
    rate = jnp.exp(jnp.minimum(log_below, log_above) - log_normal_density(score))
    return score, rate * jnp.where(low, tangents[0], -tangents[1])
