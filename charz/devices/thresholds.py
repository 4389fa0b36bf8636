r"""Threshold laws: the distribution of the drive at which a ramp switches a device.

Three closed forms; `charz.devices.threshold_ramp` derives one from thermal activation, `threshold_mixture` joins two,
`threshold_series` orders them in time.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln, ndtri
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.threshold_tails import (
    HALF_LOG_2PI,
    LARGEST_EXPONENT,
    log_normal_below,
    log_normal_between,
    log_one_minus_exp,
    normal_score,
)

EULER_GAMMA = 0.5772156649015329
# Values that an optimizer may try are kept where logarithms, quotients and their derivatives are finite.
SMALLEST, LARGEST = 1e-30, 1e30
SHARPEST = 1e8
LARGEST_SHIFT = 40.0


class AbstractThresholdLaw(eqx.Module):
    """The distribution of the threshold of one ramp: F(y), the probability that the device switched below y.

    Leaves are the law's parameters, in SI units, named in full; they broadcast against the thresholds, with
    leading axes ``(draw, *array)``. Logarithms of probabilities are in nats, finite for any finite threshold that
    the law allows, and twice differentiable. The *same* methods are the likelihood in `charz.fitting` and the
    simulator of ramps.
    """

    @abc.abstractmethod
    def log_density(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of the density at a threshold, density in 1/unit of drive."""

    @abc.abstractmethod
    def log_below(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return ln F: the logarithm of the probability of switching at or below `threshold`."""

    @abc.abstractmethod
    def log_above(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return ln(1 - F): the logarithm of the probability of reaching `threshold` without switching."""

    @abc.abstractmethod
    def log_between(self, lower: Float[Array, "..."], upper: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of the probability of switching in (lower, upper], ``lower < upper``."""

    @abc.abstractmethod
    def threshold_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        """Drive below which the device switches with that probability (inverse of F), in the unit of drive."""

    def score(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Normal score :math:`\Phi^{-1}(F(y))`, dimensionless: standard normal if the law is true."""
        return normal_score(self.log_below(threshold), self.log_above(threshold))

    def middle(self) -> Float[Array, "..."]:
        """Threshold that half of the ramps stay below, in the unit of drive."""
        return self.threshold_for(jnp.asarray(0.5))

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        """Draw independent thresholds; `shape` ends with the shape of the leaves."""
        kind = jnp.result_type(float)
        return self.threshold_for(jax.random.uniform(key, shape, kind, minval=jnp.finfo(kind).tiny))


class AbstractExtremeLaw(AbstractThresholdLaw):
    r"""Law with :math:`F = 1 - e^{-e^w}`: a weakest link fails first; w rises with the threshold.

    :math:`e^w` is the cumulative hazard, the number of switching events to be expected up to there.
    """

    @abc.abstractmethod
    def log_hazard(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm w of the cumulative hazard, at most 500."""

    def log_below(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return ln(1 - exp(-e^w))."""
        return log_one_minus_exp(self.log_hazard(threshold))

    def log_above(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return -e^w."""
        return -jnp.exp(self.log_hazard(threshold))

    def log_between(self, lower: Float[Array, "..."], upper: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return the logarithm of exp(-e^w_lower) - exp(-e^w_upper), without cancellation."""
        low, high = self.log_hazard(lower), self.log_hazard(upper)
        rise = jnp.maximum(high - low, SMALLEST)
        gain = low + jnp.where(rise > 30, rise, jnp.log(jnp.expm1(jnp.minimum(rise, 30))))
        return -jnp.exp(low) + log_one_minus_exp(gain)


class WeibullThreshold(AbstractExtremeLaw):
    r"""Two-parameter Weibull law of thresholds.

    .. math:: F(y) = 1 - e^{-(y/\lambda)^k}, \qquad y > 0

    Parameters
    ----------
    scale : array
        :math:`\lambda > 0`, in the unit of the drive; 63.2 % of the ramps switch below it.
    shape : array
        :math:`k > 0`, dimensionless; the spread of ln y is :math:`1.28/k`.
    """

    scale: Float[Array, "..."]
    shape: Float[Array, "..."]

    def log_hazard(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`k \ln(y/\lambda)`."""
        return jnp.minimum(_sharp(self.shape) * _log_ratio(threshold, self.scale), LARGEST_EXPONENT)

    def log_density(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`\ln(k/y) + w - e^w`."""
        log_hazard = self.log_hazard(threshold)
        return jnp.log(_sharp(self.shape)) - _log(threshold) + log_hazard - jnp.exp(log_hazard)

    def threshold_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Inverse :math:`\lambda(-\ln(1 - p))^{1/k}`."""
        return self.scale * (-jnp.log1p(-probability)) ** (1 / self.shape)

    def mean(self) -> Float[Array, "..."]:
        r"""Mean :math:`\lambda\,\Gamma(1 + 1/k)`, in the unit of drive."""
        return self.scale * jnp.exp(gammaln(1 + 1 / self.shape))

    def shifted(self, log_factor: Float[Array, "..."]) -> "WeibullThreshold":
        """Law with every threshold multiplied by exp(log_factor)."""
        return WeibullThreshold(self.scale * _factor(log_factor), self.shape)


class GumbelThreshold(AbstractExtremeLaw):
    r"""Gumbel law of the minimum: thresholds may have any sign.

    .. math:: F(y) = 1 - \exp\!\left[-e^{(y - \mu)/s}\right]

    Parameters
    ----------
    location : array
        :math:`\mu`, in the unit of the drive; 63.2 % of the ramps switch below it.
    width : array
        :math:`s > 0`, in the unit of the drive; the standard deviation is :math:`1.28\,s`.
    """

    location: Float[Array, "..."]
    width: Float[Array, "..."]

    def log_hazard(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`(y - \mu)/s`."""
        width = jnp.clip(self.width, SMALLEST, LARGEST)
        return jnp.minimum((threshold - self.location) / width, LARGEST_EXPONENT)

    def log_density(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`w - e^w - \ln s`."""
        log_hazard = self.log_hazard(threshold)
        return log_hazard - jnp.exp(log_hazard) - jnp.log(jnp.clip(self.width, SMALLEST, LARGEST))

    def threshold_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Inverse :math:`\mu + s \ln(-\ln(1 - p))`."""
        return self.location + self.width * jnp.log(-jnp.log1p(-probability))

    def mean(self) -> Float[Array, "..."]:
        r"""Mean :math:`\mu - \gamma s` with Euler's constant, in the unit of drive."""
        return self.location - EULER_GAMMA * self.width


class LognormalThreshold(AbstractThresholdLaw):
    r"""Lognormal law of thresholds.

    .. math:: F(y) = \Phi\!\left(\frac{\ln y - \ln m}{\sigma}\right), \qquad y > 0

    Parameters
    ----------
    median : array
        :math:`m > 0`, in the unit of the drive.
    spread : array
        Standard deviation :math:`\sigma > 0` of ln y, dimensionless.
    """

    median: Float[Array, "..."]
    spread: Float[Array, "..."]

    def score(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`(\ln y - \ln m)/\sigma`, exactly."""
        return _log_ratio(threshold, self.median) / jnp.clip(self.spread, 1 / SHARPEST, SHARPEST)

    def log_density(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`\ln\varphi(z) - \ln(\sigma y)`."""
        spread = jnp.clip(self.spread, 1 / SHARPEST, SHARPEST)
        return -0.5 * self.score(threshold) ** 2 - HALF_LOG_2PI - jnp.log(spread) - _log(threshold)

    def log_below(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`\ln\Phi(z)`."""
        return log_normal_below(self.score(threshold))

    def log_above(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`\ln\Phi(-z)`."""
        return log_normal_below(-self.score(threshold))

    def log_between(self, lower: Float[Array, "..."], upper: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return the logarithm of the difference of two normal probabilities, from the tail with more digits."""
        return log_normal_between(self.score(lower), self.score(upper))

    def threshold_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Inverse :math:`m\,e^{\sigma\Phi^{-1}(p)}`."""
        return self.median * jnp.exp(self.spread * ndtri(probability))

    def mean(self) -> Float[Array, "..."]:
        r"""Mean :math:`m\,e^{\sigma^2/2}`, in the unit of drive."""
        return self.median * jnp.exp(self.spread**2 / 2)

    def shifted(self, log_factor: Float[Array, "..."]) -> "LognormalThreshold":
        """Law with every threshold multiplied by exp(log_factor)."""
        return LognormalThreshold(self.median * _factor(log_factor), self.spread)


def _log_ratio(threshold: Float[Array, "..."], scale: Float[Array, "..."]) -> Float[Array, "..."]:
    return _log(threshold) - jnp.log(jnp.clip(scale, SMALLEST, LARGEST))


def _log(threshold: Float[Array, "..."]) -> Float[Array, "..."]:
    # A lower bound of zero is no bound.
    return jnp.log(jnp.maximum(threshold, SMALLEST))


def _sharp(shape: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.clip(shape, SMALLEST, SHARPEST)


def _factor(log_factor: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.exp(jnp.clip(log_factor, -LARGEST_SHIFT, LARGEST_SHIFT))
