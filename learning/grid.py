"""States of a quantized weight: an equally spaced grid, and which arrays of a network live on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from charz.errors import TrainError


@dataclass(frozen=True)
class Grid:
    r"""States :math:`Z_N = \{-H + n\,\Delta z,\ n = 0 \dots 2^N\}`, :math:`\Delta z = 2H/2^N` (Deng et al., (G6)).

    Parameters
    ----------
    doublings : int
        N: 0 is binary {-H, H}, 1 ternary {-H, 0, H}, and so on.
    limit : float
        H > 0, dimensionless.

    Raises
    ------
    TrainError
        When a number cannot be.
    """

    doublings: int = 1
    limit: float = 1.0

    def __post_init__(self) -> None:
        if self.doublings < 0:
            raise TrainError(f"doublings is {self.doublings}; it must be 0 (binary), 1 (ternary) or more")
        if not self.limit > 0:
            raise TrainError(f"limit is {self.limit}; the largest weight must be positive")

    @property
    def step(self) -> float:
        """Distance Δz of neighbouring states."""
        return 2 * self.limit / 2**self.doublings

    def nearest(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """State nearest to a value; half-way cases go away from zero on the scale of the grid, as C rounds."""
        position = (jnp.clip(value, -self.limit, self.limit) + self.limit) / self.step
        return jnp.floor(position + 0.5) * self.step - self.limit

    def settled(self, state: Float[Array, "..."]) -> Float[Array, "..."]:
        """A state without the rounding error of the steps that led there: there is none between -H, 0 and H."""
        return state if self.doublings < 2 else self.nearest(state)

    def split(
        self, state: Float[Array, "..."], change: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        r"""Whole steps κ and remainder ν of a wanted change, within the range (G7).

        .. math:: \rho = \mathrm{clip}(\text{change}, -H - W, H - W), \qquad
                  \kappa = \mathrm{fix}(\rho/\Delta z), \qquad \nu = \rho - \kappa\,\Delta z

        ``fix`` rounds toward zero, so that ν has the sign of ρ.
        """
        wanted = jnp.clip(change, -self.limit - state, self.limit - state)
        whole = jnp.trunc(wanted / self.step)
        return whole, wanted - whole * self.step


def is_weight(path: tuple[Any, ...]) -> bool:
    """Whether a place in a network's parameters is that of weights, which devices store."""
    return bool(path) and getattr(path[-1], "name", None) == "weight"


def map_weights(
    on_weights: Callable[..., Any], on_others: Callable[..., Any], tree: PyTree, *others: PyTree
) -> PyTree:
    """Map the arrays called ``weight`` by one function, all others by another.

    Parameters
    ----------
    on_weights : callable
        ``(number, leaf, *leaves)``: the number counts the arrays, for keys.
    on_others : callable
        ``(leaf, *leaves)``.
    tree, others : pytree
        Of the same structure.
    """
    numbers = iter(range(len(jax.tree.leaves(tree))))

    def one(path: tuple[Any, ...], leaf: Array, *leaves: Array) -> Any:
        number = next(numbers)
        return on_weights(number, leaf, *leaves) if is_weight(path) else on_others(leaf, *leaves)

    return jax.tree_util.tree_map_with_path(one, tree, *others)
