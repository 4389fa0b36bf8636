r"""Switching of a macrospin by spin torque: closed forms of the single regimes, and one law over all of them.

Everywhere i = I/I_c0 is the overdrive, Δ = E_b/kT the thermal stability, and times are in units of the relaxation
time :math:`\tau_D = (1+\alpha^2)/(\alpha\gamma\mu_0 H_k)`, unless a docstring says otherwise. Perpendicular and
in-plane junctions obey different forms (a two-dimensional and a one-dimensional starting angle): never mix them.
Equation numbers (G2) to (G5) are those of the notes on Greenberg-Toledo et al., Semicond. Sci. Technol. 36,
114003 (2021); largest errors against the Fokker-Planck equation are in ``tests/results/fokker-planck.md``.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.devices.law import AbstractPulsedLaw
from charz.devices.macrospin_table import interpolate, load_table
from charz.devices.thermal import log_escaped

# Distances from the table's borders over which a coordinate comes to rest, so that the joins are smooth.
_X_LOW_MARGIN, _X_HIGH_MARGIN, _STABILITY_MARGIN, _W_MARGIN = 0.1, 0.5, 0.05, 0.1
# exp(-exp(6)) is zero beside 1 in double precision; larger exponents overflow in single.
_SATURATED = 6.0
# No log1p below: XLA 0.10.2 on CPUs takes two of them in one fused loop for the same one (wrong by tens of per cent
# from about 10,000 points on), and here absolute precision is enough.
# A hazard of e^40 weighs the same as one of e^80 in any likelihood, and its square still is a number in single.
_CERTAIN = 40.0
# Growth of the angle's square, as an exponent, beyond which nothing remains to be switched.
_SWITCHED = 1e6
# Drives searched by the inverse: i - 1 = sinh(q)/√Δ for |q| below this, halved until doubles are exhausted.
_SEARCH_LIMIT, _NUM_HALVINGS = 24.0, 60


def brown_rate(thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""Rate of thermally activated switching times τ_D, for high barriers (G2; Brown 1963).

    .. math:: \frac{\tau_D}{\tau} = \sqrt{\Delta/\pi}\,(1-i^2)(1-i)\,e^{-\Delta(1-i)^2}, \qquad |i| < 1

    Too high by 14 to 24 % at barriers :math:`\Delta(1-i)^2` of 7 to 5, see `corrected_brown_rate`.
    """
    distance = 1 - overdrive
    prefactor = jnp.sqrt(thermal_stability / math.pi) * (1 - overdrive**2) * distance
    return prefactor * jnp.exp(-thermal_stability * distance**2)


def corrected_brown_rate(
    thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Give `brown_rate` times :math:`1 - 1/[\Delta(1-i)^2]`, the first correction for a finite barrier.

    Within 1.5 % of the Fokker-Planck rate at barriers of 5 kT and more (observed, 0 < i < 0.7).
    """
    return brown_rate(thermal_stability, overdrive) * (1 - 1 / (thermal_stability * (1 - overdrive) ** 2))


def thermal_probability(
    thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."], time: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Perpendicular, thermally activated: :math:`P = 1 - e^{-t/\tau}` with Brown's rate (G2), i < 0.8."""
    return -jnp.expm1(-time * brown_rate(thermal_stability, overdrive))


def start_angle_probability(
    thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."], time: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Perpendicular, i > 1, thermal starting angle that grows exponentially (N).

    .. math:: P = \exp\left(-\tfrac{\pi^2}{4}\,\Delta\,e^{-2(i-1)t}\right)
    """
    return jnp.exp(-(math.pi**2 / 4) * thermal_stability * jnp.exp(-2 * (overdrive - 1) * time))


def start_angle_time(
    thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."], probability: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Inverse of `start_angle_probability` (G5): :math:`t = \frac{1}{2(i-1)}\ln\frac{\pi^2\Delta}{-4\ln p}`.

    Negative below the probability of a pulse of no length, :math:`e^{-\pi^2\Delta/4}`.
    """
    ratio = (math.pi**2 / 4) * thermal_stability / -jnp.log(probability)
    return jnp.log(ratio) / (2 * (overdrive - 1))


def butler_probability(
    thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."], time: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Perpendicular, i > 1, after Butler et al., IEEE Trans. Magn. 48, 4684 (2012) (B).

    .. math:: P = \exp\left(-\frac{\pi^2}{4}\,\Delta\,\frac{i-1}{i\,e^{2(i-1)t}-1}\right)
    """
    decay = jnp.exp(-2 * (overdrive - 1) * time)
    return jnp.exp(-(math.pi**2 / 4) * thermal_stability * (overdrive - 1) * decay / (overdrive - decay))


def trajectory_probability(
    thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."], time: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Perpendicular, i > 1, exact trajectory :math:`\int du/((i-u)(1-u^2))` and noise in the pulse (C; G3).

    .. math:: P = \exp\left\{-2^{2i/(i+1)}\,\Delta\left(\frac{i-1}{i}\right)^{(i+3)/(i+1)}
              \frac{E}{1 - E/i}\right\}, \qquad E = e^{-2(i-1)t}

    The best of the three forms: good to 0.03 for 2 <= i <= 3 and Δ >= 20. It is worse again (0.04) for strong
    drives at low barriers, where the start is not near the pole.
    """
    return jnp.exp(-thermal_stability * jnp.exp(_log_trajectory(overdrive, time)))


def in_plane_probability(
    thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."], time: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""In-plane ellipse, i > 1, normal starting angle of standard deviation θ0 = 1/√(2Δ) (G4).

    .. math:: P = 1 - \mathrm{erf}\left[\frac{\pi}{2\sqrt2\,\theta_0}\,e^{-(i-1)t}\right]

    Here the unit of time is :math:`2/(\alpha\gamma\mu_0 M_s)`.
    """
    return jax.scipy.special.erfc(
        (math.pi / 2) * jnp.sqrt(thermal_stability) * jnp.exp(-(overdrive - 1) * time)
    )


def in_plane_time(
    thermal_stability: Float[Array, "..."], overdrive: Float[Array, "..."], probability: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Inverse of `in_plane_probability` (G5), in units of :math:`2/(\alpha\gamma\mu_0 M_s)`.

    .. math:: t = \frac{1}{i-1}\ln\frac{\pi}{2\sqrt2\,\theta_0\,\mathrm{erf}^{-1}(1-p)}
    """
    angle = jax.scipy.special.erfinv(1 - probability)
    return jnp.log((math.pi / 2) * jnp.sqrt(thermal_stability) / angle) / (overdrive - 1)


class MacrospinSwitching(AbstractPulsedLaw):
    r"""Perpendicular macrospin under a rectangular pulse of spin torque, in all regimes.

    With :math:`x = (i-1)\sqrt\Delta` the law is

    - for -2.4 < x < 24.5 the solution of the Fokker-Planck equation (G1), interpolated in a table for
      10 <= Δ <= 200: within 0.002 of the solver;
    - below, where the barrier :math:`\Delta(1-i)^2` exceeds 6 kT, Brown's rate with its first correction (see
      `corrected_brown_rate`): the table's last column times the ratio of the rates;
    - above, the table's last column at the time at which (C) gives there the probability that it gives here:
      within 0.01 of the solver up to x = 80.

    The joins are continuously differentiable. The probability never falls with the drive nor with the width; its
    slope may be zero below max(1e-10, exp(-Δ)), the chance to start at the equator, and above 1 - 1e-10. Beyond
    the table's times -ln(1-P) is proportional to the width. Outside 10 <= Δ <= 200 the shape of the nearest Δ is
    used as a function of x and t/(τ_D √Δ): an extrapolation (error 0.04 at Δ = 300, i = 1.6). Below i = 0, where
    the drive holds the state, the rate falls exponentially with the drive. Switching back is left out, which is
    wrong for long pulses at low barriers near i = 0. The two directions of a junction are two laws.

    Parameters
    ----------
    thermal_stability : array
        Δ = E_b/kT, dimensionless, above 2.
    critical : array
        Critical drive I_c0 at zero temperature, in the unit of the drive; its sign is the switching polarity.
    relaxation_time : array
        τ_D in s, positive.
    width : array
        Pulse width in s, positive.
    """

    thermal_stability: Float[Array, "..."]
    critical: Float[Array, "..."]
    relaxation_time: Float[Array, "..."]
    width: Float[Array, "..."]

    def probability(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Switching probability at `drive` (unit of `critical`); dimensionless, from 0 to 1."""
        return -jnp.expm1(-jnp.exp(jnp.minimum(self._log_hazard(drive), _SATURATED)))

    def log_shares(self, drive: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Logarithms of the probabilities to switch, however rare, and to stay, down to -e^40 nats."""
        log_hazard = jnp.minimum(self._log_hazard(drive), _CERTAIN)
        return log_escaped(log_hazard), -jnp.exp(log_hazard)

    def slope(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """Derivative of `probability`, in 1/unit of drive, by forward differentiation of the spline."""
        drive = jnp.asarray(drive)
        return jax.jvp(self.probability, (drive,), (jnp.ones_like(drive),))[1]

    # Compiled by itself: outside a compiled function the loop would be compiled anew at every call.
    @jax.jit
    def drive_for(self, probability: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Inverse of `probability` by 60 halvings and a Newton step; ∓∞ at 0 and 1, NaN outside.

        The Newton step is what is differentiated, which gives the derivative of the implicit function:
        :math:`\partial w = (\partial p - \partial_\phi P)/P'(w)` for parameters φ.
        """
        probability = jnp.asarray(probability)
        inside = (probability > 0) & (probability < 1)
        target = jnp.log(-jnp.log1p(-jnp.where(inside, probability, 0.5)))
        start = jax.lax.stop_gradient(jax.lax.stop_gradient(self)._halved(jax.lax.stop_gradient(target)))

        slope = jax.lax.stop_gradient(jax.jvp(self._log_hazard, (start,), (jnp.ones_like(start),))[1])
        flat = slope == 0
        step = (self._log_hazard(start) - target) / jnp.where(flat, 1, slope)
        drive = start - jnp.where(flat, 0, step)
        edge = jnp.where(probability == 0, -jnp.inf, jnp.where(probability == 1, jnp.inf, jnp.nan))
        return jnp.where(inside, drive, edge * jnp.sign(self.critical))

    def middle(self) -> Float[Array, "..."]:
        """Drive at which P = ½, by `drive_for`."""
        return self.drive_for(jnp.asarray(0.5, dtype=jnp.result_type(self.thermal_stability)))

    def _halved(self, target: Float[Array, "..."]) -> Float[Array, "..."]:
        """Drive at which `_log_hazard` crosses a value."""
        root = jnp.sqrt(self.thermal_stability)

        def drive_at(q: Array) -> Array:
            return self.critical * (1 + jnp.sinh(q) / root)

        def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bracket
            centre = (low + high) / 2
            below = self._log_hazard(drive_at(centre)) < target
            return jnp.where(below, centre, low), jnp.where(below, high, centre)

        limit = jnp.full_like(
            target + self.critical / root + self.width / self.relaxation_time, _SEARCH_LIMIT
        )
        low, high = jax.lax.fori_loop(0, _NUM_HALVINGS, halve, (-limit, limit))
        return drive_at((low + high) / 2)

    def _log_hazard(self, drive: Float[Array, "..."]) -> Float[Array, "..."]:
        """ln(-ln(1-P)): linear in ln(width) where switching is thermal."""
        table = load_table()
        stability = self.thermal_stability
        overdrive = drive / self.critical
        root = jnp.sqrt(stability)
        low, high = table.lowest_x, table.highest_x

        x = (overdrive - 1) * root
        held_x = _held_above(_held_below(x, high, _X_HIGH_MARGIN), low, _X_LOW_MARGIN)
        held_overdrive = 1 + held_x / root

        time = self.width / self.relaxation_time
        beyond = x > high - _X_HIGH_MARGIN
        border = 1 + high / root
        time = jnp.where(
            beyond,
            _time_at(jnp.where(beyond, held_overdrive, border), jnp.where(beyond, overdrive, border), time),
            time,
        )
        w = jnp.log(time / root)
        held_w = _held(w, table.w.first, table.w.last, _W_MARGIN)

        axis = table.log_stability
        log_stability = _held(jnp.log(stability), axis.first, axis.last, _STABILITY_MARGIN)

        thermal = 1 + (low + _X_LOW_MARGIN) / root
        shift = _log_rate(stability, jnp.minimum(overdrive, thermal)) - _log_rate(
            stability, jnp.minimum(held_overdrive, thermal)
        )
        return interpolate(table, log_stability, held_x, held_w) + (w - held_w) + shift


def _log_rate(stability: Float[Array, "..."], overdrive: Float[Array, "..."]) -> Float[Array, "..."]:
    """Logarithm of `corrected_brown_rate`, going on along its tangent below i = 0 (finite for any drive)."""
    forward = jnp.maximum(overdrive, 0)
    barrier = stability * (1 - forward) ** 2
    value = (
        0.5 * jnp.log(stability / math.pi)
        + 2 * jnp.log(1 - forward)
        + jnp.log(1 + forward)
        - barrier
        + jnp.log(1 - 1 / jnp.maximum(barrier, 2))
    )
    tangent = 2 * stability - 1 - 2 / (jnp.maximum(stability, 2) - 1)
    return value + tangent * jnp.minimum(overdrive, 0)


def _log_trajectory(overdrive: Float[Array, "..."], time: Float[Array, "..."]) -> Float[Array, "..."]:
    """Logarithm of -ln(P)/Δ in (C); finite for any i > 1."""
    log_decay = -jnp.minimum(2 * (overdrive - 1) * time, _SWITCHED)
    return _log_amplitude(overdrive) + log_decay - jnp.log(1 - jnp.exp(log_decay) / overdrive)


def _log_amplitude(overdrive: Float[Array, "..."]) -> Float[Array, "..."]:
    inverse = 1 / overdrive
    powers = 1 / (1 + inverse)
    return 2 * math.log(2) * powers + (1 + 3 * inverse) * powers * jnp.log(1 - inverse)


def _time_at(
    reference: Float[Array, "..."], overdrive: Float[Array, "..."], time: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Time after which (C) gives at the overdrive `reference` what it gives at `overdrive` after `time`.

    Never shorter than `time`: for pulses so short that P is below 1e-6, (C) falls with the overdrive.
    """
    exponent = _log_trajectory(overdrive, time)
    log_decay = exponent - jnp.log(jnp.exp(_log_amplitude(reference)) + jnp.exp(exponent) / reference)
    return jnp.maximum(time, -log_decay / (2 * (reference - 1)))


def _held_above(value: Float[Array, "..."], low: float, margin: float) -> Float[Array, "..."]:
    """Keep the value above `low`: itself from `low + margin`, the bound below `low - margin`, smooth between."""
    near = jnp.clip(value - low, -margin, margin)
    return jnp.where(value > low + margin, value, low + (near + margin) ** 2 / (4 * margin))


def _held_below(value: Float[Array, "..."], high: float, margin: float) -> Float[Array, "..."]:
    return -_held_above(-value, -high, margin)


def _held(value: Float[Array, "..."], low: float, high: float, margin: float) -> Float[Array, "..."]:
    return _held_above(_held_below(value, high, margin), low, margin)
