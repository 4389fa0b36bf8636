r"""Thresholds of thermally activated switching under a drive that rises at a constant rate.

J. Kurkijärvi, Phys. Rev. B 6, 832 (1972), and A. Garg, Phys. Rev. B 51, 15592 (1995), give the distribution of the
drive at escape; here its cumulative hazard is integrated exactly instead of expanded for high barriers.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import gammaincc, gammaln
from jaxtyping import Array, Float

from charz.devices.threshold_tails import LARGEST_EXPONENT, NARROW, log_normal_between
from charz.devices.thresholds import LARGEST, SHARPEST, SMALLEST, AbstractExtremeLaw
from charz.errors import CharzError

# Least share of the drive that remains, where roots keep finite derivatives.
LEAST_SHARE = 1e-12
# From here on the expansion of the incomplete gamma function is exact to 1e-12.
FAR = 100.0
NUM_HALVINGS = 60


class ThermalRamp(AbstractExtremeLaw):
    r"""Threshold of one barrier that a rising drive lowers.

    The escape rate is that of `charz.devices.ThermalActivation`, met at the ramp rate r from V = 0 on,

    .. math:: H(V) = \frac{1}{r\tau_0}\int_0^V e^{-\Delta(1 - V'/V_c)^n}\,dV' \quad (V \le V_c), \qquad
              H(V) = H(V_c) + \frac{V - V_c}{r\tau_0} \quad (V > V_c), \qquad F = 1 - e^{-H}

    with :math:`\int_b^1 e^{-\Delta x^2}dx = \sqrt{\pi/\Delta}\,[\Phi(\sqrt{2\Delta}) - \Phi(b\sqrt{2\Delta})]`
    for n = 2 and an incomplete gamma function for any other n.

    Parameters
    ----------
    thermal_stability : array
        Barrier without drive :math:`\Delta = E_b/k_BT > 0`, dimensionless.
    critical : array
        Drive :math:`V_c > 0` at which the barrier vanishes, in the unit of the drive.
    ramp_rate : array
        r > 0, in the unit of the drive per s.
    attempt_time : array
        Inverse attempt frequency :math:`\tau_0 > 0`, in s.
    exponent : float
        :math:`n \ge 1`: 2 for a field along the easy axis, 3/2 at any other angle and for pinning sites and
        Josephson junctions (Garg). Static: Δ and :math:`V_c` mean different things for different n.
    """

    thermal_stability: Float[Array, "..."]
    critical: Float[Array, "..."]
    ramp_rate: Float[Array, "..."]
    attempt_time: Float[Array, "..."]
    exponent: float = eqx.field(static=True, default=2.0)

    def __check_init__(self) -> None:
        if not 1 <= self.exponent < float("inf"):
            raise CharzError(
                f"exponent of the barrier = {self.exponent}; it must be at least 1 (2 along the easy axis, 1.5 "
                "otherwise): below, the barrier falls infinitely fast at the critical drive"
            )

    def log_hazard(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of the number of escapes to be expected below the threshold, H."""
        critical, share = self._remaining(threshold)
        before = jnp.log(critical) + self._log_integral(jnp.clip(share, LEAST_SHARE, 1 - LEAST_SHARE))
        beyond = jnp.log(jnp.maximum(-share, SMALLEST)) + jnp.log(critical)
        total = jnp.where(share < 0, jnp.logaddexp(before, beyond), before)
        return jnp.minimum(total - self._log_scale(), LARGEST_EXPONENT)

    def log_density(self, threshold: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of rate/r times exp(-H), in 1/unit of drive."""
        _, share = self._remaining(threshold)
        barrier = self._stability() * jnp.clip(share, LEAST_SHARE, 1) ** self.exponent
        return -barrier - self._log_scale() - jnp.exp(self.log_hazard(threshold))

    def threshold_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        """Inverse of F by halving and one Newton step; its first derivative is exact."""
        events = -jnp.log1p(-probability)
        highest = jnp.abs(self.critical) + events * self.ramp_rate * self.attempt_time
        return solve_rising(self.log_hazard, jnp.log(events), jnp.zeros_like(highest), highest)

    def _remaining(self, threshold: Float[Array, "..."]) -> tuple[Array, Array]:
        critical = jnp.clip(self.critical, SMALLEST, LARGEST)
        return critical, 1 - threshold / critical

    def _stability(self) -> Float[Array, "..."]:
        return jnp.clip(self.thermal_stability, 1 / SHARPEST, SHARPEST)

    def _log_scale(self) -> Float[Array, "..."]:
        return jnp.log(self.ramp_rate) + jnp.log(self.attempt_time)

    def _log_integral(self, share: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logarithm of the integral of exp(-Δ x^n) from the remaining share to 1."""
        stability = self._stability()
        if self.exponent == 2:
            root = jnp.sqrt(2 * stability)
            return 0.5 * jnp.log(jnp.pi / stability) + log_normal_between(share * root, root)
        return _log_power_integral(stability, share, self.exponent)


class ThermalBarrier(eqx.Module):
    r"""A device with one barrier; a ramp rate makes it a law of thresholds.

    Parameters
    ----------
    thermal_stability, critical, attempt_time, exponent
        As in `ThermalRamp`. The attempt time has no say of its own: a tenfold one, with the same thresholds, makes
        Δ smaller by about 2.3/b^n, b being the share of the drive that remained; 1 ns by convention.
    """

    thermal_stability: Float[Array, "..."]
    critical: Float[Array, "..."]
    attempt_time: float = eqx.field(static=True, default=1e-9)
    exponent: float = eqx.field(static=True, default=2.0)

    def ramped(self, ramp_rate: Float[Array, "..."]) -> ThermalRamp:
        """Thresholds under ramps of that rate, in the unit of the drive per s."""
        return ThermalRamp(
            self.thermal_stability,
            self.critical,
            jnp.asarray(ramp_rate),
            jnp.asarray(self.attempt_time),
            self.exponent,
        )


def solve_rising(
    function: Callable[[Array], Array],
    target: Float[Array, "..."],
    low: Float[Array, "..."],
    high: Float[Array, "..."],
) -> Float[Array, "..."]:
    """Where a rising function has the value `target`, between `low` and `high`: halving, then one Newton step.

    The Newton step carries the derivative of the solution with respect to everything that `function` and `target`
    depend on.
    """

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        lower, upper = ends
        middle = (lower + upper) / 2
        below = function(middle) < target
        return jnp.where(below, middle, lower), jnp.where(below, upper, middle)

    shape = jnp.broadcast_shapes(low.shape, high.shape, target.shape)
    ends = (jnp.broadcast_to(low, shape), jnp.broadcast_to(high, shape))
    lower, upper = jax.lax.fori_loop(0, NUM_HALVINGS, halve, jax.lax.stop_gradient(ends))
    start = jax.lax.stop_gradient((lower + upper) / 2)
    value, slope = jax.jvp(function, (start,), (jnp.ones_like(start),))
    return start + (target - value) / jax.lax.stop_gradient(slope)


def _log_power_integral(
    stability: Float[Array, "..."], share: Float[Array, "..."], exponent: float
) -> Float[Array, "..."]:
    r"""Logarithm of an incomplete gamma function, with a = 1/n.

    .. math:: \int_b^1 e^{-\Delta x^n}dx = \frac{\Delta^{-a}}{n}\,[\Gamma(a, \Delta b^n) - \Gamma(a, \Delta)]
    """
    power = 1 / exponent
    low, high = stability * share**exponent, stability
    narrow = exponent * stability * (1 - share) < NARROW
    near = jnp.log1p(-share) - stability * ((1 + share) / 2) ** exponent
    upper = _log_upper_gamma(power, jnp.where(narrow, 1.0, low))
    rest = _log_upper_gamma(power, jnp.where(narrow, 2.0, high))
    drop = jnp.maximum(upper - rest, SMALLEST)
    far = upper + jnp.log(-jnp.expm1(-drop)) - power * jnp.log(stability) - jnp.log(exponent)
    return jnp.where(narrow, near, far)


def _log_upper_gamma(power: float, start: Float[Array, "..."]) -> Float[Array, "..."]:
    """Logarithm of the upper incomplete gamma function; far out by its asymptotic series."""
    far = start > FAR
    close = jnp.log(gammaincc(power, jnp.where(far, FAR, start))) + gammaln(power)
    distant = jnp.where(far, start, FAR)
    series = term = jnp.ones_like(distant)
    for order in range(1, 9):
        term = term * (power - order) / distant
        series = series + term
    return jnp.where(far, (power - 1) * jnp.log(distant) - distant + jnp.log(series), close)
