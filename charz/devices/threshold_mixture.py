"""Thresholds of devices that switch by one of two mechanisms, such as two types of domain walls."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.threshold_ramp import solve_rising
from charz.devices.thresholds import AbstractThresholdLaw, WeibullThreshold


class WeibullMixtureThreshold(AbstractThresholdLaw):
    r"""Two Weibull laws, one of which each ramp follows by chance.

    .. math:: F(y) = q\,F_1(y) + (1 - q)\,F_2(y), \qquad \lambda_1 < \lambda_2

    Parameters
    ----------
    low, high : WeibullThreshold
        The component with the smaller scale, and the other.
    weight_low : array
        Share q of the lower component, between 0 and 1, dimensionless.
    """

    low: WeibullThreshold
    high: WeibullThreshold
    weight_low: Float[Array, "..."]

    def log_density(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of the weighted sum of both densities."""
        return self._join(self.low.log_density(threshold), self.high.log_density(threshold))

    def log_below(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return ln F."""
        return self._join(self.low.log_below(threshold), self.high.log_below(threshold))

    def log_above(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return ln(1 - F)."""
        return self._join(self.low.log_above(threshold), self.high.log_above(threshold))

    def log_between(self, lower: Float[Array, "..."], upper: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of the weighted sum of both probabilities."""
        return self._join(self.low.log_between(lower, upper), self.high.log_between(lower, upper))

    def threshold_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        """Inverse of F, between those of both components, by halving and one Newton step."""
        ends = self.low.threshold_for(probability), self.high.threshold_for(probability)
        return solve_rising(self._log_odds, jax.scipy.special.logit(probability), *_sorted(*ends))

    def mean(self) -> Float[Array, "..."]:
        """Weighted mean of both, in the unit of drive."""
        return self.weight_low * self.low.mean() + (1 - self.weight_low) * self.high.mean()

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        """Draw independent thresholds, each of a component drawn first."""
        which, low, high = jax.random.split(key, 3)
        is_low = jax.random.bernoulli(which, self.weight_low, shape)
        return jnp.where(is_low, self.low.sample(low, shape), self.high.sample(high, shape))

    def _log_odds(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.log_below(threshold) - self.log_above(threshold)

    def _join(self, low: Float[Array, "..."], high: Float[Array, "..."]) -> Float[Array, "..."]:
        kind = jnp.finfo(jnp.result_type(self.weight_low))
        share = jnp.clip(self.weight_low, kind.tiny, 1 - kind.epsneg)
        return jnp.logaddexp(jnp.log(share) + low, jnp.log1p(-share) + high)


def _sorted(first: Float[Array, "..."], second: Float[Array, "..."]) -> tuple[Array, Array]:
    return jnp.minimum(first, second), jnp.maximum(first, second)
