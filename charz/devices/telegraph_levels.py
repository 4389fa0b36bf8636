"""Telegraph noise between three levels: a Markov chain in continuous time with any rates between them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

NUM_LEVELS = 3
# The exponential is squared so often; the Taylor series then ends after its fourth term for up to 1e3 exits a step.
NUM_SQUARINGS = 16
MOST_EXITS = 1e3


class ThreeLevelTelegraph(eqx.Module):
    r"""Three levels, each with a rate to each other one, read with Gaussian noise.

    With the generator Q (:math:`Q_{jk}` the rate from level j to k, rows sum to zero) the probabilities over a
    time t are :math:`P(t) = e^{Qt}`, exact for sampling at any interval.

    Parameters
    ----------
    low : array
        Lowest level, in the unit of the signal.
    lower_separation, upper_separation : array
        From the lowest to the middle, and from the middle to the highest level, > 0, same unit.
    noise : array
        Standard deviation of one read, same unit.
    rate_01, rate_02, rate_10, rate_12, rate_20, rate_21 : array
        Rate from one level to another (0 lowest, 1 middle, 2 highest), in 1/s, or 1/sample where the interval is
        unknown.
    """

    low: Float[Array, "..."]
    lower_separation: Float[Array, "..."]
    upper_separation: Float[Array, "..."]
    noise: Float[Array, "..."]
    rate_01: Float[Array, "..."]
    rate_02: Float[Array, "..."]
    rate_10: Float[Array, "..."]
    rate_12: Float[Array, "..."]
    rate_20: Float[Array, "..."]
    rate_21: Float[Array, "..."]

    def levels(self) -> Float[Array, "... 3"]:
        """The three levels, rising, in the unit of the signal."""
        middle = self.low + self.lower_separation
        return jnp.stack(jnp.broadcast_arrays(self.low, middle, middle + self.upper_separation), -1)

    def generator(self) -> Float[Array, "... 3 3"]:
        """Rates from (row) to (column), in 1/s or 1/sample; rows sum to zero."""
        zero = jnp.zeros_like(self.rate_01)
        rows = (
            (zero, self.rate_01, self.rate_02),
            (self.rate_10, zero, self.rate_12),
            (self.rate_20, self.rate_21, zero),
        )
        rates = jnp.stack([jnp.stack(jnp.broadcast_arrays(*row), -1) for row in rows], -2)
        return rates - rates.sum(-1)[..., None] * jnp.eye(NUM_LEVELS)

    def transition(self, step: Float[Array, "..."]) -> Float[Array, "... 3 3"]:
        """Probabilities from (row) to (column) over `step` (s or samples), by scaling and squaring.

        A step of more than 1000 exits is taken for one of 1000: the state is forgotten long before.
        """
        exponent = self.generator() * jnp.asarray(step)[..., None, None]
        exits = jax.lax.stop_gradient(jnp.abs(exponent).max((-2, -1), keepdims=True))
        small = exponent * jnp.minimum(1.0, MOST_EXITS / jnp.maximum(exits, 1.0)) / 2**NUM_SQUARINGS
        unit = jnp.eye(NUM_LEVELS, dtype=small.dtype)
        series = unit + small @ (unit + small @ (unit + small @ (unit + small / 4) / 3) / 2)
        probability = jax.lax.fori_loop(0, NUM_SQUARINGS, lambda _, power: power @ power, series)
        return probability / probability.sum(-1, keepdims=True)

    def occupation(self) -> Float[Array, "... 3"]:
        """Share of time in each level, dimensionless: the stationary distribution, by the matrix-tree theorem."""
        to = {
            0: self.rate_10 * self.rate_20 + self.rate_12 * self.rate_20 + self.rate_21 * self.rate_10,
            1: self.rate_01 * self.rate_21 + self.rate_02 * self.rate_21 + self.rate_20 * self.rate_01,
            2: self.rate_02 * self.rate_12 + self.rate_01 * self.rate_12 + self.rate_10 * self.rate_02,
        }
        weights = jnp.stack(jnp.broadcast_arrays(*to.values()), -1)
        return weights / weights.sum(-1, keepdims=True)

    def stationary(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Int[Array, "..."]:
        """Draw the level of a device that has run for long."""
        share = self.occupation()
        return jax.random.categorical(key, jnp.log(share), shape=shape or share.shape[:-1]).astype(jnp.int32)

    def simulate(
        self, key: PRNGKeyArray, num_steps: int, step: Float[Array, "..."], state: Int[Array, "..."]
    ) -> tuple[Float[Array, "time ..."], Int[Array, "..."]]:
        """Successive reads of devices that go on from a state.

        Parameters
        ----------
        key : PRNG key
        num_steps : int
        step : array
            Time between reads, in s (or samples).
        state : array of int (*device)
            Level before the first step.

        Returns
        -------
        signal : array (num_steps, *device)
        state : array of int (*device)
            After the last step, for the next call.
        """
        decide, read = jax.random.split(key)
        below = jnp.cumsum(self.transition(step), -1)[..., :-1]
        below = jnp.broadcast_to(below, (*state.shape, NUM_LEVELS, NUM_LEVELS - 1))

        def move(level: Array, uniform: Array) -> tuple[Array, Array]:
            row = jnp.take_along_axis(below, level[..., None, None], -2)[..., 0, :]
            level = (uniform[..., None] >= row).sum(-1).astype(jnp.int32)
            return level, level

        uniform = jax.random.uniform(decide, (num_steps, *state.shape))
        last, states = jax.lax.scan(move, state.astype(jnp.int32), uniform)
        levels = jnp.broadcast_to(self.levels(), (*state.shape, NUM_LEVELS))
        signal = jnp.take_along_axis(levels[None], states[..., None], -1)[..., 0]
        return signal + self.noise * jax.random.normal(read, states.shape), last
