r"""Likelihood of switching counts under a switching law.

.. math:: k_{s} \sim \mathrm{Binomial}(n_{s},\ p(w_{s}))

at setting s, with p the *same* law that simulates the device in `charz.learning`; of trials that vary together,
with a beta-binomial distribution of the same mean.
"""

from typing import Any

import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from charz.devices import TwoDirections
from charz.devices.law import AbstractPulsedLaw, AbstractSwitchingLaw
from charz.fitting.contract import Arrays

# A sum of the logarithms below is exact to 1e-12 from here on (Stirling's series).
SHIFT = 10
# More than this many equivalent trials are a binomial distribution, for counts up to a million.
LARGEST_CONCENTRATION = 1e8


def at_settings(law: AbstractSwitchingLaw, settings: Arrays) -> AbstractSwitchingLaw:
    """Give a law the pulse width of each setting, where it has one."""
    return law.for_width(settings["width"]) if isinstance(law, AbstractPulsedLaw) else law


def log_shares(
    law: AbstractSwitchingLaw | TwoDirections, settings: Arrays
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Logarithms of the probabilities to switch and to stay at each setting, in nats."""
    if isinstance(law, TwoDirections):
        first = settings["direction"] == 0
        towards = {**settings, "amplitude": settings["directed_amplitude"]}
        there, back = (log_shares(way, towards) for way in (law.set, law.reset))
        return jnp.where(first, there[0], back[0]), jnp.where(first, there[1], back[1])
    return at_settings(law, settings).log_shares(settings["amplitude"])


def probability_at(law: AbstractSwitchingLaw | TwoDirections, settings: Arrays) -> Float[Array, "..."]:
    """Probability to switch at each setting."""
    if isinstance(law, TwoDirections):
        towards = {**settings, "amplitude": settings["directed_amplitude"]}
        there, back = (probability_at(way, towards) for way in (law.set, law.reset))
        return jnp.where(settings["direction"] == 0, there, back)
    return at_settings(law, settings).probability(settings["amplitude"])


def binomial_terms(law: AbstractSwitchingLaw | TwoDirections, arrays: Arrays) -> Float[Array, " setting"]:
    """Log likelihood of each setting without the binomial coefficient (which no parameter changes), in nats."""
    log_switch, log_stay = log_shares(law, arrays)
    switched = arrays["num_switched"]
    return switched * log_switch + (arrays["num_trials"] - switched) * log_stay


def log_binomial_coefficient(arrays: Arrays) -> Float[Array, " setting"]:
    """Logarithm of the binomial coefficient: makes log likelihoods comparable between models and encodings."""
    trials, switched = arrays["num_trials"], arrays["num_switched"]
    return gammaln(trials + 1) - gammaln(switched + 1) - gammaln(trials - switched + 1)


def beta_binomial_terms(
    law: AbstractSwitchingLaw, concentration: Any, arrays: Arrays
) -> Float[Array, " setting"]:
    r"""Log likelihood of counts whose probability varies from setting to setting, without the coefficient, in nats.

    .. math:: \ln\frac{B(k + pc,\ n - k + (1-p)c)}{B(pc,\ (1-p)c)}

    with concentration c: the probability at a setting is Beta(pc, (1-p)c), the variance of a count
    :math:`np(1-p)\left[1 + \frac{n-1}{c+1}\right]`.
    """
    log_switch, log_stay = log_shares(law, arrays)
    trials, switched = arrays["num_trials"], arrays["num_switched"]
    log_concentration = jnp.log(jnp.clip(concentration, 1 / LARGEST_CONCENTRATION, LARGEST_CONCENTRATION))
    return (
        log_rising(log_switch + log_concentration, switched)
        + log_rising(log_stay + log_concentration, trials - switched)
        - log_rising(log_concentration, trials)
    )


def log_rising(log_start: Float[Array, "..."], num: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Logarithm of :math:`a(a+1)\dots(a+n-1) = \Gamma(a+n)/\Gamma(a)` from ln a, with finite second derivatives.

    The factors are shifted to :math:`a + 10`, where Stirling's series is exact to 1e-12; no difference of two large
    logarithms of gamma functions is taken, so it holds for any a from 0 to `LARGEST_CONCENTRATION`.
    """
    some = num > 0
    n = jnp.where(some, num, 1)
    start = jnp.exp(log_start)
    low = start + SHIFT
    high = low + n
    stirling = (
        (low - 0.5) * jnp.log(1 + n / low) + n * (jnp.log(high) - 1) + _series(1 / high) - _series(1 / low)
    )
    value = log_start - jnp.log(start + n) + jnp.log(_shift(start) / _shift(start + n)) + stirling
    return jnp.where(some, value, 0.0)


def _shift(value: Float[Array, "..."]) -> Float[Array, "..."]:
    """Product (x + 1)...(x + 9), taken in pairs: (x + j)(x + 10 - j) = x² + 10 x + j (10 - j)."""
    square = value * (value + SHIFT)
    return (square + 9) * (square + 16) * (square + 21) * (square + 24) * (value + 5)


def _series(inverse: Float[Array, "..."]) -> Float[Array, "..."]:
    """Correction of Stirling's formula, as a function of 1/x."""
    square = inverse**2
    return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
