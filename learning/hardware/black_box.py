"""Any Python function as a device: what a material on a bench must offer, and what is asked of its answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import ArrayLike, NDArray

from charz.devices.material_record import Measure
from charz.errors import HardwareError
from charz.finite import all_finite
from charz.learning.waveform import Waveform, Wiring

# ``measure(voltage (time, electrode) in V) -> current (time,) in A``: an instrument, or anything that behaves like one.
MeasureCurrent = Callable[[NDArray[np.float64]], ArrayLike]


@dataclass(frozen=True)
class ElectrodeLimits:
    """What a bench allows and how it samples.

    Parameters
    ----------
    lowest, highest : tuple of float
        Range of each electrode, in V.
    sampling_rate : float
        Of voltages and currents, in Hz.
    clip : float
        Largest current that the amplifier shows, of either sign, in A.

    Raises
    ------
    HardwareError
        When a range is empty or not finite, electrodes do not match, or rate or clip is not positive.
    """

    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    sampling_rate: float
    clip: float = float("inf")

    def __post_init__(self) -> None:
        if len(self.lowest) != len(self.highest) or not self.lowest:
            raise HardwareError(
                f"limits have {len(self.lowest)} lowest and {len(self.highest)} highest voltages; each electrode has "
                "both, and there must be at least one"
            )
        for electrode, (low, high) in enumerate(zip(self.lowest, self.highest, strict=True)):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise HardwareError(
                    f"electrode {electrode} has the range {low} to {high} V; it must be finite and go from a lower "
                    "to a higher voltage: nothing else protects the device"
                )
        if not (0 < self.sampling_rate < np.inf and self.clip > 0):
            raise HardwareError(
                f"sampling_rate is {self.sampling_rate} Hz and clip {self.clip} A; both must be positive, the rate "
                "finite"
            )

    def of_controls(
        self, waveform: Waveform, wiring: Wiring
    ) -> tuple[Float[np.ndarray, " control"], Float[np.ndarray, " control"]]:
        """Range of each control in V, narrowed by the amplitude of its tone, so that no sine leaves it."""
        controls = list(wiring.controls)
        room = np.asarray(waveform.tones.amplitudes, np.float32)
        lowest, highest = np.asarray(self.lowest, np.float32), np.asarray(self.highest, np.float32)
        return lowest[controls] + room, highest[controls] - room


def as_measure(current_of: MeasureCurrent) -> Measure:
    """Give a function of voltages the contract of `homodyne`: it gets NumPy in double precision, and no key.

    What joins it must then run step by step: in a compiled loop there are no voltages to hand over.

    Parameters
    ----------
    current_of : callable
        ``current_of(voltage (time, electrode) in V) -> current (time,) in A``.

    Returns
    -------
    callable
        ``measure(key, voltage) -> current``; raises `HardwareError` where the answer is not one finite current for
        each sample.
    """

    def measure(key: PRNGKeyArray, voltage: Float[Array, "time electrode"]) -> NDArray[np.float64]:
        sent = np.asarray(voltage, np.float64)
        return checked("the current", current_of(sent), sent.shape[:1], "one current in A for each sample")

    # Estimators cut, multiply and average records of either library alike (`waveform.Record`).
    return cast(Measure, measure)


def checked(name: str, values: ArrayLike, shape: tuple[int, ...], meaning: str) -> NDArray[np.float64]:
    """Check an answer of a device.

    Raises
    ------
    HardwareError
        When it has another shape, or is not finite.
    """
    answer = np.asarray(values, np.float64)
    if answer.shape != shape:
        raise HardwareError(
            f"{name} that the device returned has shape {answer.shape}; it must be {shape}, {meaning}"
        )
    if not all_finite(answer) and not np.isfinite(answer).all():
        raise HardwareError(
            f"{name} that the device returned has {np.count_nonzero(~np.isfinite(answer))} values that are not "
            "finite: a lost or overloaded sample would spoil every derivative"
        )
    return answer
