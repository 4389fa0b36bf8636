"""A transfer record as a fit sees it: plain arrays, the range of every electrode, and scaled voltages and currents."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from charz.errors import FitError
from charz.fitting.contract import Model, Observations

EXPERIMENT = "transfer"
MIN_SAMPLES = 10
# Time and memory of the evidence grow with the samples; a longer record is thinned by its owner, who knows its noise.
MAX_SAMPLES = 2000
MATERIAL = "material"
# A range below this share of the largest voltage is rounding, not a variation.
SAME = 1e-9


@dataclass(frozen=True)
class Record:
    """Complete samples of one material.

    Parameters
    ----------
    voltage : array (sample, electrode)
        In V.
    current : array (sample,)
        In A.
    """

    voltage: np.ndarray
    current: np.ndarray

    @cached_property
    def lowest(self) -> np.ndarray:
        """Smallest voltage of each electrode, (electrode,), in V."""
        return self.voltage.min(0)

    @cached_property
    def highest(self) -> np.ndarray:
        """Largest voltage of each electrode, (electrode,), in V."""
        return self.voltage.max(0)

    @cached_property
    def varies(self) -> np.ndarray:
        """Which electrodes were varied at all, (electrode,)."""
        return self.highest - self.lowest > SAME * np.maximum(
            np.abs(self.voltage).max(0), np.finfo(float).tiny
        )

    @cached_property
    def middle(self) -> np.ndarray:
        """Middle of each electrode's range, (electrode,), in V."""
        return (self.lowest + self.highest) / 2

    @cached_property
    def half_range(self) -> np.ndarray:
        """Half of each electrode's range, (electrode,), in V; of one that never changed, the mean of the others'."""
        half = (self.highest - self.lowest) / 2
        return np.where(self.varies, half, half[self.varies].mean())

    @cached_property
    def middle_current(self) -> float:
        """Middle of the range of the output, in A."""
        return float(self.current.min() + self.current.max()) / 2

    @cached_property
    def half_current(self) -> float:
        """Half of the range of the output, in A."""
        return float(np.ptp(self.current)) / 2

    def scaled(self, voltage: np.ndarray) -> np.ndarray:
        """Voltages as shares of the ranges: -1 to 1 inside."""
        return (voltage - self.middle) / self.half_range


def observe(dataset: xr.Dataset) -> Observations:
    """Read a transfer dataset for fitting, as one device.

    Samples with a missing voltage or current are left out, and counted in a remark.

    Raises
    ------
    FitError
        For another kind of experiment, samples of several devices, too few or too many samples, an output that
        never changes, or electrodes none of which was varied.
    """
    found = dataset.attrs.get("experiment", "")
    if found != EXPERIMENT:
        raise FitError(
            f"the experiment is {found!r}; a surrogate of a material is fitted to {EXPERIMENT!r} data, which hold a "
            "current for each set of voltages"
        )
    name = _device_name(dataset)
    voltage = np.asarray(dataset["voltage"].transpose("sample", "electrode").values, np.float64)
    current = np.asarray(dataset["current"].values, np.float64)
    complete = np.isfinite(voltage).all(1) & np.isfinite(current)
    voltage, current = voltage[complete], current[complete]
    _require_samples(voltage, current)
    missing = int(np.sum(~complete))
    remarks = [f"{missing} samples with a missing voltage or current are left out"] if missing else []
    still = np.flatnonzero(~Record(voltage, current).varies)
    if still.size:
        remarks.append(f"electrode {_listed(still)} never changed: nothing is learnt about it")
    return Observations(
        devices=(name,),
        arrays={"voltage": voltage[None], "current": current[None]},
        observed=("current",),
        dims=("sample",),
        measured=np.ones((1, len(current)), bool),
        units={"voltage": "V", "current": "A", "drive": "V"},
        long_names={"voltage": "control voltage", "current": "output current"},
        remarks=tuple(remarks),
    )


def _device_name(dataset: xr.Dataset) -> str:
    if "device" not in dataset.coords:
        return MATERIAL
    names = np.unique(dataset["device"].values.astype(str))
    if names.size > 1:
        raise FitError(
            f"the record holds samples of {names.size} devices ({', '.join(names[:5])}); one surrogate stands for one "
            "material, so select one device and fit each by itself"
        )
    return str(names[0])


def _require_samples(voltage: np.ndarray, current: np.ndarray) -> None:
    number = len(current)
    if number < MIN_SAMPLES:
        raise FitError(
            f"{number} complete samples; at least {MIN_SAMPLES} are needed, since fewer cannot tell the noise from the "
            "response of the material: measure more"
        )
    if number > MAX_SAMPLES:
        raise FitError(
            f"{number} samples; at most {MAX_SAMPLES} are fitted, since consecutive samples of a long record repeat "
            f"each other: take every {-(-number // MAX_SAMPLES)}th one or more sparsely"
        )
    if np.ptp(current) <= SAME * np.abs(current).max():
        raise FitError(
            f"the output current is {current[0]:.4g} A in all {number} samples; it must vary, or it says nothing about "
            "any electrode: check the range of the amplifier and the contacts"
        )
    if not Record(voltage, current).varies.any():
        raise FitError(
            f"none of the {voltage.shape[1]} electrodes was varied over {number} samples; at least one must be, or all "
            "changes of the output are noise: sweep the electrodes"
        )


def require_information(observations: Observations, model: Model, pool: str) -> None:
    """Refuse a pooling that one material cannot have.

    Raises
    ------
    FitError
        For ``pool="hierarchical"``.
    """
    if pool == "hierarchical":
        raise FitError(
            f"pool 'hierarchical' with model {model.name!r}: a transfer record holds {len(observations.devices)} "
            "material, and one device says nothing about a spread between devices: use 'complete'"
        )


def record_of(observations: Observations) -> Record:
    """Take the one material out of observations."""
    return Record(observations.arrays["voltage"][0], observations.arrays["current"][0])


def record_from(constant: Mapping[str, Any], observed: Mapping[str, Any]) -> Record:
    """Take it out of the groups ``constant_data`` and ``observed_data`` of a posterior."""
    return Record(np.asarray(constant["voltage"]), np.asarray(observed["current"]))


def _listed(numbers: np.ndarray) -> str:
    return ", ".join(str(number) for number in numbers)
