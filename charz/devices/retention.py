r"""Retention: how the resistance, conductance or error rate of an untouched device drifts, wanders and is read.

Everything happens on the logarithm, where drifts of different devices compare: a record is

.. math:: \ln R(t_i) = \ln \bar R(t_i) + w(t_i) + \epsilon_i,

with the drift :math:`\bar R`, a slow wander :math:`w` (an Ornstein-Uhlenbeck process: successive samples resemble
each other) and the noise of each read :math:`\epsilon_i \sim \mathcal N(0, s^2)`.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

# Beyond, exp(-(t/τ)^β) is 0 or 1 in double precision: kept from there so that derivatives stay finite.
LOG_PROGRESS = (-200.0, 6.0)


class AbstractDrift(eqx.Module):
    """A pure, differentiable map from the time since the first sample to the retained quantity.

    Leaves are parameters in SI units and broadcast against the time.
    """

    @abc.abstractmethod
    def log_retained(self, time: Float[Array, "..."]) -> Float[Array, "..."]:
        """Natural logarithm of the retained quantity at `time` (s, 0 at the first sample)."""

    def retained(self, time: Float[Array, "..."]) -> Float[Array, "..."]:
        """Retained quantity at `time` (s, 0 at the first sample), in the unit of `level`."""
        return jnp.exp(self.log_retained(time))


class NoDrift(AbstractDrift):
    r"""A state that stays: :math:`\bar R(t) = R_0`.

    Parameters
    ----------
    level : array
        :math:`R_0 > 0` in ohm, S or 1 (error rate).
    """

    level: Float[Array, "..."]

    def log_retained(self, time: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return ln R0 at every time."""
        return jnp.log(self.level) + 0.0 * time


class LogDrift(AbstractDrift):
    r"""Drift in the logarithm of time, a power law.

    .. math:: \ln \bar R(t) = \ln R_0 + \nu \ln\frac{t + t_0}{t_0}

    The structural relaxation of amorphous and oxide memories drifts so over many decades (Ielmini et al., Appl.
    Phys. Lett. 92, 193511 (2008): :math:`R \propto t^\nu`).

    Parameters
    ----------
    level : array
        :math:`R_0 > 0`, the value at the first sample, in ohm, S or 1.
    exponent : array
        :math:`\nu`, of either sign, dimensionless.
    onset : array
        :math:`t_0 > 0` in s, the age of the state at the first sample: the drift is linear in time before it and
        logarithmic after it.
    """

    level: Float[Array, "..."]
    exponent: Float[Array, "..."]
    onset: Float[Array, "..."]

    def log_retained(self, time: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return ln R0 + ν ln(1 + t/t0) for t >= 0 in s."""
        return jnp.log(self.level) + self.exponent * jnp.log1p(time / self.onset)


class StretchedExponential(AbstractDrift):
    r"""Relaxation to a new level with a spread of time constants (Kohlrausch, Pogg. Ann. 91, 179 (1854)).

    .. math:: \bar R(t) = R_\infty + (R_0 - R_\infty)\, e^{-(t/\tau)^\beta}, \qquad R_\infty = R_0 e^{c}

    Parameters
    ----------
    level : array
        :math:`R_0 > 0`, the value at the first sample, in ohm, S or 1.
    change : array
        :math:`c = \ln(R_\infty/R_0)`, of either sign, dimensionless.
    relaxation_time : array
        :math:`\tau > 0` in s.
    stretch : array
        :math:`\beta` in (0, 1], dimensionless. Above 1 the curve is compressed, which no spread of relaxation
        times gives.
    """

    level: Float[Array, "..."]
    change: Float[Array, "..."]
    relaxation_time: Float[Array, "..."]
    stretch: Float[Array, "..."]

    def log_retained(self, time: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""Return :math:`\ln R_0 + \ln[e^{-z} + e^c (1 - e^{-z})]` with :math:`z = (t/\tau)^\beta`, t >= 0 in s."""
        begun = time > 0
        log_time = jnp.log(jnp.where(begun, time, 1.0))
        log_progress = jnp.clip(self.stretch * (log_time - jnp.log(self.relaxation_time)), *LOG_PROGRESS)
        progress = jnp.exp(log_progress)
        early = progress < 1e-6
        done = jnp.where(
            early,
            log_progress - progress / 2,
            jnp.log(-jnp.expm1(-jnp.where(early, 1.0, progress))),
        )
        shift = jnp.logaddexp(-progress, self.change + done)
        return jnp.log(self.level) + jnp.where(begun, shift, 0.0)


class Retention(eqx.Module):
    r"""A device left alone: drift, wander and read noise, ready to be sampled.

    The wander has variance :math:`\sigma^2` and correlation :math:`e^{-|\Delta t|/\tau_c}` (Uhlenbeck & Ornstein,
    Phys. Rev. 36, 823 (1930)).

    Parameters
    ----------
    drift : AbstractDrift
    wander : array
        Standard deviation :math:`\sigma` of the slow wander of ln R, dimensionless; 0 for none.
    correlation_time : array
        :math:`\tau_c > 0` in s.
    read_noise : array
        Standard deviation :math:`s` of ln R from read to read, dimensionless.
    """

    drift: AbstractDrift
    wander: Float[Array, "..."]
    correlation_time: Float[Array, "..."]
    read_noise: Float[Array, "..."]

    def retained(self, time: Float[Array, "..."]) -> Float[Array, "..."]:
        """Retained quantity without wander and noise, in the unit of its level, at `time` (s)."""
        return self.drift.retained(time)

    def simulate(self, key: PRNGKeyArray, time: Float[Array, " time"]) -> Float[Array, "... time"]:
        """Sample records at the given times.

        Parameters
        ----------
        key : PRNG key
        time : array (time,)
            Increasing, in s, 0 at the first sample.

        Returns
        -------
        array (*leaves, time)
            Reads of the retained quantity, in the unit of its level.
        """
        column = jax.tree.map(lambda leaf: jnp.asarray(leaf)[..., None], self)
        middle = column.drift.log_retained(time)
        middle = middle + 0.0 * (column.wander + column.correlation_time + column.read_noise)
        key_wander, key_read = jax.random.split(key)
        step = jnp.diff(time, prepend=time[:1])
        keep = jnp.exp(-step / column.correlation_time) * jnp.ones_like(middle)
        kick = jnp.sqrt(-jnp.expm1(-2 * step / column.correlation_time)).at[..., 0].set(1.0)
        kicks = kick * jax.random.normal(key_wander, middle.shape, middle.dtype)
        wander = column.wander * _recursion(keep, kicks)
        noise = column.read_noise * jax.random.normal(key_read, middle.shape, middle.dtype)
        return jnp.exp(middle + wander + noise)


def _recursion(keep: Float[Array, "..."], kicks: Float[Array, "..."]) -> Float[Array, "..."]:
    """Solve x_i = keep_i x_(i-1) + kicks_i from x = 0, along the last axis, in logarithmically many steps."""

    def chain(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return first[0] * second[0], second[0] * first[1] + second[1]

    return jax.lax.associative_scan(chain, (keep, kicks), axis=-1)[1]
