"""Mean/variance rule on stochastic synapses (Ellis et al. 2023)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

from charz.devices import AbstractSwitchingLaw, DomainWallSynapses
from charz.devices.random_words import normal
from charz.errors import TrainError
from charz.learning.cost import Count, inference_count
from charz.learning.estimators import mean_variance
from charz.learning.inference import Inference
from charz.learning.network import Layer, Theta, lay_out, layer_shapes, num_synapses
from charz.learning.rule import UpdateRule, join
from charz.learning.schemes.contract import DenseScheme, DeviceRole, check_positive
from charz.learning.stochastic_layer import GAUSSIAN_FROM_READS, Sampling
from charz.learning.writes import ideal

MEAN_FIELD = "inf"


@dataclass(frozen=True)
class MeanVariance(DenseScheme):
    """Synapses are wires that switch at random; the gradient goes through the believed mean and variance.

    Parameters
    ----------
    sizes : tuple of int
        Neurons a layer, inputs first.
    num_reads : int or None
        Measurements N per synapse; None is the mean-field limit.
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

    name: ClassVar[str] = "mean-variance"
    source: ClassVar[str] = "Ellis et al., Neuromorph. Comput. Eng. 3, 021001 (2023)"
    devices: ClassVar[DeviceRole | None] = "synapse"

    num_reads: int | None = 1
    differential: bool = False
    learning_rate: float = 0.02
    sampling: Literal["auto", "exact", "gaussian"] = "auto"
    drive_range: tuple[float, float] | None = None
    mean_input: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_reads is not None and self.num_reads < 1:
            raise TrainError(
                f"num_reads is {self.num_reads}; a synapse must be measured at least once (or '{MEAN_FIELD}', "
                "the mean-field limit)"
            )
        check_positive(learning_rate=self.learning_rate)
        if self.drive_range is not None and not self.drive_range[0] < self.drive_range[1]:
            raise TrainError(f"drive_range {self.drive_range} must go from a lower to a higher drive")

    @property
    def wires(self) -> int:
        """Wires a synapse: 1, or 2 in a differential pair."""
        return 2 if self.differential else 1

    @property
    def num_devices(self) -> int:
        """One a wire of every synapse."""
        return num_synapses(self.sizes, self.wires)

    @property
    def reads(self) -> Sampling:
        """The resolved way of drawing reads."""
        if self.sampling != "auto":
            return self.sampling
        return "gaussian" if (self.num_reads or 0) >= GAUSSIAN_FROM_READS else "exact"

    def inference_count(self, inference: Inference) -> Count:
        """N measurements of every wire, each a pulse and a read; inputs pass a DAC, sums an ADC.

        Raises
        ------
        TrainError
            For the mean field and for inference without noise: no measurement has either.
        """
        if self.num_reads is None or inference.mode == "deterministic":
            raise TrainError(
                "the mean field of a stochastic synapse is never measured, so that it has no energy; give a finite"
                " --num-reads and another --inference"
            )
        passes = self.num_reads * (inference.votes if inference.mode == "votes" else 1)
        return inference_count(self.architecture, passes=passes, devices=self.wires, pulsed=True)

    def hardware(self, actual: AbstractSwitchingLaw, believed: AbstractSwitchingLaw) -> DomainWallSynapses:
        """Wires that are `actual` and are thought to be `believed`."""
        return DomainWallSynapses(actual=actual, believed=believed)

    def rule(self, hardware: DomainWallSynapses | None, num_steps: int = 1) -> UpdateRule:
        """Mean/variance estimator × Adam × ideal write, clipped to the drive range.

        Raises
        ------
        TrainError
            Without devices.
        """
        if hardware is None:
            raise TrainError(
                f"scheme {self.name!r} needs devices: its synapses are measured wires; give a posterior (--device)"
            )
        layers = lay_out(hardware, self.sizes, self.wires)
        estimator = mean_variance(layers, self.num_reads, self.reads)
        low, high = self.drive_range or (None, None)
        return join(
            estimator, optax.adam(self.learning_rate), ideal(low, high), lambda key: _start(key, self, layers)
        )


def _start(key: PRNGKeyArray, scheme: MeanVariance, layers: list[DomainWallSynapses]) -> Theta:
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
