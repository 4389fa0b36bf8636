r"""Analog memristors: a programming pulse moves the conductance by a noisy step that depends on where it is.

Three laws of the mean step, each with a parameter set for either polarity, and one common form of the noise,

.. math:: G' = \left|G + \Delta G_\pm(G) + s\,\varepsilon\right|, \qquad
          s^2 = (\sigma_c\,\Delta G_\pm)^2 + \sigma_0^2 + (10^{-10} G)^2

where :math:`\varepsilon` is drawn at every pulse (normal, or Student's t of scale 1), :math:`\sigma_c` is the
cycle-to-cycle noise relative to the step and :math:`\sigma_0` the additive part; the last term keeps the density
finite and lies below any read-out. Below zero the conductance is reflected (`charz.devices.increments`).

Device-to-device spread is not here: it is in the leaves, one value a device.
"""

import abc
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from charz.devices.increments import draw_noise, log_folded_density

# Relative to the conductance: below any read-out, above the square root of the smallest float32 for 1e-9 S.
LEAST_SCALE = 1e-10
# Exponents of the exponential law are kept within this, so that a step far outside the window stays finite.
LARGEST_EXPONENT = 30.0


class AbstractMemristor(eqx.Module):
    """A conductance that pulses of two polarities move up and down.

    Leaves broadcast against the conductance, with leading axes ``(draw, *array)``. Subclasses have the leaves
    below, and those of their mean step.

    Parameters
    ----------
    cycle_noise : array
        Noise of a step relative to its mean, dimensionless: its standard deviation, or the scale of Student's t.
    additive_noise : array
        The part of the noise that does not depend on the step, in S.
    degrees_of_freedom : array, optional
        Of Student's t; without it the noise is normal.
    read_noise : array, optional
        Standard deviation of the logarithm of a read, dimensionless; without it a read is exact.
    stuck : array of bool, optional
        Devices that do not respond: their mean step is zero, the additive noise stays.
    stuck_fraction : array, optional
        Probability that a device is stuck, from which `draw_stuck` draws; a device itself is stuck or not.
    """

    cycle_noise: eqx.AbstractVar[Float[Array, "..."]]
    additive_noise: eqx.AbstractVar[Float[Array, "..."]]
    degrees_of_freedom: eqx.AbstractVar[Float[Array, "..."] | None]
    read_noise: eqx.AbstractVar[Float[Array, "..."] | None]
    stuck: eqx.AbstractVar[Bool[Array, "..."] | None]
    stuck_fraction: eqx.AbstractVar[Float[Array, "..."] | None]

    @abc.abstractmethod
    def potentiation(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step of a potentiating pulse at this conductance, in S."""

    @abc.abstractmethod
    def depression(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step of a depressing pulse at this conductance, in S: negative inside the window."""

    @abc.abstractmethod
    def symmetry_point(self) -> Float[Array, "..."]:
        """Conductance, in S, at which the mean steps of both polarities cancel; alternating pulses lead there."""

    def step(self, conductance: Float[Array, "..."], polarity: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step, in S, of a pulse of polarity +1 (potentiation), -1 (depression) or 0 (none)."""
        up, down = self.potentiation(conductance), self.depression(conductance)
        moved = jnp.where(polarity > 0, up, jnp.where(polarity < 0, down, 0))
        return moved if self.stuck is None else jnp.where(self.stuck, 0, moved)

    def scale(self, conductance: Float[Array, "..."], step: Float[Array, "..."]) -> Float[Array, "..."]:
        """Scale of the noise of one step, in S."""
        least = LEAST_SCALE * conductance
        return jnp.sqrt((self.cycle_noise * step) ** 2 + self.additive_noise**2 + least**2)

    def log_density(
        self, after: Float[Array, "..."], before: Float[Array, "..."], polarity: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Log density of the conductance after one pulse given that before it (S), in nats."""
        step = self.step(before, polarity)
        return log_folded_density(after, before + step, self.scale(before, step), self.degrees_of_freedom)

    def pulse(
        self, key: PRNGKeyArray, conductance: Float[Array, "..."], polarity: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Conductance after one pulse, in S; where the polarity is 0 there is no pulse and nothing changes."""
        shape = jnp.shape(self.scale(conductance, self.step(conductance, polarity)))
        return self.after(conductance, polarity, draw_noise(key, shape, self.degrees_of_freedom))

    def after(
        self,
        conductance: Float[Array, "..."],
        polarity: Float[Array, "..."],
        noise: Float[Array, "..."],
    ) -> Float[Array, "..."]:
        """Conductance after one pulse of given noise ε (standard normal, or Student's t of scale 1), in S."""
        step = self.step(conductance, polarity)
        moved = jnp.abs(conductance + step + self.scale(conductance, step) * noise)
        return jnp.where(polarity == 0, conductance, moved).astype(jnp.result_type(conductance, float))

    def draw_stuck(self, key: PRNGKeyArray) -> Self:
        """Draw, once a device, which ones are stuck; without a fraction no device is, and nothing changes."""
        if self.stuck_fraction is None:
            return self
        flags = jax.random.uniform(key, jnp.shape(self.stuck_fraction)) < self.stuck_fraction
        return eqx.tree_at(lambda device: device.stuck, self, flags, is_leaf=lambda leaf: leaf is None)

    def read(self, key: PRNGKeyArray, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""One read, :math:`G e^{\sigma_r \varepsilon}` in S: for small noise σ_r is the relative error."""
        if self.read_noise is None:
            return conductance
        shape = jnp.broadcast_shapes(jnp.shape(conductance), jnp.shape(self.read_noise))
        return conductance * jnp.exp(self.read_noise * jax.random.normal(key, shape, jnp.result_type(float)))


class SoftBoundsMemristor(AbstractMemristor):
    r"""Steps that shrink linearly towards the bound ahead.

    .. math:: \Delta G_+ = a_+ (1 - x), \qquad \Delta G_- = -a_- x, \qquad
              x = \frac{G - G_\min}{W}, \qquad W = G_\max - G_\min

    Repeated pulses approach the bound exponentially: :math:`1 - x_n = (1 - x_0)(1 - a_+/W)^n`. The noise may carry
    the conductance beyond a bound; steps then lead back.

    Parameters
    ----------
    conductance_min : array
        Lower bound, in S, 0 or above.
    window : array
        Distance W > 0 of the upper bound from it, in S.
    step_potentiation : array
        Mean step up at the lower bound, a₊ > 0, in S.
    step_depression : array
        Size of the mean step down at the upper bound, a₋ > 0, in S.
    cycle_noise, additive_noise, degrees_of_freedom, read_noise, stuck, stuck_fraction
        As in `AbstractMemristor`.
    """

    conductance_min: Float[Array, "..."]
    window: Float[Array, "..."]
    step_potentiation: Float[Array, "..."]
    step_depression: Float[Array, "..."]
    cycle_noise: Float[Array, "..."]
    additive_noise: Float[Array, "..."]
    degrees_of_freedom: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    read_noise: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    stuck: Bool[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    stuck_fraction: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)

    def position(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Place in the window, x: 0 at the lower bound, 1 at the upper one."""
        return (conductance - self.conductance_min) / self.window

    @property
    def conductance_max(self) -> Float[Array, "..."]:
        """Upper bound, in S."""
        return self.conductance_min + self.window

    def potentiation(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step up, a₊ (1 - x), in S."""
        return self.step_potentiation * (1 - self.position(conductance))

    def depression(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step down, -a₋ x, in S."""
        return -self.step_depression * self.position(conductance)

    def symmetry_point(self) -> Float[Array, "..."]:
        """Conductance where x = a₊/(a₊ + a₋), in S."""
        share = self.step_potentiation / (self.step_potentiation + self.step_depression)
        return self.conductance_min + share * self.window


class ExponentialMemristor(AbstractMemristor):
    r"""Steps that fall off exponentially with the conductance.

    .. math:: \Delta G_+ = a\, e^{-(G - G_s)/g_+}, \qquad \Delta G_- = -a\, e^{(G - G_s)/g_-}

    The same law as :math:`\alpha_p e^{-\beta_p x}`, :math:`-\alpha_d e^{-\beta_d (1-x)}` over a window, written in
    the four quantities that data can tell: without a clip, the six of that form (both α and β, and two bounds)
    move along two directions that leave every step as it is. For a window [Gmin, Gmax] of width W:
    :math:`\alpha_p = a\,e^{(G_s - G_\min)/g_+}`, :math:`\beta_p = W/g_+`,
    :math:`\alpha_d = a\,e^{(G_\max - G_s)/g_-}`, :math:`\beta_d = W/g_-`. From the symmetry point
    n pulses up lead to :math:`G_s + g_+ \ln(1 + n a/g_+)` where steps are small.

    Parameters
    ----------
    symmetric_conductance : array
        Conductance :math:`G_s > 0` at which both steps have the same size, in S.
    symmetric_step : array
        That size, a > 0, in S.
    decay_potentiation, decay_depression : array
        Change of the conductance over which a step falls by a factor e, g₊ and g₋, in S.
    cycle_noise, additive_noise, degrees_of_freedom, read_noise, stuck, stuck_fraction
        As in `AbstractMemristor`.
    """

    symmetric_conductance: Float[Array, "..."]
    symmetric_step: Float[Array, "..."]
    decay_potentiation: Float[Array, "..."]
    decay_depression: Float[Array, "..."]
    cycle_noise: Float[Array, "..."]
    additive_noise: Float[Array, "..."]
    degrees_of_freedom: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    read_noise: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    stuck: Bool[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    stuck_fraction: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)

    def potentiation(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step up, in S."""
        exponent = (self.symmetric_conductance - conductance) / self.decay_potentiation
        return self.symmetric_step * jnp.exp(jnp.clip(exponent, -LARGEST_EXPONENT, LARGEST_EXPONENT))

    def depression(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step down, in S."""
        exponent = (conductance - self.symmetric_conductance) / self.decay_depression
        return -self.symmetric_step * jnp.exp(jnp.clip(exponent, -LARGEST_EXPONENT, LARGEST_EXPONENT))

    def symmetry_point(self) -> Float[Array, "..."]:
        """The symmetric conductance itself, in S."""
        return self.symmetric_conductance


class LinearMemristor(AbstractMemristor):
    r"""Constant steps inside a window, at whose edges the mean step ends.

    .. math:: \Delta G_+ = \min(a_+,\ G_\max - G), \qquad \Delta G_- = -\min(a_-,\ G - G_\min)

    Constant steps say nothing about bounds that were not reached: a fit leaves the window open (0 to infinity).

    Parameters
    ----------
    step_potentiation, step_depression : array
        Sizes of the mean steps up and down, in S.
    conductance_min, conductance_max : array
        Window, in S; 0 and infinity where it is open.
    cycle_noise, additive_noise, degrees_of_freedom, read_noise, stuck, stuck_fraction
        As in `AbstractMemristor`.
    """

    step_potentiation: Float[Array, "..."]
    step_depression: Float[Array, "..."]
    cycle_noise: Float[Array, "..."]
    additive_noise: Float[Array, "..."]
    conductance_min: Float[Array, "..."] | float = eqx.field(default=0.0, kw_only=True)
    conductance_max: Float[Array, "..."] | float = eqx.field(default=float("inf"), kw_only=True)
    degrees_of_freedom: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    read_noise: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    stuck: Bool[Array, "..."] | None = eqx.field(default=None, kw_only=True)
    stuck_fraction: Float[Array, "..."] | None = eqx.field(default=None, kw_only=True)

    def potentiation(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step up, in S; 0 beyond the upper edge."""
        return jnp.minimum(self.step_potentiation, jnp.maximum(self.conductance_max - conductance, 0))

    def depression(self, conductance: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mean step down, in S; 0 beyond the lower edge."""
        return -jnp.minimum(self.step_depression, jnp.maximum(conductance - self.conductance_min, 0))

    def symmetry_point(self) -> Float[Array, "..."]:
        """NaN: constant steps cancel everywhere, or nowhere."""
        return jnp.full_like(self.step_potentiation + self.step_depression, jnp.nan)
