"""The table of learning schemes: which estimator, optimizer, write and start make each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

from charz.devices import DomainWallSynapses
from charz.devices.random_words import normal
from charz.errors import TrainError
from charz.learning.estimators import backprop, mean_variance
from charz.learning.network import Layer, Theta, lay_out, layer_shapes, num_synapses
from charz.learning.rule import UpdateRule, join
from charz.learning.stochastic_layer import GAUSSIAN_FROM_READS, Sampling
from charz.learning.writes import ideal

MEAN_FIELD = "inf"


@dataclass(frozen=True)
class Scheme:
    """A learning scheme with every choice made; hashable, so that it is compiled once.

    Parameters
    ----------
    name : str
        A key of `SCHEMES`.
    sizes : tuple of int
        Neurons a layer, inputs first: ``(196, 10)`` or ``(196, 64, 10)``.
    num_reads : int or None
        Measurements N per synapse; None is the mean-field limit. Software schemes ignore it.
    differential : bool
        Make each synapse of two wires, Y = Y⁺ - Y⁻, so that it can be negative.
    learning_rate : float
        Of Adam (β 0.9 / 0.999). Default 0.02 (authors' code).
    sampling : {"auto", "exact", "gaussian"}
        How reads are drawn; "auto" counts exactly below 16 reads and uses the Gaussian limit from there on.
    drive_range : (float, float) or None
        Range of the drive source, in the unit of the drive; None does not clip.
    mean_input : float
        Mean of the inputs over features and samples; hidden neurons start centred on it.
    """

    name: str
    sizes: tuple[int, ...]
    num_reads: int | None = 1
    differential: bool = False
    learning_rate: float = 0.02
    sampling: Literal["auto", "exact", "gaussian"] = "auto"
    drive_range: tuple[float, float] | None = None
    mean_input: float = 0.5

    def __post_init__(self) -> None:
        _check(self)

    @property
    def wires(self) -> int:
        """Wires a synapse: 1, or 2 in a differential pair."""
        return 2 if self.differential else 1

    @property
    def num_devices(self) -> int:
        """Devices that one network needs; 0 for software schemes."""
        return num_synapses(self.sizes, self.wires) if self.uses_devices else 0

    @property
    def uses_devices(self) -> bool:
        """Whether the scheme's synapses are devices (else it is a software baseline)."""
        return SCHEMES[self.name].uses_devices

    @property
    def reads(self) -> Sampling:
        """The resolved way of drawing reads."""
        if self.sampling != "auto":
            return self.sampling
        return "gaussian" if (self.num_reads or 0) >= GAUSSIAN_FROM_READS else "exact"

    def rule(self, hardware: DomainWallSynapses | None) -> UpdateRule:
        """Build the update rule on the given hardware (leaves (synapses,) or scalar; None for software)."""
        return SCHEMES[self.name].build(self, hardware)


@dataclass(frozen=True)
class SchemeEntry:
    """A row of the table: how a scheme is built, what it needs, where it comes from."""

    build: Callable[[Scheme, DomainWallSynapses | None], UpdateRule]
    uses_devices: bool
    source: str


def _mean_variance_rule(scheme: Scheme, hardware: DomainWallSynapses | None) -> UpdateRule:
    if hardware is None:
        raise TrainError(
            f"scheme {scheme.name!r} needs devices: its synapses are measured wires; give a posterior (--device)"
        )
    layers = lay_out(hardware, scheme.sizes, scheme.wires)
    estimator = mean_variance(layers, scheme.num_reads, scheme.reads)
    low, high = scheme.drive_range or (None, None)
    return join(
        estimator, optax.adam(scheme.learning_rate), ideal(low, high), lambda key: _start(key, scheme, layers)
    )


def _start(key: PRNGKeyArray, scheme: Scheme, layers: list[DomainWallSynapses]) -> Theta:
    """Start every drive at the middle of the believed curve (the paper's recipe).

    A network with hidden layers, or of differential pairs, needs its symmetry broken: drives are spread by one
    curve width, and hidden neurons are centred on the mean of their inputs (our choice).
    """
    theta, mean_input = [], scheme.mean_input
    single = len(layers) == 1
    for index, (shape, synapses) in enumerate(
        zip(layer_shapes(scheme.sizes, scheme.wires), layers, strict=True)
    ):
        middle = jnp.broadcast_to(synapses.start_drive(), shape)
        if not single:
            unit = 1 / (4 * synapses.believed.slope(middle))
            middle = middle + unit * normal(jax.random.fold_in(key, index), shape)
        bias = jnp.zeros(shape[2])
        if index < len(layers) - 1 and not scheme.differential:
            bias = bias - mean_input * synapses.believed.probability(middle).sum((0, 1))
        theta.append(Layer(middle, bias))
        mean_input = 0.5
    return tuple(theta)


def _backprop_rule(scheme: Scheme, hardware: DomainWallSynapses | None) -> UpdateRule:
    def start(key: PRNGKeyArray) -> Theta:
        he_normal = jax.nn.initializers.he_normal()
        return tuple(
            Layer(he_normal(jax.random.fold_in(key, index), (inputs, outputs)), jnp.zeros(outputs))
            for index, (_, inputs, outputs) in enumerate(layer_shapes(scheme.sizes, 1))
        )

    return join(backprop(), optax.adam(scheme.learning_rate), ideal(), start)


SCHEMES: dict[str, SchemeEntry] = {
    "mean-variance": SchemeEntry(
        _mean_variance_rule,
        uses_devices=True,
        source="Ellis et al., Neuromorph. Comput. Eng. 3, 021001 (2023)",
    ),
    "backprop": SchemeEntry(_backprop_rule, uses_devices=False, source="baseline"),
}


def find_scheme(name: str) -> SchemeEntry:
    """The row of the table for a scheme's name.

    Raises
    ------
    TrainError
        For an unknown name.
    """
    if name not in SCHEMES:
        raise TrainError(f"scheme {name!r} is not known; choose one of {', '.join(SCHEMES)}")
    return SCHEMES[name]


def _check(scheme: Scheme) -> None:
    find_scheme(scheme.name)
    if len(scheme.sizes) < 2 or min(scheme.sizes) < 1:
        raise TrainError(f"sizes {scheme.sizes} must be at least inputs and outputs, each 1 or more neurons")
    if scheme.num_reads is not None and scheme.num_reads < 1:
        raise TrainError(
            f"num_reads is {scheme.num_reads}; a synapse must be measured at least once (or '{MEAN_FIELD}', "
            "the mean-field limit)"
        )
    if not scheme.learning_rate > 0:
        raise TrainError(f"learning_rate is {scheme.learning_rate}; it must be positive")
    if scheme.drive_range is not None and not scheme.drive_range[0] < scheme.drive_range[1]:
        raise TrainError(f"drive_range {scheme.drive_range} must go from a lower to a higher drive")
