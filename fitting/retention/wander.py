r"""Likelihood of a record that wanders: Ornstein-Uhlenbeck process plus read noise, averages included, exactly.

A record is :math:`y_i = \mu(t_i) + m_i + \epsilon_i` with :math:`m_i` the mean of a stationary Ornstein-Uhlenbeck
process :math:`x` (variance :math:`\sigma^2`, correlation time :math:`\tau_c`) over a window of length :math:`w_i`
(0 for a single sample) and :math:`\epsilon_i \sim \mathcal N(0, s^2/n_i)` for the mean of :math:`n_i` reads. With
:math:`h = w/\tau_c`, given the value :math:`x_s` at the start of a window, mean and end have

.. math:: \mathrm E\,m = a x_s,\quad \mathrm E\,x_e = e^{-h} x_s,\quad a = \frac{1 - e^{-h}}{h}

.. math:: \mathrm{Var}\,m = \sigma^2\left(\frac{2(h - 1 + e^{-h})}{h^2} - a^2\right),\quad
          \mathrm{Cov} = \sigma^2 a (1 - e^{-h}),\quad \mathrm{Var}\,x_e = \sigma^2 (1 - e^{-2h})

(Gillespie, Phys. Rev. E 54, 2084 (1996)). A Kalman filter over the windows gives the likelihood in linear time. The
process is reversible: the same filter, run backwards, gives what the later samples say about a window.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LOG_TWO_PI = math.log(2 * math.pi)
# Standard deviations of ln R beyond these are no measurement; kept inside so that every square is finite.
SD_RANGE = (1e-10, 1e10)
TIME_RANGE = (1e-30, 1e30)
SERIES_BELOW = 0.05


class Noise(NamedTuple):
    """Parameters of the noise of one device: standard deviations of ln R, and a time in s."""

    wander: Float[Array, ""]
    correlation_time: Float[Array, ""]
    read_noise: Float[Array, ""]


class Windows(NamedTuple):
    """When one device was sampled.

    Parameters
    ----------
    gap : array (time,)
        Time from the end of the window before to the start of this one, in s; that of the first does not matter.
    width : array (time,)
        Length of the window over which was averaged, in s.
    num_averaged : array (time,)
        Samples in the window, 0 where it is padding.
    """

    gap: Float[Array, " time"]
    width: Float[Array, " time"]
    num_averaged: Float[Array, " time"]


class _Step(NamedTuple):
    """Moments of one window in units of σ², given its start; and the share kept over the gap before it."""

    kept: Any
    mean: Any
    end: Any
    var_mean: Any
    cov: Any
    var_end: Any


class _Belief(NamedTuple):
    """What the filter knows before it sees a window: mean and end (times σ for the means, σ² for the rest)."""

    mean: Any
    var: Any
    end: Any
    var_end: Any
    cov: Any
    start: Any
    var_start: Any


def noise_of(values: Any) -> Noise:
    """Parameters of the noise, kept where their squares are finite."""
    return Noise(
        jnp.clip(values["wander"], *SD_RANGE),
        jnp.clip(values["correlation_time"], *TIME_RANGE),
        jnp.clip(values["read_noise"], *SD_RANGE),
    )


def log_density(residual: Float[Array, " time"], windows: Windows, noise: Noise) -> Float[Array, " time"]:
    """Log density of each sample given those before it, in nats; 0 at padding. Their sum is the likelihood."""
    belief = _filter(residual, windows, noise)
    return _normal(residual, windows, noise, belief.mean, belief.var)


def innovations(residual: Float[Array, " time"], windows: Windows, noise: Noise) -> Float[Array, " time"]:
    """Deviation of each sample from what those before it foretell, in standard deviations; 0 at padding."""
    belief = _filter(residual, windows, noise)
    variance = _variance(windows, noise, belief.var)
    return jnp.where(windows.num_averaged > 0, (residual - belief.mean) / jnp.sqrt(variance), 0.0)


def left_out_density(
    residual: Float[Array, " time"], windows: Windows, noise: Noise
) -> Float[Array, " time"]:
    """Log density of each sample given ALL others of the record, in nats; 0 at padding."""
    ahead = _filter(residual, windows, noise)
    gap = jnp.concatenate([jnp.zeros(1), windows.gap[:0:-1]])
    mirrored = Windows(gap, windows.width[::-1], windows.num_averaged[::-1])
    behind = _filter(residual[::-1], mirrored, noise)
    # What later samples say about the end of a window is its belief beyond the stationary distribution.
    precision = jnp.maximum(1 / behind.var_start[::-1] - 1, 0.0)
    weight = behind.start[::-1] / behind.var_start[::-1]
    total = 1 + precision * ahead.var_end
    mean = ahead.mean + ahead.cov * (weight - precision * ahead.end) / total
    var = ahead.var - ahead.cov**2 * precision / total
    return _normal(residual, windows, noise, mean, var)


def white_density(
    residual: Float[Array, " time"], num_averaged: Float[Array, " time"], read_noise: Float[Array, ""]
) -> Float[Array, " time"]:
    """Log density of independent samples, in nats; 0 at padding."""
    variance = jnp.clip(read_noise, *SD_RANGE) ** 2 / jnp.maximum(num_averaged, 1)
    terms = -(residual**2 / variance + jnp.log(variance) + LOG_TWO_PI) / 2
    return jnp.where(num_averaged > 0, terms, 0.0)


def _variance(windows: Windows, noise: Noise, var: Float[Array, " time"]) -> Float[Array, " time"]:
    read = noise.read_noise**2 / jnp.maximum(windows.num_averaged, 1)
    return noise.wander**2 * jnp.maximum(var, 0.0) + read


def _normal(
    residual: Array, windows: Windows, noise: Noise, mean: Array, var: Array
) -> Float[Array, " time"]:
    variance = _variance(windows, noise, var)
    terms = -((residual - mean) ** 2 / variance + jnp.log(variance) + LOG_TWO_PI) / 2
    return jnp.where(windows.num_averaged > 0, terms, 0.0)


def _moments(windows: Windows, noise: Noise) -> _Step:
    ratio = windows.width / noise.correlation_time
    small = ratio < SERIES_BELOW
    few = jnp.where(small, ratio, 0.0)
    many = jnp.where(small, 1.0, ratio)
    # Taylor series: the closed forms lose their digits where the window is much shorter than τ.
    first = 1 - few / 2 * (1 - few / 3 * (1 - few / 4 * (1 - few / 5 * (1 - few / 6))))
    second = 1 - few / 3 * (1 - few / 4 * (1 - few / 5 * (1 - few / 6 * (1 - few / 7))))
    lost = -jnp.expm1(-many)
    mean = jnp.where(small, first, lost / many)
    spread = jnp.where(small, second, 2 * (many - lost) / many**2)
    return _Step(
        kept=jnp.exp(-windows.gap / noise.correlation_time),
        mean=mean,
        end=jnp.exp(-ratio),
        var_mean=spread - mean**2,
        cov=mean**2 * ratio,
        var_end=-jnp.expm1(-2 * ratio),
    )


def _filter(residual: Float[Array, " time"], windows: Windows, noise: Noise) -> _Belief:
    """Belief about every window before it is seen, for one record."""
    steps = _moments(windows, noise)
    read = noise.read_noise**2 / jnp.maximum(windows.num_averaged, 1) / noise.wander**2
    seen = (windows.num_averaged > 0).astype(residual.dtype)

    def advance(state: tuple[Array, Array], inputs: tuple) -> tuple[tuple[Array, Array], _Belief]:
        value, read_var, mask, step = inputs
        start, var_start = step.kept * state[0], 1 - step.kept**2 * (1 - state[1])
        belief = _Belief(
            mean=step.mean * start,
            var=step.mean**2 * var_start + step.var_mean,
            end=step.end * start,
            var_end=step.end**2 * var_start + step.var_end,
            cov=step.mean * step.end * var_start + step.cov,
            start=start,
            var_start=var_start,
        )
        gain = mask * belief.cov / (belief.var + read_var)
        after = belief.end + gain * (value - belief.mean)
        return (after, belief.var_end - gain * belief.cov), belief

    ready = (jnp.zeros_like(noise.wander), jnp.ones_like(noise.wander))
    return jax.lax.scan(advance, ready, (residual, read, seen, steps))[1]
