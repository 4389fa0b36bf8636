r"""Log likelihood of thresholds, one term a ramp: density, or the probability of what is known.

.. math:: \ell = \ln f(y), \quad \ln F(y), \quad \ln[1 - F(y)], \quad \ln[F(u) - F(l)]

for an exact, a left-, a right- and an interval-censored threshold, under the *same* law that simulates the device.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.devices.thresholds import AbstractThresholdLaw
from charz.fitting.contract import Arrays
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_RIGHT


def threshold_terms(law: AbstractThresholdLaw, arrays: Arrays) -> Float[Array, " cycle"]:
    """Log likelihood of independent thresholds in nats, 0 at padding; leaves of the law broadcast against cycles."""
    threshold = arrays["threshold"]
    terms = law.log_density(threshold)
    # Which kinds of censoring there are at all is known when the program is built: the rest is not computed.
    if "censored" in arrays:
        flag = arrays["censored"]
        terms = jnp.where(flag == FLAG_LEFT, law.log_below(threshold), terms)
        terms = jnp.where(flag == FLAG_RIGHT, law.log_above(threshold), terms)
    if "lower" in arrays:
        between = law.log_between(*interval(arrays))
        terms = jnp.where(arrays["censored"] == FLAG_INTERVAL, between, terms)
    return jnp.where(arrays["present"] > 0, terms, 0.0)


def interval(arrays: Arrays) -> tuple[Float[Array, " cycle"], Float[Array, " cycle"]]:
    """Bounds of each interval; a harmless one, twice as wide as its bound, where there is none."""
    lower, upper = arrays["lower"], arrays["upper"]
    inside = arrays["censored"] == FLAG_INTERVAL
    stand_in = lower + jnp.maximum(jnp.abs(lower), 1e-12)
    return lower, jnp.where(inside, upper, stand_in)
