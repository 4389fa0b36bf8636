"""Probit switching curve with a lower and an upper asymptote: normally distributed thresholds."""

import math

import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float

from charz.devices.asymptotes import log_mixture
from charz.devices.law import AbstractSwitchingLaw
from charz.devices.normal_tail import log_normal_tail


class ProbitSwitching(AbstractSwitchingLaw):
    r"""Normal-ogive switching law: a device whose threshold is drawn from a normal distribution at every pulse.

    .. math:: p(w) = f + (c - f)\,\Phi\!\left(\frac{w - w_0}{s}\right), \qquad
              \Phi(z) = \tfrac12\,\mathrm{erfc}\!\left(-z/\sqrt 2\right)

    With ``floor = 0`` and ``ceiling = 1`` it is the probability that a threshold :math:`\sim \mathrm{Normal}(w_0, s)`
    lies below the drive: Gaussian noise on the drive, on the pinning field or on the set voltage. Its tails are
    thinner than those of `LogisticSwitching`, which it follows within 0.0095 when the logistic width is
    ``width / 1.702``.

    Parameters
    ----------
    location : array
        Median threshold :math:`w_0`, in the unit of the drive (V, A, A/m, T, or the file's own unit).
    width : array
        Standard deviation of the threshold :math:`s > 0`, in the unit of the drive; the 10-90 % width is
        ``2.563 × width``. A negative one makes the curve fall.
    floor, ceiling : array
        Lower and upper asymptotes, dimensionless, ``0 <= floor < ceiling <= 1``.
    """

    location: Float[Array, "..."]
    width: Float[Array, "..."]
    floor: Float[Array, "..."]
    ceiling: Float[Array, "..."]

    def probability(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Switching probability at `drive` (unit of `location`); dimensionless, between floor and ceiling."""
        return self.floor + (self.ceiling - self.floor) * ndtr(self._deviation(drive))

    def slope(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Derivative :math:`(c - f)\,\varphi(z)/s` with the normal density φ, in 1/unit of drive."""
        density = jnp.exp(-(self._deviation(drive) ** 2) / 2) / math.sqrt(2 * math.pi)
        return (self.ceiling - self.floor) * density / self.width

    def drive_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Inverse :math:`w_0 + s\,\Phi^{-1}\frac{p - f}{c - f}`; infinite at the asymptotes, NaN outside them."""
        share = (probability - self.floor) / (self.ceiling - self.floor)
        return self.location + self.width * ndtri(share)

    def middle(self) -> Float[Array, "..."]:
        """The location: there Φ = ½."""
        return self.location

    def log_shares(self, drive: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""Logarithms of the probabilities to switch and to stay, in nats, each with its own relative precision.

        Without a floor the first falls as :math:`-z^2/2` for ever.
        """
        deviation = self._deviation(drive)
        tail = ndtr(-jnp.abs(deviation))
        above = deviation > 0
        up, down = jnp.where(above, 1 - tail, tail), jnp.where(above, tail, 1 - tail)
        return (
            log_mixture(self.floor, self.ceiling, down, up, log_normal_tail(deviation)),
            log_mixture(1 - self.ceiling, 1 - self.floor, up, down, log_normal_tail(-deviation)),
        )

    def _deviation(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Distance from the location in standard deviations, z."""
        return (drive - self.location) / self.width
