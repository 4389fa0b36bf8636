"""Write of a straight-through network: real weights are kept beside their quantized states, which the network uses."""

import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from charz.learning.grid import Grid, map_weights
from charz.learning.rule import WriteScheme
from charz.learning.writes.transition import count_changes


def latent(grid: Grid) -> WriteScheme:
    r"""Keep real weights within the range and read the nearest states (Courbariaux et al. 2015; Hubara et al. 2016).

    .. math:: V \leftarrow \mathrm{clip}(V + \Delta, -H, H), \qquad W = \mathrm{nearest}(V)

    The gradient is taken at W and written to V: the derivative of rounding is taken to be 1 (straight through).
    Biases and the parameters of normalisation are written exactly.

    Returns
    -------
    WriteScheme
        ``info``: ``writes``, the number of weights whose state changed.
    """

    def init(key: PRNGKeyArray, theta: PyTree) -> PyTree:
        return map_weights(
            lambda number, leaf: jnp.clip(leaf, -grid.limit, grid.limit), lambda leaf: leaf, theta
        )

    def apply(key: PRNGKeyArray, weights: PyTree, change: PyTree) -> tuple[PyTree, dict[str, Array]]:
        moved = map_weights(
            lambda number, leaf, step: jnp.clip(leaf + step, -grid.limit, grid.limit),
            lambda leaf, step: leaf + step,
            weights,
            change,
        )
        return moved, {"writes": count_changes(read(weights), read(moved))}

    def read(weights: PyTree) -> PyTree:
        return map_weights(lambda number, leaf: grid.nearest(leaf), lambda leaf: leaf, weights)

    return WriteScheme(init, apply, read)
