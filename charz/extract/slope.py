"""Least-squares slope of signal against field of each loop; with a series resistor, the device's conductance."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Extractor, labelled, new_kind, record_name, require_units, same_kind
from charz.extract.options import quantity
from charz.units import ARBITRARY, CANONICAL, DIMENSIONLESS, canonical_unit

_CYCLE = ("device", "cycle")
_TIME = ("device", "time")

Floats = NDArray[np.float64]


class _Line(NamedTuple):
    slope: Floats
    r_squared: Floats
    num_points: NDArray[np.int64]


def slope(dataset: xr.Dataset, series_resistance: Any = None, interval: Any = None) -> xr.Dataset:
    """Fit a line to each loop: slope s = Σ(H-H̄)(y-ȳ) / Σ(H-H̄)².

    Where signal is the voltage across a series resistor R_s and field the voltage across resistor and device,
    s is the ratio of a divider, and the device's conductance is g = s / ((1-s) R_s).

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``hysteresis``.
    series_resistance : quantity in ohm, optional
    interval : quantity in s, optional
        Between one loop and the next; needs `series_resistance`.

    Returns
    -------
    xarray.Dataset
        The dataset with ``slope``, ``r_squared``, ``num_points`` (and ``conductance``) over (device, cycle); with
        `interval` a dataset of kind ``retention`` with these over (device, time) and ``elapsed`` = (cycle - first
        cycle) times interval, so that loops that were not recorded leave a gap. NaN where a loop is absent; R² is
        NaN where the signal is constant.

    Raises
    ------
    SchemaError
        For a loop with a constant field, signals that form no divider, or a slope of 1 and more.
    """
    line = _fit(dataset)
    units = _units(dataset)
    rule = "slope by least squares of signal against field over all points of each loop"
    if series_resistance is None:
        if interval is not None:
            raise SchemaError(
                "slope: the option interval makes a retention curve of conductances, so it needs series_resistance too"
            )
        return same_kind(dataset, rule, _labelled(line, units, _CYCLE))
    ohms = quantity(series_resistance, "series_resistance", "ohm", positive=True)
    conductance = _conductance(dataset, line, ohms)
    rule += f"; conductance = s/((1-s) R_s) with R_s = {ohms:g} ohm"
    if interval is None:
        variables = _labelled(line, units, _CYCLE)
        variables["conductance"] = labelled(_CYCLE, conductance, "S", "conductance of the device")
        return same_kind(dataset, rule, variables)
    seconds = quantity(interval, "interval", "s", positive=True)
    elapsed = np.broadcast_to(_numbers(dataset) * seconds, conductance.shape).copy()
    variables = _labelled(line, units, _TIME)
    variables["elapsed"] = labelled(_TIME, elapsed, "s", "time since the start of the record")
    variables["conductance"] = labelled(_TIME, conductance, "S", "conductance of the device")
    rule += f"; elapsed = (cycle - first cycle) * {seconds:g} s"
    return new_kind(dataset, "retention", rule, variables, ("device",))


def _numbers(dataset: xr.Dataset) -> Floats:
    """Number of each loop, counted from the first: its label, where the loops have any."""
    if "cycle" not in dataset.coords:
        return np.arange(dataset.sizes["cycle"], dtype=np.float64)
    labels = dataset["cycle"].values.astype(np.float64)
    return labels - labels[0]


def _fit(dataset: xr.Dataset) -> _Line:
    field, signal = dataset["field"].values, dataset["signal"].values
    valid = np.isfinite(field) & np.isfinite(signal)
    count = valid.sum(axis=2)
    dx, dy = (_centred(values, valid, count) for values in (field, signal))
    xx, xy, yy = (dx * dx).sum(axis=2), (dx * dy).sum(axis=2), (dy * dy).sum(axis=2)
    flat = (count > 0) & (xx == 0)
    if flat.any():
        device, cycle = np.argwhere(flat)[0]
        raise SchemaError(
            f"slope: the field of {record_name(dataset, device, cycle)} is constant over its {count[device, cycle]} "
            "points; a slope needs at least two different fields, leave the loop out"
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Line(xy / xx, xy**2 / (xx * yy), count.astype(np.int64))


def _centred(values: Floats, valid: NDArray[np.bool_], count: NDArray[np.intp]) -> Floats:
    mean = np.where(valid, values, 0.0).sum(axis=2) / np.maximum(count, 1)
    return np.where(valid, values - mean[..., None], 0.0)


def _conductance(dataset: xr.Dataset, line: _Line, ohms: float) -> Floats:
    for name in ("field", "signal"):
        require_units(
            dataset,
            name,
            ("V",),
            "with a series resistance the slope is that of a divider, a ratio of two voltages",
        )
    wrong = line.slope >= 1
    if wrong.any():
        device, cycle = np.argwhere(wrong)[0]
        raise SchemaError(
            f"slope: slope = {line.slope[device, cycle]:g} of {record_name(dataset, device, cycle)}; a divider's ratio "
            "lies below 1, since the resistor cannot take more than the whole voltage: signal must be the voltage "
            "across the series resistor, and field that across both"
        )
    return line.slope / ((1 - line.slope) * ohms)


def _units(dataset: xr.Dataset) -> str:
    signal, field = (str(dataset[name].attrs["units"]) for name in ("signal", "field"))
    if ARBITRARY in (signal, field):
        return ARBITRARY
    if signal == field:
        return DIMENSIONLESS
    written = f"{signal}/({field})" if "/" in field else f"{signal}/{field}"
    if signal == DIMENSIONLESS:
        return written
    canonical = canonical_unit(written)
    # In base units V/(A/m) would read kg*m**3/A**2/s**3, which nobody recognises.
    return canonical if canonical in CANONICAL else written


def _labelled(line: _Line, units: str, dims: tuple[str, ...]) -> dict[str, Any]:
    return {
        "slope": labelled(dims, line.slope, units, "slope of signal against field"),
        "r_squared": labelled(dims, line.r_squared, "1", "coefficient of determination"),
        "num_points": labelled(dims, line.num_points, "1", "number of points of the loop"),
    }


EXTRACTOR = Extractor(
    "slope",
    "slope of signal against field of each loop, and the conductance in a divider",
    ("hysteresis",),
    "hysteresis",
    {
        "series_resistance": "resistance such as '5 kohm' across which the signal is measured: gives conductances",
        "interval": "time such as '60 s' from loop to loop: gives a retention curve (with series_resistance)",
    },
    slope,
    may_give=("retention",),
)
