"""Conductance at a read voltage, at each passage of a current-voltage sweep through it."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.extract.contract import Extractor, labelled, new_kind
from charz.extract.options import quantity, truth

_CYCLE = ("device", "cycle")
_PULSE = ("device", "cycle", "pulse")

Floats = NDArray[np.float64]


class _Passages(NamedTuple):
    """All passages in time order: their record, current and voltage, and the direction of the voltage."""

    record: NDArray[np.intp]
    current: Floats
    voltage: Floats
    direction: Floats


def conductance_at(dataset: xr.Dataset, read_voltage: Any, interpolate: bool = True) -> xr.Dataset:
    """Read the conductance at each passage of the voltage through V_read: G = I(V_read) / V_read.

    Between two neighbouring points on either side the current is interpolated linearly. Points exactly at
    V_read are used as they are; of several in a row the first one is.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``iv_sweep``.
    read_voltage : quantity in V
        Not zero.
    interpolate : bool
        False: the nearer of the two points is used, with its own voltage.

    Returns
    -------
    xarray.Dataset
        Of kind ``pulse_train``; ``pulse`` counts the passages of a sweep: ``conductance`` (S), ``current`` (A) and
        ``direction`` (+1 rising, -1 falling), NaN where a sweep has fewer passages.

    Raises
    ------
    SchemaError
        For a read voltage of zero, or one that no sweep passes.
    """
    volts = quantity(read_voltage, "read_voltage", "V")
    between = truth(interpolate, "interpolate")
    if volts == 0:
        raise SchemaError(
            f"conductance_at: option read_voltage = {read_voltage!r} is zero; I/V is 0/0 there and no conductance"
        )
    found = _passages(dataset, volts, between)
    if not found.record.size:
        voltage = dataset["voltage"].values
        raise SchemaError(
            f"conductance_at: no sweep passes {volts:g} V; the voltages go from {np.nanmin(voltage):g} to "
            f"{np.nanmax(voltage):g} V and nothing is extrapolated"
            if np.isfinite(voltage).any()
            else "conductance_at: the voltage is NaN throughout; there is no sweep"
        )
    sweeps = (dataset.sizes["device"], dataset.sizes["cycle"])
    number = np.arange(found.record.size) - np.searchsorted(found.record, found.record)
    shape = (*sweeps, int(number.max()) + 1)

    def spread(values: Floats) -> Floats:
        padded = np.full((sweeps[0] * sweeps[1], shape[2]), np.nan)
        padded[found.record, number] = values
        return padded.reshape(shape)

    variables = {
        "conductance": labelled(
            _PULSE, spread(found.current / found.voltage), "S", f"conductance at {volts:g} V"
        ),
        "current": labelled(_PULSE, spread(found.current), "A", f"current at {volts:g} V"),
        "direction": labelled(_PULSE, spread(found.direction), "1", "+1 voltage rising, -1 falling"),
    }
    without = sweeps[0] * sweeps[1] - np.unique(found.record).size
    rule = (
        f"conductance = I/V at each passage of {volts:g} V, "
        f"{'interpolated linearly between neighbouring points' if between else 'at the nearer neighbouring point'}; "
        f"{found.record.size} passages, {without} cells without one"
    )
    return new_kind(dataset, "pulse_train", rule, variables, _CYCLE)


def _passages(dataset: xr.Dataset, volts: float, between: bool) -> _Passages:
    num_points = dataset.sizes["point"]
    voltage = dataset["voltage"].values.reshape(-1, num_points)
    current = dataset["current"].values.reshape(-1, num_points)
    valid = np.isfinite(voltage) & np.isfinite(current)
    # Padded or missing points are on no side (NaN), so that nothing is joined across them.
    side = np.where(valid, np.sign(voltage - volts), np.nan)
    exact = side == 0
    exact[:, 1:] &= side[:, :-1] != 0
    crossing = np.zeros_like(exact)
    crossing[:, :-1] = side[:, :-1] * side[:, 1:] < 0
    record, point = np.nonzero(exact | crossing)
    following = np.minimum(point + 1, num_points - 1)
    on_point = exact[record, point]
    span = np.where(on_point, 1.0, voltage[record, following] - voltage[record, point])
    share = np.where(on_point, 0.0, (volts - voltage[record, point]) / span)
    if not between:
        share = np.where(share > 0.5, 1.0, 0.0)
    change = np.where(on_point, 0.0, current[record, following] - current[record, point])
    at = np.where(on_point | between, volts, voltage[record, point] + share * span)
    return _Passages(
        record, current[record, point] + share * change, at, _direction(side, record, point, on_point)
    )


def _direction(
    side: Floats, record: NDArray[np.intp], point: NDArray[np.intp], on_point: NDArray[np.bool_]
) -> Floats:
    """Sign of the voltage's change: from the side before an exact point, or, at a start, to the side after."""
    last = side.shape[1] - 1
    before = np.where(point > 0, side[record, np.maximum(point - 1, 0)], np.nan)
    after = np.where(point < last, side[record, np.minimum(point + 1, last)], np.nan)
    start = np.isnan(before)
    exact = np.where(start, np.where(after == 0, np.nan, after), -before)
    return np.where(on_point, exact, -side[record, point])


EXTRACTOR = Extractor(
    "conductance_at",
    "conductance at a read voltage, at each passage of a sweep",
    ("iv_sweep",),
    "pulse_train",
    {
        "read_voltage": "voltage such as '0.3 V', not zero",
        "interpolate": "true (default): linearly between the neighbouring points; false: the nearer of the two",
    },
    conductance_at,
    required=("read_voltage",),
)
