"""Ideal write in steps of one size: what perfect devices do with programming pulses."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from charz.errors import TrainError
from charz.learning.rule import WriteScheme
from charz.learning.writes.whole_steps import Rounding, check_steps, whole_steps


def fixed_step(
    step: float, limit: float = 8.0, most: int = 1, rounding: Rounding = "stochastic"
) -> WriteScheme:
    r"""Move every parameter, biases too, by whole steps within its range (L5).

    .. math:: w \leftarrow \mathrm{clip}(w + n\eta, -w_{max}, w_{max}), \qquad |n| \le c_{max}

    with n of `whole_steps`.

    Parameters
    ----------
    step : float
        η > 0, in units of the weight.
    limit : float
        w_max > 0.
    most : int
        c_max: steps of a weight in one write.
    rounding : {"stochastic", "nearest"}

    Returns
    -------
    WriteScheme
        ``info``: ``pulses``, the steps wanted within c_max.

    Raises
    ------
    TrainError
        For a step, range or number that is not positive, or an unknown rounding.
    """
    check_steps(step, most, rounding)
    if not limit > 0:
        raise TrainError(f"limit is {limit}; the largest weight must be positive")

    def init(key: PRNGKeyArray, theta: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: jnp.clip(leaf, -limit, limit), theta)

    def apply(key: PRNGKeyArray, weights: PyTree, change: PyTree) -> tuple[PyTree, dict[str, Array]]:
        leaves, structure = jax.tree.flatten(weights)
        moved, pulses = [], jnp.zeros(())
        for number, (leaf, wanted) in enumerate(zip(leaves, jax.tree.leaves(change), strict=True)):
            steps = whole_steps(jax.random.fold_in(key, number), wanted, step, most, rounding)
            moved.append(jnp.clip(leaf + step * steps, -limit, limit))
            pulses += jnp.abs(steps).sum()
        return jax.tree.unflatten(structure, moved), {"pulses": pulses}

    def read(weights: PyTree) -> PyTree:
        return weights

    return WriteScheme(init, apply, read)
