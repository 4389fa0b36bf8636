"""Logistic switching curve with a lower and an upper asymptote."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.devices.asymptotes import log_mixture
from charz.devices.law import AbstractSwitchingLaw


class LogisticSwitching(AbstractSwitchingLaw):
    r"""Four-parameter logistic switching law.

    .. math:: p(w) = f + (c - f)\,\sigma\!\left(\frac{w - w_0}{s}\right), \qquad
              \sigma(z) = \frac{1}{1 + e^{-z}}

    With ``floor = 1 - a``, ``ceiling = 1`` and ``width = 1 / k`` this is equation (E1) of Ellis et al.,
    Neuromorph. Comput. Eng. 3, 021001 (2023): ``p(w) = 1 - a + a σ(k (w - w0))``.

    Parameters
    ----------
    location : array
        Centre :math:`w_0`, in the unit of the drive (V, A, A/m, T, or the file's own unit where it is unknown).
    width : array
        Logistic scale :math:`s > 0`, in the unit of the drive; the 10-90 % width is ``2 ln 9 × width``.
    floor, ceiling : array
        Lower and upper asymptotes, dimensionless, ``0 <= floor < ceiling <= 1``.
    """

    location: Float[Array, "..."]
    width: Float[Array, "..."]
    floor: Float[Array, "..."]
    ceiling: Float[Array, "..."]

    def probability(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Switching probability at `drive` (unit of `location`); dimensionless, between floor and ceiling."""
        return self.floor + (self.ceiling - self.floor) * jax.nn.sigmoid((drive - self.location) / self.width)

    def slope(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Derivative :math:`(c - f)\,\sigma(1 - \sigma)/s`, in 1/unit of drive."""
        sigma = jax.nn.sigmoid((drive - self.location) / self.width)
        return (self.ceiling - self.floor) * sigma * (1 - sigma) / self.width

    def drive_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Inverse :math:`w_0 + s \ln\frac{p - f}{c - p}`; infinite at the asymptotes, NaN outside them."""
        return self.location + self.width * (
            jnp.log(probability - self.floor) - jnp.log(self.ceiling - probability)
        )

    def middle(self) -> Float[Array, "..."]:
        """The location: there σ = ½."""
        return self.location

    def log_shares(self, drive: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""Logarithms of the probabilities to switch and to stay, in nats, each with its own relative precision.

        Without a floor the first falls as :math:`(w - w_0)/s` for ever.
        """
        deviation = (drive - self.location) / self.width
        small = jnp.exp(-jnp.abs(deviation))
        large = 1 / (1 + small)
        above = deviation > 0
        up, down = large * jnp.where(above, 1, small), large * jnp.where(above, small, 1)
        return (
            log_mixture(self.floor, self.ceiling, down, up, jnp.minimum(deviation, 0)),
            log_mixture(1 - self.ceiling, 1 - self.floor, up, down, jnp.minimum(-deviation, 0)),
        )
