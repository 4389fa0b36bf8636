"""Ideal write: the stored weight takes the wanted value, within its range."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray

from charz.learning.network import Theta
from charz.learning.rule import WriteScheme


def ideal(low: float | None = None, high: float | None = None) -> WriteScheme:
    """Add the change exactly; clip every layer's ``weight`` to [low, high], never its bias.

    Parameters
    ----------
    low, high : float, optional
        Range of the drive that the source can give, in the unit of the drive; None leaves that side open.
    """

    def clip(theta: Theta) -> Theta:
        if low is None and high is None:
            return theta
        return tuple(layer._replace(weight=jnp.clip(layer.weight, low, high)) for layer in theta)

    def init(key: PRNGKeyArray, theta: Theta) -> Theta:
        return clip(theta)

    def apply(key: PRNGKeyArray, weights: Theta, change: Theta) -> tuple[Theta, dict[str, Array]]:
        changed = sum(jnp.count_nonzero(leaf) for leaf in jax.tree.leaves(change))
        return clip(optax.apply_updates(weights, change)), {"writes": jnp.asarray(changed, jnp.float32)}

    def read(weights: Theta) -> Theta:
        return weights

    return WriteScheme(init, apply, read)
