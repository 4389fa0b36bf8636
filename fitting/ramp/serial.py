r"""Likelihood of thresholds whose normal scores are correlated in time around a drifting law (`SerialThreshold`).

An exact threshold has the density of the Gaussian copula,

.. math:: p(y_t \mid y_{<t}) = f_t(y_t)\,\frac{\varphi(z_t; r z_{t-1}, 1 - r^2)}{\varphi(z_t)},
          \qquad z_t = \Phi^{-1}(F_t(y_t)), \quad r = \rho^{\text{gap}}

A censored one is known to lie in a range of probability :math:`P_t`. Its place there is a latent variable:
:math:`\eta_t` is standard normal a priori, :math:`F_t = F_l + \Phi(\eta_t) P_t`, and the factor is
:math:`P_t\,\varphi(z_t; r z_{t-1}, 1 - r^2)/\varphi(z_t)`. Integrated over η this is the probability of the range.
Under fresh noise a score is predicted by all before it (`charz.fitting.ramp.wander`), otherwise all is the same.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float

from charz.devices.threshold_series import SerialThreshold, innovation
from charz.devices.threshold_tails import log_normal_between, normal_score
from charz.devices.thresholds import LognormalThreshold, WeibullThreshold
from charz.fitting.contract import Arrays, Observations, Values
from charz.fitting.ramp.likelihood import interval
from charz.fitting.ramp.wander import around, predictions
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT, FLAG_NONE, FLAG_RIGHT

LATENT = "place_in_range"
# ln 0 for logaddexp: its derivative is 0 as well.
NOTHING = -1e300
# Normal score of a bound that there is not.
UNBOUNDED = 40.0


def latent_places(observations: Observations) -> dict[str, np.ndarray]:
    """One latent variable for each censored threshold."""
    if "censored" not in observations.arrays:
        return {}
    mask = (observations.arrays["censored"] != FLAG_NONE) & observations.measured
    return {LATENT: mask} if mask.any() else {}


def chain_terms(device: SerialThreshold, values: Values, arrays: Arrays) -> Float[Array, " cycle"]:
    """Log density of each threshold given the recorded ones before, in nats; 0 at padding. For a chain alone."""
    score, own = _scores(device, values, arrays)
    correlation = device.over(arrays["gap"].astype(int))
    expected = correlation * score[arrays["previous"].astype(int)]
    return _terms(score, own, expected, innovation(correlation), arrays)


def wander_terms(device: SerialThreshold, values: Values, arrays: Arrays) -> Float[Array, " cycle"]:
    """The same for a chain under fresh noise."""
    score, own = _scores(device, values, arrays)
    decay = device.over(arrays["gap"].astype(int))
    expected, variance = predictions(score, arrays["present"] > 0, decay, device.chain_share)
    return _terms(score, own, expected, variance + 1 - device.chain_share, arrays)


def left_out_terms(device: SerialThreshold, values: Values, arrays: Arrays) -> Float[Array, " cycle"]:
    """Log density of each threshold given all others, of which both neighbours count. For a chain alone."""
    score, own = _scores(device, values, arrays)
    before, after = (device.over(arrays[name].astype(int)) for name in ("gap", "gap_after"))
    rest_before, rest_after = innovation(before), innovation(after)
    precision = 1 / rest_before + after**2 / rest_after
    pull = before * score[arrays["previous"].astype(int)] / rest_before
    pull = pull + after * score[arrays["following"].astype(int)] / rest_after
    return _left_out(device, score, own, pull / precision, 1 / precision, arrays)


def left_out_wander_terms(device: SerialThreshold, values: Values, arrays: Arrays) -> Float[Array, " cycle"]:
    """The same for a chain under fresh noise, where all others have a say."""
    score, own = _scores(device, values, arrays)
    before, after = (device.over(arrays[name].astype(int)) for name in ("gap", "gap_after"))
    centre, variance = around(score, arrays["present"] > 0, before, after, device.chain_share)
    return _left_out(device, score, own, centre, variance, arrays)


def _terms(
    score: Array, own: Array, expected: Array, variance: Array, arrays: Arrays
) -> Float[Array, " cycle"]:
    """Own density of each threshold, times that of its score as expected over that of a score by itself."""
    terms = own + 0.5 * score**2 - 0.5 * (score - expected) ** 2 / variance - 0.5 * jnp.log(variance)
    return jnp.where(arrays["present"] > 0, terms, 0.0)


def _left_out(
    device: SerialThreshold, score: Array, own: Array, centre: Array, variance: Array, arrays: Arrays
) -> Float[Array, " cycle"]:
    """`_terms`, but a censored threshold by the probability of its range, whatever its latent place."""
    terms = _terms(score, own, centre, variance, arrays)
    if "censored" not in arrays:
        return terms
    scale = jnp.sqrt(variance)
    low, high = _range(device, arrays)
    inside = log_normal_between((low - centre) / scale, (high - centre) / scale)
    censored = (arrays["censored"] != FLAG_NONE) & (arrays["present"] > 0)
    return jnp.where(censored, inside, terms)


def _scores(
    device: SerialThreshold, values: Values, arrays: Arrays
) -> tuple[Float[Array, " cycle"], Float[Array, " cycle"]]:
    """Normal score of each threshold, and the logarithm of its own density or of the probability of its range."""
    law = device.at(arrays["kilocycles"])
    threshold = arrays["threshold"]
    exact, own = jax.lax.optimization_barrier((law.score(threshold), law.log_density(threshold)))
    if LATENT not in values:
        return exact, own
    flag, eta = arrays["censored"], values[LATENT]
    # XLA would fuse, and so repeat, all that follows into each place where a neighbour's score is looked up: minutes
    # of compilation for a Hessian.
    log_probability, below, above = jax.lax.optimization_barrier(_probabilities(law, arrays))
    score = normal_score(
        jnp.logaddexp(below, log_ndtr(eta) + log_probability),
        jnp.logaddexp(above, log_ndtr(-eta) + log_probability),
    )
    chosen = jnp.where(flag == FLAG_NONE, exact, score), jnp.where(flag == FLAG_NONE, own, log_probability)
    return jax.lax.optimization_barrier(chosen)


def _probabilities(
    law: WeibullThreshold | LognormalThreshold, arrays: Arrays
) -> tuple[Float[Array, " cycle"], Float[Array, " cycle"], Float[Array, " cycle"]]:
    """Logarithms of the probabilities of each range, below it, and above it."""
    flag, threshold = arrays["censored"], arrays["threshold"]
    log_below, log_above = law.log_below(threshold), law.log_above(threshold)
    inside, low, high = log_below, log_below, log_above
    if "lower" in arrays:
        lower, upper = interval(arrays)
        inside, low, high = law.log_between(lower, upper), law.log_below(lower), law.log_above(upper)
    is_left, is_right = flag == FLAG_LEFT, flag == FLAG_RIGHT
    log_probability = jnp.where(is_left, log_below, jnp.where(is_right, log_above, inside))
    below = jnp.where(is_left, NOTHING, jnp.where(is_right, log_below, low))
    above = jnp.where(is_right, NOTHING, jnp.where(is_left, log_above, high))
    return log_probability, below, above


def _range(device: SerialThreshold, arrays: Arrays) -> tuple[Float[Array, " cycle"], Float[Array, " cycle"]]:
    """Normal scores of both ends of the range of a censored threshold."""
    law, flag = device.at(arrays["kilocycles"]), arrays["censored"]
    at = law.score(arrays["threshold"])
    low, high = at, at
    if "lower" in arrays:
        lower, upper = interval(arrays)
        inside = flag == FLAG_INTERVAL
        low, high = jnp.where(inside, law.score(lower), at), jnp.where(inside, law.score(upper), at)
    low, high = jnp.where(flag == FLAG_LEFT, -UNBOUNDED, low), jnp.where(flag == FLAG_RIGHT, UNBOUNDED, high)
    return low, jnp.where(flag == FLAG_NONE, low + 1, high)
