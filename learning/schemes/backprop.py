"""Backpropagation on a software network: the baseline of every scheme."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import optax
from jaxtyping import PRNGKeyArray, PyTree

from charz.learning.activations import smooth_activation
from charz.learning.estimators import autodiff
from charz.learning.layered_network import LayeredNetwork, Parameters
from charz.learning.losses import find_loss
from charz.learning.rule import UpdateRule, join
from charz.learning.schemes.contract import LayeredScheme, check_rate, decaying
from charz.learning.writes import ideal


@dataclass(frozen=True)
class Backprop(LayeredScheme):
    """Autodiff, Adam and real weights.

    Parameters
    ----------
    network : Architecture or tuple of int
        The layers, or the sizes of dense ones, inputs first.
    learning_rate : float
        Of Adam (β 0.9 / 0.999), at the start.
    final_rate : float
        Share of it that is left at the last step; the rate falls exponentially. 1 keeps it.
    activation : {"relu", "sigmoid", "hard-tanh"}
        Of hidden neurons.
    batch_norm : bool
        Normalise the sums of every layer, in place of biases.
    dropout : float
        Chance that a hidden neuron is silent for a sample in training.
    loss : {"cross-entropy", "squared-hinge"}
        What training descends, and validation chooses by.
    """

    name: ClassVar[str] = "backprop"
    source: ClassVar[str] = "baseline"

    learning_rate: float = 0.02
    final_rate: float = 1.0
    activation: Literal["relu", "sigmoid", "hard-tanh"] = "relu"
    batch_norm: bool = False
    dropout: float = 0.0
    loss: Literal["cross-entropy", "squared-hinge"] = "cross-entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate(self.learning_rate, self.final_rate)
        find_loss(self.loss)
        self.layers()

    @property
    def num_devices(self) -> int:
        """None: software."""
        return 0

    def hardware(self, actual: PyTree, believed: PyTree) -> None:
        """Nothing: software."""

    def layers(self) -> LayeredNetwork:
        """What the network computes."""
        return LayeredNetwork(
            self.architecture, smooth_activation(self.activation), self.batch_norm, self.dropout
        )

    def rule(self, hardware: PyTree = None, num_steps: int = 1) -> UpdateRule:
        """Autodiff × Adam × ideal write; weights start normally distributed for rectifiers (He et al. 2015)."""
        network = self.layers()

        def start(key: PRNGKeyArray) -> Parameters:
            return network.start(key, jax.nn.initializers.he_normal())

        rate = decaying(self.learning_rate, self.final_rate, num_steps)
        return join(autodiff(network, find_loss(self.loss)), optax.adam(rate), ideal(), start)
