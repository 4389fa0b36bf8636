"""THE contract of a scheme: every choice of a way to learn, made, in one hashable value."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import optax
from jaxtyping import PyTree

from charz.errors import TrainError
from charz.learning.rule import UpdateRule

# What a scheme's devices do, and the experiment kind whose posterior models them.
DeviceRole = Literal["synapse", "noise"]


@dataclass(frozen=True)
class Scheme:
    """A learning scheme with every choice made; hashable, so that it is compiled once.

    A subclass is one scheme: its fields are its options, `rule` joins its three parts. Adding a scheme is adding
    such a class in a file of its own, and one entry in `SCHEMES`.

    Parameters
    ----------
    sizes : tuple of int
        Neurons a layer, inputs first: ``(196, 10)`` or ``(196, 64, 10)``.

    Raises
    ------
    TrainError
        When a choice is not valid.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    # None: a software scheme, without devices.
    devices: ClassVar[DeviceRole | None] = None
    # Preprocessing of images that the scheme was published with (a key of `ImageSource.preprocess`).
    inputs: ClassVar[str] = "default"

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise TrainError(
                f"sizes {self.sizes} must be at least inputs and outputs, each 1 or more neurons"
            )

    @property
    def num_inputs(self) -> int:
        """Inputs a sample."""
        return self.sizes[0]

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
