"""What a plan is made of: candidate measurements with their costs, and the number that they are to narrow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from charz.errors import FitError

SECONDS_AN_HOUR = 3600.0
FlatDraws = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Cost:
    """Time on the bench, s.

    Parameters
    ----------
    per_device : float
        For each device, for example to contact it.
    per_outcome : float
        For each setting, cycle, pulse or sample of each device.
    per_trial : float
        For each pulse of a setting that is pulsed many times.
    """

    per_device: float = 0.0
    per_outcome: float = 0.0
    per_trial: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """A measurement that could be made next.

    Parameters
    ----------
    name : str
    devices : int or tuple of str
        Number of devices nobody has measured yet, or names of measured ones.
    cost : Cost
    settings : mapping
        Values of ``amplitude`` (in the unit of the data) and ``width`` (s); empty: what was done before, new devices
        taking the settings of the measured ones in turn.
    num_trials : int, optional
        Pulses at each setting; None: as before.
    repeats : int
        How often all of it is done on each device.
    """

    name: str
    devices: int | tuple[str, ...]
    cost: Cost
    settings: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    num_trials: int | None = None
    repeats: int = 1

    def __post_init__(self) -> None:
        for what, value in (
            ("devices", self.num_devices),
            ("repeats", self.repeats),
            ("trials", 1 if self.num_trials is None else self.num_trials),
        ):
            if value < 1:
                raise FitError(f"candidate {self.name!r}: {what} is {value}; a measurement needs at least 1")

    @property
    def num_devices(self) -> int:
        """How many devices it measures."""
        return self.devices if isinstance(self.devices, int) else len(self.devices)

    @property
    def new(self) -> bool:
        """Whether its devices are ones that nobody has measured."""
        return isinstance(self.devices, int)


@dataclass(frozen=True)
class Target:
    """A number with a posterior, which a measurement is to narrow.

    Parameters
    ----------
    name, unit : str
    values : callable
        From draws of all parameters, (draw,) or (draw, device) by name, to the number, (draw,).
    rest : float
        Variance of what is predicted that no measurement takes away (devices, seeds and reads of one network).
    remark : str
        What limits it, for whoever reads the plan.
    device : int, optional
        Number of the measured device that it belongs to; None where it belongs to the population.
    """

    name: str
    unit: str
    values: Callable[[FlatDraws], np.ndarray]
    rest: float = 0.0
    remark: str = ""
    device: int | None = None
