"""Write of control voltages: each electrode takes the wanted voltage, within its own range."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.errors import TrainError
from charz.learning.rule import WriteScheme


def electrodes(lowest: Float[Array, " control"], highest: Float[Array, " control"]) -> WriteScheme:
    r"""Projected descent, :math:`V \leftarrow \mathrm{clip}(V + \Delta V, V_{min}, V_{max})` for each electrode.

    A control whose step leads out of its range stays at the end of it until a step leads back; the others move on.

    Parameters
    ----------
    lowest, highest : array (control,)
        Range of each control, in V; leave room for the amplitude of its tone.

    Raises
    ------
    TrainError
        When the two have different shapes.
    """
    if jnp.shape(lowest) != jnp.shape(highest):
        raise TrainError(
            f"lowest has shape {jnp.shape(lowest)} and highest {jnp.shape(highest)}; each control has both ends"
        )

    def init(key: PRNGKeyArray, theta: Array) -> Array:
        return jnp.clip(theta, lowest, highest)

    def apply(key: PRNGKeyArray, weights: Array, change: Array) -> tuple[Array, dict[str, Array]]:
        moved = jnp.clip(weights + change, lowest, highest)
        written = jnp.count_nonzero(moved != weights).astype(jnp.float32)
        at_end = jnp.count_nonzero((moved == lowest) | (moved == highest)).astype(jnp.float32)
        return moved, {"writes": written, "at_end": at_end}

    def read(weights: Array) -> Array:
        return weights

    return WriteScheme(init, apply, read)
