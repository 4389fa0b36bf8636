"""What was swept: the amplitudes and widths that were measured, for all directions or one of them."""

from dataclasses import replace

import numpy as np

from charz.fitting.contract import Observations

DIRECTIONS = ("set", "reset")


def centre(observations: Observations) -> float:
    """Middle of the sweep, in the unit of the drive."""
    amplitude = observations.arrays["amplitude"][observations.measured]
    return float(amplitude.min() + amplitude.max()) / 2


def span(observations: Observations) -> float:
    """Range of the sweep, in the unit of the drive."""
    return float(np.ptp(observations.arrays["amplitude"][observations.measured]))


def typical_width(observations: Observations) -> float:
    """Geometric mean of the shortest and the longest pulse, in s; 1 s where no width is known."""
    if "width" not in observations.arrays:
        return 1.0
    width = observations.arrays["width"][observations.measured]
    return float(np.sqrt(width.min() * width.max()))


def limits(observations: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest amplitude of each device, (device,); of all where a device has no sweep of its own."""
    amplitude, measured = observations.arrays["amplitude"], observations.measured
    low = np.where(measured, amplitude, np.inf).min(1)
    high = np.where(measured, amplitude, -np.inf).max(1)
    own = high > low
    whole = amplitude[measured]
    return np.where(own, low, whole.min()), np.where(own, high, whole.max())


def in_direction(observations: Observations, direction: str) -> Observations:
    """Only the settings of one direction, the others as padding; the amplitude counted towards switching."""
    arrays = dict(observations.arrays)
    inside = observations.measured & (arrays["direction"] == DIRECTIONS.index(direction))
    for name in ("num_trials", "num_switched"):
        arrays[name] = np.where(inside, arrays[name], 0.0)
    arrays["amplitude"] = arrays.pop("directed_amplitude")
    del arrays["direction"]
    return replace(observations, arrays=arrays, measured=inside)
