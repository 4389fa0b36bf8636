"""Random telegraph noise: a device that jumps between levels by itself, read with Gaussian noise."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

# Koenders et al., Phys. Rev. Applied 23, 054035 (2025), noise of the simulated superparamagnetic junction: the two
# levels are offset ± half the separation (V), and the state flips with this probability from sample to sample.
KOENDERS_OFFSET = 0.042092104
KOENDERS_HALF_SEPARATION = 0.0059316154
KOENDERS_NOISE = 0.00090841466
KOENDERS_FLIP_PROBABILITY = 0.0809
KOENDERS_STEP = 5e-6


class TelegraphJunction(eqx.Module):
    r"""Two-level telegraph noise with memory, as of a superparamagnetic tunnel junction.

    The state :math:`s \in \{0, 1\}` is a Markov chain in continuous time with rates :math:`r_\uparrow` (low to
    high) and :math:`r_\downarrow`, the signal is :math:`y = y_0 + s\,\Delta y + \sigma\xi`,
    :math:`\xi \sim N(0, 1)` at every read. Over a time t, whatever happened in between,

    .. math:: P_{0\to1}(t) = \frac{r_\uparrow}{r_\uparrow + r_\downarrow}
              \left(1 - e^{-(r_\uparrow + r_\downarrow) t}\right), \qquad
              P_{1\to0}(t) = \frac{r_\downarrow}{r_\uparrow + r_\downarrow}
              \left(1 - e^{-(r_\uparrow + r_\downarrow) t}\right),

    so sampling at any interval is exact.

    Parameters
    ----------
    low : array
        Lower level :math:`y_0`, in the unit of the signal.
    separation : array
        Upper minus lower level :math:`\Delta y > 0`, same unit.
    noise : array
        Standard deviation of one read :math:`\sigma > 0`, same unit.
    rate_up, rate_down : array
        Rates :math:`r_\uparrow, r_\downarrow > 0`, in 1/s (1/sample where the sample interval is unknown). The mean
        dwell times are 1/rate_up in the low and 1/rate_down in the high state.
    """

    low: Float[Array, "..."]
    separation: Float[Array, "..."]
    noise: Float[Array, "..."]
    rate_up: Float[Array, "..."]
    rate_down: Float[Array, "..."]

    @classmethod
    def koenders2025(cls) -> Self:
        r"""Junction of Koenders et al. (2025): levels 36.16 and 48.02 mV, noise 0.908 mV, sampled each 5 µs.

        The published flip probability p of one sample, equal in both states, is
        :math:`p = \frac12(1 - e^{-2rt})`, so :math:`r = -\ln(1 - 2p)/2t`; mean dwell 57 µs in continuous time.
        """
        rate = -jnp.log1p(-2 * KOENDERS_FLIP_PROBABILITY) / (2 * KOENDERS_STEP)
        return cls(
            low=jnp.asarray(KOENDERS_OFFSET - KOENDERS_HALF_SEPARATION),
            separation=jnp.asarray(2 * KOENDERS_HALF_SEPARATION),
            noise=jnp.asarray(KOENDERS_NOISE),
            rate_up=rate,
            rate_down=rate,
        )

    def fraction_high(self) -> Float[Array, "..."]:
        r"""Share of time in the high state, :math:`r_\uparrow/(r_\uparrow + r_\downarrow)`."""
        return self.rate_up / (self.rate_up + self.rate_down)

    def correlation_time(self) -> Float[Array, "..."]:
        r"""Time :math:`1/(r_\uparrow + r_\downarrow)` over which the state is forgotten, in s (or samples)."""
        return 1 / (self.rate_up + self.rate_down)

    def flip_probabilities(
        self, step: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Probabilities that the state is another one after `step` (s or samples): low to high, high to low."""
        total = self.rate_up + self.rate_down
        decided = -jnp.expm1(-total * step)
        return self.rate_up / total * decided, self.rate_down / total * decided

    def level(self, state: Int[Array, "..."]) -> Float[Array, "..."]:
        """Signal without noise in a state 0 or 1, in the unit of the signal."""
        return self.low + state * self.separation

    def stationary(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Int[Array, "..."]:
        """Draw the state of a device that has run for long: 1 with probability `fraction_high`.

        Parameters
        ----------
        key : PRNG key
        shape : tuple of int
            Devices; the shape of the leaves where it is not given.
        """
        high = self.fraction_high()
        return jax.random.bernoulli(key, high, shape or jnp.shape(high)).astype(jnp.int32)

    def simulate(
        self, key: PRNGKeyArray, num_steps: int, step: Float[Array, "..."], state: Int[Array, "..."]
    ) -> tuple[Float[Array, "time ..."], Int[Array, "..."]]:
        r"""Successive reads of devices that go on from a state.

        One uniform number u a step decides: below :math:`P_{0\to1}` the state becomes high, above
        :math:`1 - P_{1\to0}` low, in between it stays. As both probabilities sum to less than 1 this is the chain
        exactly, and the state at any time is that of the last decision: no loop over time.

        Parameters
        ----------
        key : PRNG key
        num_steps : int
        step : array
            Time between reads, in s (or samples).
        state : array of int (*device)
            State before the first step: of `stationary`, or as the call before returned it.

        Returns
        -------
        signal : array (num_steps, *device)
            In the unit of the levels.
        state : array of int (*device)
            After the last step; give it to the next call, so that the noise keeps its memory.
        """
        decide, read = jax.random.split(key)
        up, down = self.flip_probabilities(step)
        uniform = jax.random.uniform(decide, (num_steps, *state.shape))
        # Every decision is numbered by its time; the parity of the number is the state.
        number = 2 * jnp.arange(1, num_steps + 1, dtype=jnp.int32).reshape(-1, *(1,) * state.ndim)
        made = jnp.where(uniform < up, number + 1, jnp.where(uniform >= 1 - down, number, 0))
        made = jnp.concatenate([state[None].astype(jnp.int32), made])
        states = jax.lax.cummax(made, axis=0)[1:] % 2
        noise = self.noise * jax.random.normal(read, states.shape)
        return self.level(states) + noise, states[-1]


class DrivenTelegraph(eqx.Module):
    r"""Telegraph noise whose rates follow a drive (field, current or voltage) exponentially.

    .. math:: r_\uparrow(x) = r_\uparrow e^{g_\uparrow (x - x_0)}, \qquad
              r_\downarrow(x) = r_\downarrow e^{g_\downarrow (x - x_0)}

    A field or current that tilts the two wells changes the barriers linearly near the reference :math:`x_0`.

    Parameters
    ----------
    junction : TelegraphJunction
        Rates at the reference drive.
    growth_up, growth_down : array
        :math:`g_\uparrow, g_\downarrow`, in 1/unit of drive, of either sign.
    """

    junction: TelegraphJunction
    growth_up: Float[Array, "..."]
    growth_down: Float[Array, "..."]

    def at(self, excess: Float[Array, "..."]) -> TelegraphJunction:
        """Junction at a drive, given as its excess over the reference, in the unit of the drive."""
        up, down = jnp.exp(self.growth_up * excess), jnp.exp(self.growth_down * excess)
        return with_rates(self.junction, self.junction.rate_up * up, self.junction.rate_down * down)


class ArrheniusTelegraph(eqx.Module):
    r"""Telegraph noise over thermal barriers, Néel-Brown (Arrhenius) with a free attempt time for each way out.

    .. math:: \frac1{r_\uparrow(T)} = \tau_0^\uparrow e^{E_\uparrow/k_BT} \quad\Longleftrightarrow\quad
              r_\uparrow(T) = r_\uparrow e^{-\Delta_\uparrow (T_0/T - 1)}, \qquad
              \Delta_\uparrow = \frac{E_\uparrow}{k_BT_0}, \quad
              \tau_0^\uparrow = \frac{e^{-\Delta_\uparrow}}{r_\uparrow}

    and likewise down. Rates at a temperature :math:`T_0` inside the measured range are known well, where an
    attempt time is an extrapolation to infinite temperature.

    Parameters
    ----------
    junction : TelegraphJunction
        Rates at the reference temperature.
    stability_up, stability_down : array
        Thermal stability of the low and of the high state at :math:`T_0`, dimensionless.
    """

    junction: TelegraphJunction
    stability_up: Float[Array, "..."]
    stability_down: Float[Array, "..."]

    def at(self, cooling: Float[Array, "..."]) -> TelegraphJunction:
        """Junction at a temperature T, given as ``T0/T - 1``, dimensionless."""
        up, down = jnp.exp(-self.stability_up * cooling), jnp.exp(-self.stability_down * cooling)
        return with_rates(self.junction, self.junction.rate_up * up, self.junction.rate_down * down)

    def attempt_times(self) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Attempt times of the low and of the high state, in s (or samples)."""
        low = jnp.exp(-self.stability_up) / self.junction.rate_up
        return low, jnp.exp(-self.stability_down) / self.junction.rate_down


def with_rates(
    junction: TelegraphJunction, rate_up: Float[Array, "..."], rate_down: Float[Array, "..."]
) -> TelegraphJunction:
    """Give a junction other rates, in 1/s or 1/sample."""
    return TelegraphJunction(junction.low, junction.separation, junction.noise, rate_up, rate_down)
