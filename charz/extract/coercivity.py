"""Coercive fields of hysteresis loops: one tanh step a branch, the two branches independent of each other."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Extractor, Labelled, device_name, labelled, record_name
from charz.extract.options import quantity
from charz.extract.tanh_fit import TanhStep, fit_tanh

BRANCHES = ("falling", "rising")
_CYCLE = ("device", "cycle")
_LOOP = ("loop", "cycle")

Floats = NDArray[np.float64]


class _Branches(NamedTuple):
    """Points of both branches of one loop, in the order of `BRANCHES`, and how many belong to neither."""

    points: tuple[slice, slice]
    outside: int


def coercivity(dataset: xr.Dataset, saturation: Any = None) -> xr.Dataset:
    """Fit y = a + b tanh((H - Hc)/w) to the falling and to the rising branch of each loop.

    The loop turns at the extreme of its field that lies farthest from the ends of the record; the branches go
    from the opposite extreme before it and to the opposite extreme after it, and points outside these (a virgin
    curve, a first step the wrong way) belong to neither.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``hysteresis``.
    saturation : quantity in the unit of the field, optional
        From which magnitude of the field on the signal is saturated.

    Returns
    -------
    xarray.Dataset
        Of kind ``ramp_switching``, a branch a device (``"film falling"``, ``"film rising"``). Over (device, cycle):
        ``threshold`` = |Hc|, ``coercive_field_signed``, ``coercive_field_error`` (standard error as if residuals
        were independent, NaN where not identified), ``switching_width`` (w) and its error, ``width_resolved`` (0
        where w lies below ``field_step``, which then is the upper bound of the width), ``residual_sd``. Over
        (loop, cycle): ``coercive_field`` = (Hc_rising - Hc_falling)/2, ``loop_shift`` =
        (Hc_rising + Hc_falling)/2 and, with `saturation`, ``saturation_difference`` (mean signal above it minus
        mean below its negative) and ``noise_sd`` (pooled sd
        of the signal in saturation).

    Raises
    ------
    SchemaError
        When a loop has no two branches, a branch does not switch, or nothing lies beyond `saturation`.
    """
    field, signal = dataset["field"].values, dataset["signal"].values
    valid = np.isfinite(field) & np.isfinite(signal)
    num_devices, num_cycles = field.shape[:2]
    fits = np.full((num_devices, 2, num_cycles, len(TanhStep._fields)), np.nan)
    outside = 0
    for device, cycle in np.argwhere(valid.any(axis=2)):
        keep = valid[device, cycle]
        h, y = field[device, cycle][keep], signal[device, cycle][keep]
        place = record_name(dataset, int(device), int(cycle))
        branches = _split(h, place)
        outside += branches.outside
        for side, points in enumerate(branches.points):
            fits[device, side, cycle] = fit_tanh(h[points], y[points], f"{place}, {BRANCHES[side]}")
    units = {name: str(dataset[name].attrs["units"]) for name in ("field", "signal")}
    variables = {**_per_branch(fits, units), **_per_loop(fits, units)}
    rule = "Hc, w from least squares of a + b tanh((H-Hc)/w) on each branch; threshold = |Hc|"
    rule += f"; {outside} points before the first and after the last extreme left out"
    if saturation is not None:
        beyond = quantity(saturation, "saturation", units["field"], positive=True)
        variables |= _saturated(dataset, beyond, units["signal"])
        rule += f"; saturated beyond {beyond:g} {units['field']}"
    names = [device_name(dataset, device) for device in range(num_devices)]
    branches_of = [f"{name} {branch}" for name in names for branch in BRANCHES]
    coords: dict[str, Any] = {
        "device": ("device", branches_of, {"long_name": "branch of a device"}),
        "loop": ("loop", names, {"long_name": "device"}),
    }
    if "cycle" in dataset.coords:
        coords["cycle"] = dataset["cycle"]
    return xr.Dataset(variables, coords, {"experiment": "ramp_switching", "extract_rule": rule})


def _split(field: Floats, place: str) -> _Branches:
    """Find the turning point and the branches before and after it."""
    size = field.size
    low, high = int(np.argmin(field)), int(np.argmax(field))
    at_bottom = min(low, size - 1 - low) >= min(high, size - 1 - high)
    turn = low if at_bottom else high
    opposite = -field if at_bottom else field
    # The last of equal extremes before the turn, the first after it: the branch itself, not the wait before it.
    start = turn - int(np.argmin(opposite[turn::-1]))
    end = turn + int(np.argmin(opposite[turn:]))
    if start == turn or end == turn:
        raise SchemaError(
            f"coercivity: the field of {place} goes one way only ({field[0]:g} to {field[-1]:g}); a loop needs a "
            "falling and a rising branch, since the coercive field is half their distance"
        )
    before, after = slice(start, turn + 1), slice(turn, end + 1)
    return _Branches((before, after) if at_bottom else (after, before), start + size - 1 - end)


def _per_branch(fits: NDArray[Any], units: dict[str, str]) -> dict[str, Labelled]:
    """Variables over (device, cycle), the branches of a device one after the other."""
    columns = fits.reshape(-1, *fits.shape[2:])
    step = dict(zip(TanhStep._fields, np.moveaxis(columns, -1, 0), strict=True))
    measured = np.isfinite(step["centre"])
    resolved = (measured & (step["width"] >= step["step"])).astype(np.int64)
    bound = "where width_resolved is 0, not identified: field_step is an upper bound, and this value lies below it"
    error = "standard error of the coercive field as if residuals were independent"
    coarse = "where width_resolved is 0, the step of the field adds up to half of field_step to it"
    h, y = units["field"], units["signal"]
    return {
        "threshold": labelled(_CYCLE, np.abs(step["centre"]), h, "magnitude of the coercive field"),
        "coercive_field_signed": labelled(_CYCLE, step["centre"], h, "coercive field of the branch"),
        "coercive_field_error": labelled(_CYCLE, step["centre_error"], h, error, coarse),
        "switching_width": labelled(_CYCLE, step["width"], h, "width of the switching", bound),
        "switching_width_error": labelled(_CYCLE, step["width_error"], h, "standard error of the width"),
        "width_resolved": labelled(_CYCLE, resolved, "1", "1 width resolved by the step of the field, 0 not"),
        "field_step": labelled(_CYCLE, step["step"], h, "mean step of the field at the switching"),
        "residual_sd": labelled(_CYCLE, step["residual_sd"], y, "sd of the residuals of the fit"),
    }


def _per_loop(fits: NDArray[Any], units: dict[str, str]) -> dict[str, Labelled]:
    falling, rising = fits[:, 0, :, 0], fits[:, 1, :, 0]
    return {
        "coercive_field": labelled(
            _LOOP, (rising - falling) / 2, units["field"], "coercive field of the loop"
        ),
        "loop_shift": labelled(
            _LOOP, (rising + falling) / 2, units["field"], "shift of the loop along the field"
        ),
    }


def _saturated(dataset: xr.Dataset, beyond: float, units: str) -> dict[str, Labelled]:
    field, signal = dataset["field"].values, dataset["signal"].values
    valid = np.isfinite(field) & np.isfinite(signal)
    means, squares, total = [], np.zeros(field.shape[:2]), np.zeros(field.shape[:2])
    for part in (valid & (field > beyond), valid & (field < -beyond)):
        count = part.sum(axis=2)
        lacking = valid.any(axis=2) & (count < 2)
        if lacking.any():
            device, cycle = np.argwhere(lacking)[0]
            raise SchemaError(
                f"coercivity: {record_name(dataset, device, cycle)} has fewer than two points beyond saturation = "
                f"{beyond:g} on one side (fields {np.nanmin(field[device, cycle]):g} to "
                f"{np.nanmax(field[device, cycle]):g}); choose a smaller field, or leave the option out"
            )
        centre = np.where(part, signal, 0.0).sum(axis=2) / np.where(count > 0, count, 1)
        squares += np.where(part, (signal - centre[..., None]) ** 2, 0.0).sum(axis=2)
        total += count
        means.append(centre)
    measured = valid.any(axis=2)
    noise = np.sqrt(squares / np.where(measured, total - 2, 1))
    difference = np.where(measured, means[0] - means[1], np.nan)
    return {
        "saturation_difference": labelled(
            _LOOP, difference, units, "signal in saturation, above minus below"
        ),
        "noise_sd": labelled(
            _LOOP, np.where(measured, noise, np.nan), units, "sd of the signal in saturation"
        ),
    }


EXTRACTOR = Extractor(
    "coercivity",
    "coercive field, shift and width of hysteresis loops",
    ("hysteresis",),
    "ramp_switching",
    {"saturation": "field such as '200 Oe' beyond which the signal is saturated"},
    coercivity,
)
