"""Backpropagation on a software network: the baseline of every scheme."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray, PyTree

from charz.learning.estimators import backprop
from charz.learning.network import Layer, Theta, layer_shapes
from charz.learning.rule import UpdateRule, join
from charz.learning.schemes.contract import DenseScheme, check_rate, decaying
from charz.learning.writes import ideal


@dataclass(frozen=True)
class Backprop(DenseScheme):
    """Autodiff, Adam and real weights.

    Parameters
    ----------
    sizes : tuple of int
        Neurons a layer, inputs first.
    learning_rate : float
        Of Adam (β 0.9 / 0.999), at the start.
    final_rate : float
        Share of it that is left at the last step; the rate falls exponentially. 1 keeps it.
    """

    name: ClassVar[str] = "backprop"
    source: ClassVar[str] = "baseline"

    learning_rate: float = 0.02
    final_rate: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate(self.learning_rate, self.final_rate)

    @property
    def num_devices(self) -> int:
        """None: software."""
        return 0

    def hardware(self, actual: PyTree, believed: PyTree) -> None:
        """Nothing: software."""

    def rule(self, hardware: PyTree = None, num_steps: int = 1) -> UpdateRule:
        """Autodiff × Adam × ideal write."""

        def start(key: PRNGKeyArray) -> Theta:
            he_normal = jax.nn.initializers.he_normal()
            return tuple(
                Layer(he_normal(jax.random.fold_in(key, index), (inputs, outputs)), jnp.zeros(outputs))
                for index, (_, inputs, outputs) in enumerate(layer_shapes(self.sizes, 1))
            )

        rate = decaying(self.learning_rate, self.final_rate, num_steps)
        return join(backprop(), optax.adam(rate), ideal(), start)
