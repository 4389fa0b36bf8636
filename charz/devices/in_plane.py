"""In-plane junction under strong spin torque: a thermal starting angle in the plane that grows exponentially."""

import math

import jax.numpy as jnp
from jax.scipy.special import erf, erfc, ndtri
from jaxtyping import Array, Float

from charz.devices.law import AbstractPulsedLaw
from charz.devices.normal_tail import log_normal_cdf

# Logarithm of the largest start (in widths of its distribution): its square is a number in single precision.
_LARGEST_SINGLE, _LARGEST_DOUBLE = 40.0, 300.0
# Below e^-8 starts the chance to stay is proportional to the start.
_SMALL = -8.0


class InPlaneBallistic(AbstractPulsedLaw):
    r"""Ballistic switching of an in-plane ellipse with a normal starting angle :math:`\theta_0 = 1/\sqrt{2\Delta}`.

    .. math:: P = \mathrm{erfc}(u), \qquad
              u = \frac{\pi}{2}\sqrt\Delta\,\exp\left[-\left(\frac{I}{I_{c0}} - 1\right)\frac{t}{\tau}\right]

    Equation (G4) of the notes on Greenberg-Toledo et al., Semicond. Sci. Technol. 36, 114003 (2021), as a function
    of the drive. It holds above the critical drive; the formula goes on below it, where P is below
    :math:`e^{-\pi^2\Delta/4}` and thermal activation, which it leaves out, would be larger.

    Parameters
    ----------
    thermal_stability : array
        Δ = E_b/kT, dimensionless, positive.
    critical : array
        Critical drive I_c0, in the unit of the drive; its sign is the switching polarity.
    relaxation_time : array
        :math:`\tau = 2/(\alpha\gamma\mu_0 M_s)` in s, positive.
    width : array
        Pulse width t in s, positive.
    """

    thermal_stability: Float[Array, "..."]
    critical: Float[Array, "..."]
    relaxation_time: Float[Array, "..."]
    width: Float[Array, "..."]

    def probability(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Switching probability at `drive` (unit of `critical`); dimensionless, from 0 to 1."""
        return erfc(jnp.exp(self._log_start(drive)))

    def log_shares(self, drive: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""Logarithms of the probabilities to switch, :math:`\ln 2 + \ln\Phi(-\sqrt2 u)`, and to stay, in nats.

        The second is :math:`\ln\mathrm{erf}(u)`, for small u :math:`\ln u + \ln(2/\sqrt\pi) - u^2/3`.
        """
        log_start = self._log_start(drive)
        start = jnp.exp(log_start)
        small = log_start < _SMALL
        tail = math.log(2 / math.sqrt(math.pi)) + log_start - jnp.exp(2 * jnp.minimum(log_start, _SMALL)) / 3
        stay = jnp.where(small, tail, jnp.log(erf(jnp.where(small, 1, start))))
        return math.log(2) + log_normal_cdf(-math.sqrt(2) * start), stay

    def slope(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Derivative :math:`\frac{2}{\sqrt\pi}\,u\,e^{-u^2}\,\frac{t}{\tau I_{c0}}`, in 1/unit of drive."""
        log_start = self._log_start(drive)
        density = jnp.exp(log_start - jnp.exp(2 * log_start))
        return 2 / math.sqrt(math.pi) * density * self.width / (self.relaxation_time * self.critical)

    def drive_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Inverse :math:`I_{c0}\left[1 + \frac{\tau}{t}\ln\frac{\pi\sqrt\Delta}{2\,\mathrm{erf}^{-1}(1-p)}\right]`.

        Infinite for p = 0 (against the critical drive) and for p = 1, NaN outside.
        """
        start = 0.0 - ndtri(probability / 2) / math.sqrt(2)  # +0 at p = 1
        growth = jnp.log((math.pi / 2) * jnp.sqrt(self.thermal_stability) / start)
        return self.critical * (1 + self.relaxation_time / self.width * growth)

    def width_for(self, probability: Float[Array, "..."], drive: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Pulse width (G5), in s, for drives above the critical one; negative below the chance without a pulse.

        .. math:: t = \frac{\tau}{I/I_{c0} - 1}\,\ln\frac{\pi\sqrt\Delta}{2\,\mathrm{erf}^{-1}(1-p)}
        """
        start = 0.0 - ndtri(jnp.asarray(probability) / 2) / math.sqrt(2)
        growth = jnp.log((math.pi / 2) * jnp.sqrt(self.thermal_stability) / start)
        return self.relaxation_time * growth / (drive / self.critical - 1)

    def middle(self) -> Float[Array, "..."]:
        """Drive at which P = ½, by `drive_for`."""
        return self.drive_for(jnp.asarray(0.5, dtype=jnp.result_type(self.thermal_stability)))

    def _log_start(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of u, kept where the square of its exponential is a number."""
        growth = (drive / self.critical - 1) * self.width / self.relaxation_time
        start = math.log(math.pi / 2) + jnp.log(self.thermal_stability) / 2 - growth
        largest = _LARGEST_DOUBLE if start.dtype == jnp.float64 else _LARGEST_SINGLE
        return jnp.clip(start, -largest, largest)
