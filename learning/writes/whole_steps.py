"""A wanted change in whole steps: what programming pulses can make of it."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.random_words import random_words, to_uniform
from charz.errors import TrainError

Rounding = Literal["stochastic", "nearest"]
# A change this near a whole number of steps is taken for it: floating-point division misses it by less.
TOLERANCE = 1e-3


def whole_steps(
    key: PRNGKeyArray, change: Float[Array, "..."], step: float, most: int, rounding: Rounding
) -> Float[Array, "..."]:
    r"""Number of steps, with sign, at most `most` in size (mini-batch form of L5).

    .. math:: n = \mathrm{sgn}(c)\,\min(|c|, c_{max}), \qquad c = \text{change}/\text{step}

    Parameters
    ----------
    key : PRNG key
    change : array
        Wanted, in the unit of `step`.
    step : float
        Size of one step.
    most : int
        c_max.
    rounding : {"stochastic", "nearest"}
        What to do with a c that is not whole. ``stochastic``: ⌊|c|⌋ steps, and one more with probability
        |c| - ⌊|c|⌋, which is right on average for any change; a whole c gives exactly c. ``nearest`` draws nothing,
        and is for changes that are whole by construction.
    """
    count = change / step
    nearest = jnp.round(count)
    if rounding == "nearest":
        return jnp.clip(nearest, -most, most)
    size = jnp.abs(count)
    below = jnp.floor(size)
    up = to_uniform(random_words(key, change.shape)[0]) < size - below
    drawn = jnp.sign(count) * (below + up)
    exact = jnp.abs(count - nearest) < TOLERANCE
    return jnp.clip(jnp.where(exact, nearest, drawn), -most, most)


def check_steps(step: float, most: int, rounding: str) -> None:
    """Refuse steps that cannot be.

    Raises
    ------
    TrainError
        Names the argument and its value.
    """
    if not step > 0:
        raise TrainError(f"step is {step}; it must be positive: the change that one pulse makes")
    if most < 1:
        raise TrainError(f"most is {most}; a weight must be allowed one pulse a write, or more")
    if rounding not in ("stochastic", "nearest"):
        raise TrainError(f"rounding {rounding!r} is not known; it must be 'stochastic' or 'nearest'")
