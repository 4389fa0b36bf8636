"""THE contract of a scheme: every choice of a way to learn, made, in one hashable value."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import optax
from jaxtyping import PRNGKeyArray, PyTree

from charz.errors import TrainError
from charz.learning.architecture import Architecture, dense
from charz.learning.cost import Count
from charz.learning.inference import SINGLE_SHOT, Inference
from charz.learning.rule import RuleState, UpdateRule

# What a scheme's devices do. Each role has an experiment kind whose posterior models the devices:
# synapse, switch: pulse_switching; noise: telegraph; memristor: pulse_train.
DeviceRole = Literal["synapse", "noise", "memristor", "switch"]
# Counted pulses of which the width was not.
PULSES = ("pulses", "carry_pulses")


@dataclass(frozen=True)
class Scheme:
    """A learning scheme with every choice made; hashable, so that it is compiled once.

    A subclass is one scheme: its fields are its network and its options, `rule` joins its three parts. Adding a
    scheme is adding such a class (of `DenseScheme` or `LayeredScheme`) in a file of its own, and one entry in
    `SCHEMES`.

    Raises
    ------
    TrainError
        When a choice is not valid.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    # None: a software scheme, without devices.
    devices: ClassVar[DeviceRole | None] = None
    # Whether it cannot do without devices; if it can, it runs on ideal ones when it gets none.
    needs_devices: ClassVar[bool] = True
    # Whether runs that are trained together take turns, an epoch each: steps that leave out what does not happen can
    # leave out nothing that happens in another run of the same array program.
    one_by_one: ClassVar[bool] = False
    # Preprocessing of images that the scheme was published with (a key of `ImageSource.preprocess`).
    inputs: ClassVar[str] = "default"

    @classmethod
    @abstractmethod
    def build(cls, architecture: Architecture, **options: Any) -> Self:
        """The scheme on this network.

        Raises
        ------
        TrainError
            When the scheme is not defined for such layers, or an option is not valid.
        """

    @property
    @abstractmethod
    def architecture(self) -> Architecture:
        """The network."""

    @property
    def num_inputs(self) -> int:
        """Inputs a sample."""
        return self.architecture.num_inputs

    @property
    @abstractmethod
    def num_devices(self) -> int:
        """Devices that one network needs; 0 for software schemes."""

    @abstractmethod
    def hardware(self, actual: PyTree, believed: PyTree) -> PyTree:
        """Join what the devices are and what the controller believes of them (same leading axes)."""

    @abstractmethod
    def rule(self, hardware: PyTree, num_steps: int = 1) -> UpdateRule:
        """Build the update rule.

        Parameters
        ----------
        hardware : pytree or None
            Devices of one network, leaves (device,) or scalar; None for software.
        num_steps : int
            Steps of the whole training, for rates that decay.
        """

    def parameters(self, hardware: PyTree, state: RuleState) -> PyTree:
        """Parameters of a network, a layer each, as the controller reads them from what is stored.

        Parameters
        ----------
        hardware : pytree or None
            Devices of one network.
        state : RuleState
        """
        return self.rule(hardware).read(state)

    def transfer(self, key: PRNGKeyArray, hardware: PyTree, state: RuleState) -> RuleState:
        """State of a trained network on other devices, which are to store the same parameters.

        Where devices do not store what was trained (drives, voltages, software weights) it is the state itself.
        Conductances cannot be copied: they are programmed anew.

        Parameters
        ----------
        key : PRNG key
            Of what is random in programming.
        hardware : pytree
            The other devices, of one network.
        state : RuleState
            As trained.
        """
        return state

    def inference_count(self, inference: Inference) -> Count:
        """Events of one inference of one sample in the hardware.

        Raises
        ------
        TrainError
            Where there is no such hardware: of software, and of ways to ask that only a simulation has.
        """
        raise TrainError(
            f"scheme {self.name!r} has no devices whose reads could be counted: its energy is that of a computer"
        )

    def training_count(self, counts: Mapping[str, float]) -> Count:
        """Events of a training, from what its steps counted (`Training.counts`).

        Converters, drivers and comparators work as often for a read as in an inference, unless they were counted.
        """
        reads = float(counts.get("reads", 0.0))
        try:
            once = self.inference_count(SINGLE_SHOT)
        except TrainError:
            once = Count()
        passes = reads / once.reads if once.reads else 0.0
        return once.times(passes)._replace(
            pulses=(reads if once.pulses else 0.0) + sum(float(counts.get(name, 0)) for name in PULSES),
            pulse_time=float(counts.get("pulse_time", 0.0)),
            comparators=float(counts.get("comparisons", passes * once.comparators)),
        )


@dataclass(frozen=True)
class DenseScheme(Scheme):
    """A scheme whose layers are all dense.

    Parameters
    ----------
    sizes : tuple of int
        Neurons a layer, inputs first: ``(196, 10)`` or ``(196, 64, 10)``.
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        dense(*self.sizes)

    @classmethod
    def build(cls, architecture: Architecture, **options: Any) -> Self:
        """Take the sizes of the layers."""
        return cls(architecture.sizes(cls.name), **options)

    @property
    def architecture(self) -> Architecture:
        """Dense layers of `sizes`."""
        return dense(*self.sizes)


@dataclass(frozen=True)
class LayeredScheme(Scheme):
    """A scheme for dense and convolutional layers.

    Parameters
    ----------
    network : Architecture or tuple of int
        The layers, as `parse_architecture` reads them; of dense layers the sizes will do, inputs first.
    """

    network: Architecture | tuple[int, ...]

    def __post_init__(self) -> None:
        _ = self.architecture

    @classmethod
    def build(cls, architecture: Architecture, **options: Any) -> Self:
        """Take the network as it is."""
        return cls(architecture, **options)

    @property
    def architecture(self) -> Architecture:
        """The network itself, or dense layers of its sizes."""
        return self.network if isinstance(self.network, Architecture) else dense(*self.network)


def check_positive(**options: float) -> None:
    """Refuse options that are not above zero.

    Raises
    ------
    TrainError
        Names the option and its value.
    """
    for name, value in options.items():
        if not value > 0:
            raise TrainError(f"{name} is {value}; it must be positive")


def check_rate(learning_rate: float, final_rate: float) -> None:
    """Refuse a rate that is not positive, and one that would grow.

    Raises
    ------
    TrainError
        Names the option and its value.
    """
    check_positive(learning_rate=learning_rate, final_rate=final_rate)
    if final_rate > 1:
        raise TrainError(
            f"final_rate is {final_rate}; it must be at most 1: a share of the learning rate that is left"
        )


def decaying(learning_rate: float, final_rate: float, num_steps: int) -> optax.Schedule:
    """A rate that falls exponentially to a share of itself over a training."""
    return optax.exponential_decay(learning_rate, max(num_steps, 1), final_rate)
