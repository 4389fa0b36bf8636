"""Networks whose weights and neurons have two or three states: written by chance (GXNOR), or through latent weights."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

from charz.errors import TrainError
from charz.learning.activations import binary, ternary
from charz.learning.estimators import autodiff
from charz.learning.grid import Grid
from charz.learning.layered_network import LayeredNetwork, Parameters
from charz.learning.losses import squared_hinge
from charz.learning.rule import UpdateRule, WriteScheme, join
from charz.learning.schemes.contract import LayeredScheme, check_positive, check_rate, decaying
from charz.learning.writes import latent, transition

States = Literal["ternary", "binary"]


@dataclass(frozen=True)
class QuantizedScheme(LayeredScheme):
    """What quantized schemes have in common: batch normalisation, squared hinge, Adam with a rate that decays.

    Parameters
    ----------
    network : Architecture or tuple of int
        The layers, or the sizes of dense ones.
    learning_rate : float
        Of Adam (β 0.9 / 0.999), at the start.
    final_rate : float
        Share of it that is left at the last step; the rate falls exponentially. 1 keeps it.
    states : {"ternary", "binary"}
        Of weights and hidden neurons: {-1, 0, 1}, or {-1, 1}.
    threshold : float
        r of ternary neurons, which are 0 for inputs within ±r; not used by binary ones.
    window : float
        Half-width a of the window that stands for the derivative of a neuron's step.
    """

    inputs: ClassVar[str] = "signed"

    learning_rate: float = 0.1
    final_rate: float = 0.01
    states: States = "ternary"
    threshold: float = 1.0
    window: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate(self.learning_rate, self.final_rate)
        if self.states not in get_args(States):
            raise TrainError(f"states {self.states!r} are not known; choose {' or '.join(get_args(States))}")
        self.layers()

    @property
    def grid(self) -> Grid:
        """States of a weight."""
        return Grid(1 if self.states == "ternary" else 0)

    @property
    def num_devices(self) -> int:
        """None: states are written ideally."""
        return 0

    def hardware(self, actual: PyTree, believed: PyTree) -> PyTree:
        """Nothing: software."""
        return None

    def layers(self) -> LayeredNetwork:
        """What the network computes."""
        ternary_states = self.states == "ternary"
        activation = ternary(self.threshold, self.window) if ternary_states else binary(self.window)
        return LayeredNetwork(self.architecture, activation, batch_norm=True)

    @abstractmethod
    def write(self, hardware: PyTree) -> WriteScheme:
        """How a wanted change reaches the states."""

    def rule(self, hardware: PyTree = None, num_steps: int = 1) -> UpdateRule:
        """Autodiff through quantized activations × Adam × the scheme's write.

        Weights start uniformly over the range, so that rounding gives the ternary states a quarter, a half, a quarter
        (authors' code of Deng et al.).
        """
        network, limit = self.layers(), self.grid.limit

        def uniform(key: PRNGKeyArray, shape: tuple[int, int]) -> Array:
            return jax.random.uniform(key, shape, jnp.float32, -limit, limit)

        def start(key: PRNGKeyArray) -> Parameters:
            return network.start(key, uniform)

        rate = decaying(self.learning_rate, self.final_rate, num_steps)
        return join(autodiff(network, squared_hinge), optax.adam(rate), self.write(hardware), start)


@dataclass(frozen=True)
class Gxnor(QuantizedScheme):
    r"""Gated-XNOR network: discrete weights alone, which jump by chance (discrete state transition).

    Adam's step is a wish: its whole part moves a weight by as many states, the rest by one more with chance
    tanh(m \|rest\|). At a rate of 0.1 a third of all weights jump at every step: that needs large batches.

    Parameters
    ----------
    network, learning_rate, final_rate, states, threshold, window
        As of every quantized scheme.
    transition_gain : float
        m.
    """

    name: ClassVar[str] = "gxnor"
    source: ClassVar[str] = (
        "Deng et al., arXiv:1705.09283; Greenberg et al., Semicond. Sci. Technol. 36, 114003 (2021)"
    )

    transition_gain: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(transition_gain=self.transition_gain)

    def write(self, hardware: PyTree) -> WriteScheme:
        """Ideal transitions."""
        return transition(self.grid, self.transition_gain)


@dataclass(frozen=True)
class StraightThrough(QuantizedScheme):
    """The usual way to train a quantized network: a real weight beside each state collects what is wanted of it.

    Parameters
    ----------
    network, learning_rate, final_rate, states, threshold, window
        As of every quantized scheme.
    """

    name: ClassVar[str] = "straight-through"
    source: ClassVar[str] = "Hubara et al., NeurIPS 2016, arXiv:1602.02830 (baseline)"

    def write(self, hardware: PyTree) -> WriteScheme:
        """Latent weights, read as their nearest states."""
        return latent(self.grid)
