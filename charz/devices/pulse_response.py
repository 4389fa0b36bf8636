"""Conductances that are described without their steps: a power of the pulse number, and two states that alternate."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.increments import log_normal_shape


class PowerLawResponse(eqx.Module):
    r"""Conductance after the n-th pulse of a train of one polarity, a power of its number n (from 1).

    .. math:: \ln G_n = \ln g_1 + k \ln n + \sigma\,\varepsilon_n

    with one set (g₁, k) for potentiation and one for depression: interface-type memristors follow different powers
    in the two directions (k = -0.76 and +0.52 in one Nb:SrTiO3 junction). The resistance goes as :math:`n^{-k}`.

    Parameters
    ----------
    first_potentiation, first_depression : array
        Median conductance after the first pulse of a train, g₁ > 0, in S.
    slope_potentiation, slope_depression : array
        Exponents k, dimensionless.
    noise : array
        Standard deviation of ln G around the power law, dimensionless.
    """

    first_potentiation: Float[Array, "..."]
    first_depression: Float[Array, "..."]
    slope_potentiation: Float[Array, "..."]
    slope_depression: Float[Array, "..."]
    noise: Float[Array, "..."]

    def log_median(self, number: Float[Array, "..."], polarity: Float[Array, "..."]) -> Float[Array, "..."]:
        """Median of ln(G/S) after pulse `number` (from 1) of a train of this polarity."""
        up = jnp.log(self.first_potentiation) + self.slope_potentiation * jnp.log(number)
        down = jnp.log(self.first_depression) + self.slope_depression * jnp.log(number)
        return jnp.where(polarity > 0, up, down)

    def log_density(
        self, conductance: Float[Array, "..."], number: Float[Array, "..."], polarity: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Log density of a conductance in S, in nats."""
        log_conductance = jnp.log(conductance)
        deviation = (log_conductance - self.log_median(number, polarity)) / self.noise
        return log_normal_shape(deviation) - jnp.log(self.noise) - log_conductance

    def sample(
        self, key: PRNGKeyArray, number: Float[Array, "..."], polarity: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Draw conductances in S after pulses of these numbers."""
        median = self.log_median(number, polarity)
        shape = jnp.broadcast_shapes(median.shape, jnp.shape(self.noise))
        return jnp.exp(median + self.noise * jax.random.normal(key, shape, median.dtype))


class TwoLevelMemristor(eqx.Module):
    r"""A device cycled between two states whose logarithms scatter, drift and remember the cycle before.

    .. math:: \ln G_{\pm,c} = \mu_\pm + d_\pm\, t_c + \sigma_\pm u_{\pm,c}, \qquad
              u_{\pm,c} = \phi_\pm u_{\pm,c-1} + \sqrt{1 - \phi_\pm^2}\;\varepsilon_c

    with :math:`t_c` from -1/2 at the first cycle to 1/2 at the last one, so that d is the change over the record;
    σ is the cycle-to-cycle spread of the stationary part. Without drift and correlation the states are
    independent lognormal ones.

    Parameters
    ----------
    conductance_set, conductance_reset : array
        Medians of the states after a SET (+1) and after a RESET (-1) pulse, in S; the first is the larger.
    noise_set, noise_reset : array
        Standard deviations of ln G over cycles, dimensionless.
    correlation_set, correlation_reset : array
        Correlation φ of a state with the same state one cycle before, between -1 and 1.
    drift_set, drift_reset : array
        Change of ln G from the first to the last cycle.
    """

    conductance_set: Float[Array, "..."]
    conductance_reset: Float[Array, "..."]
    noise_set: Float[Array, "..."]
    noise_reset: Float[Array, "..."]
    correlation_set: Float[Array, "..."] | float = 0.0
    correlation_reset: Float[Array, "..."] | float = 0.0
    drift_set: Float[Array, "..."] | float = 0.0
    drift_reset: Float[Array, "..."] | float = 0.0

    def log_median(self, polarity: Float[Array, "..."], time: Float[Array, "..."]) -> Float[Array, "..."]:
        """Median of ln(G/S) of the state at `time`, the share of the record that has passed minus one half."""
        set_state = jnp.log(self.conductance_set) + self.drift_set * time
        return jnp.where(polarity > 0, set_state, jnp.log(self.conductance_reset) + self.drift_reset * time)

    def noise(self, polarity: Float[Array, "..."]) -> Float[Array, "..."]:
        """Standard deviation of ln G of the state."""
        return jnp.where(polarity > 0, self.noise_set, self.noise_reset)

    def correlation(self, polarity: Float[Array, "..."]) -> Float[Array, "..."]:
        """Correlation with the same state one cycle before."""
        return jnp.where(polarity > 0, self.correlation_set, self.correlation_reset)

    def deviation(
        self, conductance: Float[Array, "..."], polarity: Float[Array, "..."], time: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Standardised deviation u of a measured conductance (S) from the median of its state."""
        return (jnp.log(conductance) - self.log_median(polarity, time)) / self.noise(polarity)

    def next_deviation(
        self, key: PRNGKeyArray, deviation: Float[Array, "..."], polarity: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Draw the deviation u of the next cycle from that of this one."""
        phi = self.correlation(polarity)
        shape = jnp.broadcast_shapes(jnp.shape(deviation), jnp.shape(phi))
        fresh = jax.random.normal(key, shape, jnp.result_type(float))
        return phi * deviation + jnp.sqrt((1 - phi) * (1 + phi)) * fresh

    def conductance(
        self, deviation: Float[Array, "..."], polarity: Float[Array, "..."], time: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """Conductance in S of a state with this standardised deviation: the inverse of `deviation`."""
        return jnp.exp(self.log_median(polarity, time) + self.noise(polarity) * deviation)
