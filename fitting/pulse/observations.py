"""From a `pulse_switching` dataset to plain arrays for the likelihood."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from charz.errors import FitError
from charz.fitting.contract import Observations

DIMS = ("device", "setting")


def observe(dataset: xr.Dataset) -> Observations:
    """Take counts and settings out of a dataset.

    Padded settings have 0 trials, and the centre of the sweep as a harmless amplitude.

    Returns
    -------
    Observations
        Arrays (device, setting): ``amplitude`` in the unit of the drive, ``num_trials``, ``num_switched``; where
        every trial has one, ``width`` in s; where the pulses start in either of two states, ``direction`` (0 out
        of the lower ``initial_state``, 1 out of the higher) and ``directed_amplitude``, the amplitude counted
        towards switching in that direction.

    Raises
    ------
    FitError
        When the dataset is of another kind or holds no trial.
    """
    kind = dataset.attrs.get("experiment")
    if kind != "pulse_switching":
        raise FitError(f"the dataset is of kind {kind!r}; this model is fitted to 'pulse_switching'")
    num_trials, num_switched, amplitude = (
        _table(dataset, name) for name in ("num_trials", "num_switched", "amplitude")
    )
    measured = num_trials > 0
    if not measured.any():
        raise FitError("the dataset holds no trial: every setting has num_trials = 0")
    arrays = {
        "amplitude": _padded(amplitude, measured),
        "num_trials": num_trials,
        "num_switched": np.where(measured, num_switched, 0.0),
    }
    widths, remarks_on_width = _widths(dataset, measured)
    states, remarks_on_state = _directions(dataset, arrays, measured)
    unit = str(dataset["amplitude"].attrs.get("units", "arb"))
    return Observations(
        devices=tuple(str(name) for name in dataset["device"].to_numpy()),
        arrays={**arrays, **widths, **states},
        observed=("num_switched",),
        dims=DIMS[1:],
        measured=measured,
        units={
            "drive": unit,
            "amplitude": unit,
            "directed_amplitude": unit,
            "num_trials": "1",
            "num_switched": "1",
            "width": "s",
            "direction": "1",
        },
        long_names={
            "amplitude": "pulse amplitude",
            "num_trials": "number of pulses",
            "num_switched": "number that switched",
            "width": "pulse width",
            "direction": "0 out of the lower initial state, 1 out of the higher",
            "directed_amplitude": "pulse amplitude counted towards switching",
        },
        integers=("num_trials", "num_switched"),
        remarks=remarks_on_width + remarks_on_state,
    )


def _table(dataset: xr.Dataset, name: str) -> np.ndarray:
    return dataset[name].broadcast_like(dataset["num_trials"]).transpose(*DIMS).to_numpy().astype(np.float64)


def _padded(values: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Put the middle of the measured values where nothing was measured."""
    middle = (values[measured].min() + values[measured].max()) / 2
    return np.where(measured, values, middle)


def _widths(dataset: xr.Dataset, measured: np.ndarray) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    if "width" not in dataset:
        return {}, ()
    width = _table(dataset, "width")
    unknown = int((~np.isfinite(width[measured])).sum())
    if unknown:
        return {}, (f"the pulse width is not known at {unknown} settings, so no width was used",)
    return {"width": _padded(width, measured)}, ()


def _directions(
    dataset: xr.Dataset, arrays: Mapping[str, np.ndarray], measured: np.ndarray
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Two initial states are two directions; one says nothing, and many are readings of an analogue quantity."""
    if "initial_state" not in dataset:
        return {}, ()
    state = _table(dataset, "initial_state")
    found = np.unique(state[measured])
    if found.size == 1:
        return {}, ()
    if found.size > 2 or not np.isfinite(found).all():
        return {}, (
            f"initial_state takes {found.size} different values: these are readings of an analogue quantity, not"
            " the two states of a junction, and were not used",
        )
    direction = np.where(measured, state == found[1], 0.0).astype(np.float64)
    sign = np.where(direction == 0, *(_sign(arrays, measured & (direction == d)) for d in (0, 1)))
    remarks: tuple[str, ...] = (
        "pulses start in either of two states; only the models of directions tell them apart",
    )
    reversed_ones = [name for d, name in ((0, "set"), (1, "reset")) if (sign[direction == d] < 0).any()]
    if reversed_ones:
        remarks += (
            f"the drive of {' and '.join(reversed_ones)} is counted in the direction of negative pulses",
        )
    return {"direction": direction, "directed_amplitude": sign * arrays["amplitude"]}, remarks


def _sign(arrays: Mapping[str, np.ndarray], chosen: np.ndarray) -> float:
    """Sign of the drive that switches: that of the sweep; of a sweep through zero, that with which counts rise."""
    amplitude, trials = arrays["amplitude"][chosen], arrays["num_trials"][chosen]
    if amplitude.min() >= 0:
        return 1.0
    if amplitude.max() <= 0:
        return -1.0
    switched = arrays["num_switched"][chosen]
    rise = (switched - trials * switched.sum() / trials.sum()) @ amplitude
    return -1.0 if rise < 0 else 1.0
