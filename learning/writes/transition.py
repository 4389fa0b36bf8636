"""Discrete state transition: whole steps are certain, the remainder makes one more step by chance."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from charz.devices.random_words import offset_key, random_words, to_uniform
from charz.errors import TrainError
from charz.learning.grid import Grid, map_weights
from charz.learning.rule import WriteScheme

Chance = Literal["tanh", "linear"]


def transition(grid: Grid = Grid(), gain: float = 3.0, chance: Chance = "tanh") -> WriteScheme:  # noqa: B008 - frozen
    r"""Write to weights that have few states (GXNOR, Deng et al., arXiv:1705.09283; Greenberg et al. 2021, (G7)).

    .. math:: W \leftarrow W + (\kappa + \mathrm{sign}(\nu)\,g)\,\Delta z, \qquad g \sim \mathrm{Bern}(\tau(\nu)),
              \qquad \tau(\nu) = \tanh(m|\nu|/\Delta z)

    with κ, ν of `Grid.split`. :math:`E[\Delta W] \approx m\nu` for small ν: accelerated m times, and biased. With
    ``chance="linear"`` τ = \|ν\|/Δz, which is unbiased rounding. Biases and the parameters of normalisation are
    real numbers, written exactly.

    Parameters
    ----------
    grid : Grid
    gain : float
        m > 0 (GXNOR: 3); not used by ``linear``.
    chance : {"tanh", "linear"}

    Returns
    -------
    WriteScheme
        ``info``: ``writes``, the number of weights that changed state.

    Raises
    ------
    TrainError
        For a gain that is not positive or an unknown chance.
    """
    if not gain > 0:
        raise TrainError(f"gain is {gain}; it must be positive: it scales the chance of a step")
    if chance not in ("tanh", "linear"):
        raise TrainError(f"chance {chance!r} is not known; it must be 'tanh' or 'linear'")

    def init(key: PRNGKeyArray, theta: PyTree) -> PyTree:
        return map_weights(lambda number, leaf: grid.nearest(leaf), lambda leaf: leaf, theta)

    def apply(key: PRNGKeyArray, weights: PyTree, change: PyTree) -> tuple[PyTree, dict[str, Array]]:
        def jump(number: int, state: Array, wanted: Array) -> Array:
            whole, rest = grid.split(state, wanted)
            share = jnp.abs(rest) / grid.step
            probability = jnp.tanh(gain * share) if chance == "tanh" else share
            drawn = uniform_like(offset_key(key, number), state) < probability
            one_more = jnp.where(rest < 0, -1.0, 1.0) * drawn
            return grid.settled(state + (whole + one_more) * grid.step)

        moved = map_weights(jump, lambda leaf, step: leaf + step, weights, change)
        return moved, {"writes": count_changes(weights, moved)}

    def read(weights: PyTree) -> PyTree:
        return weights

    return WriteScheme(init, apply, read)


def uniform_like(key: PRNGKeyArray, leaf: Array) -> Float[Array, "..."]:
    """Uniform numbers in (0, 1) of an array's shape."""
    return to_uniform(random_words(key, leaf.shape)[0])


def count_changes(before: PyTree, after: PyTree) -> Float[Array, ""]:
    """Number of weights that are not what they were."""
    changed = map_weights(
        lambda number, old, new: jnp.count_nonzero(old != new),
        lambda old, new: jnp.zeros((), int),
        before,
        after,
    )
    return jnp.asarray(sum(jax.tree.leaves(changed)), jnp.float32)
