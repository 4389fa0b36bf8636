"""Thermally activated switching: escape over a barrier that the drive lowers, during one pulse."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.devices.law import AbstractPulsedLaw
from charz.errors import CharzError


class ThermalActivation(AbstractPulsedLaw):
    r"""Néel-Brown switching law of a magnetic tunnel junction (or any device with one barrier).

    .. math:: p(V) = 1 - e^{-t/\tau(V)}, \qquad
              \tau(V) = \tau_0 \exp\!\left[\Delta \left(1 - \frac{V}{V_c}\right)^{n}\right]
              \quad (V < V_c), \qquad \tau = \tau_0 \quad (V \ge V_c)

    At the critical drive the barrier is gone: from there on the probability stays at its upper asymptote
    :math:`1 - e^{-t/\tau_0}`, the `reach`; switching faster than :math:`\tau_0` (precessional, :math:`V > V_c`) is
    another regime and another law. A drive of the opposite sign *raises* the barrier above Δ, so the probability
    falls below that of an undriven device; the lower asymptote is 0. A negative critical drive is the other
    polarity: "below" and "above" then mean towards zero and beyond it.

    Parameters
    ----------
    thermal_stability : array
        Barrier without drive :math:`\Delta = E_b/k_BT > 0`, dimensionless.
    critical : array
        Drive :math:`V_c \ne 0` at which the barrier vanishes, in the unit of the drive.
    attempt_time : array
        Inverse attempt frequency :math:`\tau_0 > 0`, in s; about 1 ns. One pulse width does not tell it from Δ.
    width : array
        Pulse width :math:`t > 0`, in s; broadcasts against the drive, so each setting can have its own.
    exponent : float
        :math:`n \ge 1`: 2 for a perpendicular easy axis, 1 by the convention for in-plane junctions. Static, not
        a parameter: Δ and :math:`V_c` mean different things for different n, so it stays with the law.

    Raises
    ------
    CharzError
        When the exponent is below 1: the slope would be infinite at the critical drive.
    """

    thermal_stability: Float[Array, "..."]
    critical: Float[Array, "..."]
    attempt_time: Float[Array, "..."]
    width: Float[Array, "..."]
    exponent: float = eqx.field(static=True, default=2.0)

    def __check_init__(self) -> None:
        if not 1 <= self.exponent < float("inf"):
            raise CharzError(
                f"exponent of the barrier = {self.exponent}; it must be at least 1 (2 for a perpendicular easy "
                "axis, 1 for in-plane): below, the slope is infinite at the critical drive"
            )

    def probability(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Switching probability of one pulse at `drive`, between 0 and `reach`; small ones keep their digits."""
        return -jnp.expm1(-self._escapes(self._remaining(drive)))

    def slope(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Derivative :math:`\frac{n\Delta}{V_c} b^{n-1}\,\frac{t}{\tau} e^{-t/\tau}`, :math:`b = 1 - V/V_c`.

        In 1/unit of drive; 0 from the critical drive on, where for n = 1 the curve has a kink.
        """
        rest = self._remaining(drive)
        escapes = self._escapes(rest)
        steepness = jnp.where(rest == 0, 0, self.exponent * _power(rest, self.exponent - 1))
        return self.thermal_stability * steepness * escapes * jnp.exp(-escapes) / self.critical

    def drive_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Inverse :math:`V_c\left(1 - \left[\frac{1}{\Delta}\ln\frac{t/\tau_0}{-\ln(1-p)}\right]^{1/n}\right)`.

        The smallest drive with that probability: the critical one for p = `reach`, infinite (against the critical
        one) for p = 0, NaN outside 0..`reach`, since no drive of this law goes beyond.
        """
        reach = self.reach()
        rounding = 1 + 4 * float(jnp.finfo(reach.dtype).eps)
        possible = (probability >= 0) & (probability <= reach * rounding)
        escapes = -jnp.log1p(-probability)
        barrier = (jnp.log(self.width / self.attempt_time) - jnp.log(escapes)) / self.thermal_stability
        rest = _root(barrier, self.exponent)
        return self.critical * (1 - jnp.where(possible, rest, jnp.nan))

    def width_for(self, probability: Float[Array, "..."], drive: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Pulse width :math:`t = -\tau \ln(1-p)`, in s, with :math:`\tau` at `drive`; infinite for p = 1."""
        rate = self.for_width(self.attempt_time)._escapes(self._remaining(drive)) / self.attempt_time
        return -jnp.log1p(-jnp.asarray(probability)) / rate

    def middle(self) -> Float[Array, "..."]:
        """Drive at which the probability is half of `reach` (p = ½ only for pulses much longer than τ0)."""
        return self.drive_for(self.reach() / 2)

    def log_shares(self, drive: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""Logarithms of the probabilities to switch, :math:`\ln(1 - e^{-x})`, and to stay, -x, in nats; x is t/τ.

        Far below the critical drive the first is :math:`\ln x`, however high the barrier.
        """
        log_escapes = self._log_escapes(drive)
        return log_escaped(log_escapes), -jnp.exp(log_escapes)

    def reach(self) -> Float[Array, "..."]:
        r"""Upper asymptote :math:`1 - e^{-t/\tau_0}`: the largest probability that any drive gives."""
        return -jnp.expm1(-self.width / self.attempt_time)

    def _remaining(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Remaining share b = 1 - V/Vc, kept where the barrier's exponential has finite value and slope."""
        share = 1 - drive / self.critical
        largest = -jnp.log(jnp.finfo(share.dtype).tiny)
        limit = jax.lax.stop_gradient(_root(largest / self.thermal_stability, self.exponent))
        # In this order NaN stays NaN.
        return jnp.where(share >= limit, limit, jnp.where(share <= 0, 0, share))

    def _log_escapes(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of t/τ, for any drive: no barrier is too high for it."""
        share = 1 - drive / self.critical
        barrier = self.thermal_stability * _power(jnp.where(share <= 0, 0, share), self.exponent)
        return jnp.log(self.width / self.attempt_time) - barrier

    def _escapes(self, rest: Float[Array, "..."]) -> Float[Array, "..."]:
        """Expected number of escapes during the pulse, t/τ."""
        barrier = self.thermal_stability * _power(rest, self.exponent)
        return self.width / self.attempt_time * jnp.exp(-barrier)


def log_escaped(log_escapes: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Give :math:`\ln(1 - e^{-x})` from :math:`\ln x`, in nats; below x = e^-14 by the series :math:`\ln x - x/2`."""
    rare = log_escapes < -14
    # 1 - e^-x by the hyperbolic tangent: XLA 0.10.2 on CPUs takes two expm1 of one fused loop for the same one.
    half = jnp.tanh(jnp.exp(jnp.where(rare, 0, log_escapes)) / 2)
    series = log_escapes - jnp.exp(jnp.minimum(log_escapes, -14)) / 2
    return jnp.where(rare, series, jnp.log(2 * half / (1 + half)))


def _power(base: Float[Array, "..."], exponent: float) -> Float[Array, "..."]:
    """Power of a base that is not negative; its derivative is finite at 0, too."""
    if exponent == int(exponent):
        return base ** int(exponent)  # repeated products: many times faster than the general power
    gone = base == 0
    return jnp.where(gone, 0, jnp.where(gone, 1, base) ** exponent)


def _root(value: Float[Array, "..."], degree: float) -> Float[Array, "..."]:
    """Root of a value that only rounding can have made negative: that is 0, with derivative 0."""
    gone = value <= 0
    return jnp.where(gone, 0, jnp.where(gone, 1, value) ** (1 / degree))
