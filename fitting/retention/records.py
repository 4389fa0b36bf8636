"""From a `retention` dataset to plain arrays: missing values skipped, long records averaged in windows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from charz.errors import FitError
from charz.fitting.contract import Observations
from charz.kinds import RETAINED

# A gradient costs time in proportion to the windows; a drift in the logarithm of time needs no more of them.
MAX_WINDOWS = 128
DIMS = ("device", "time")


class _Record(NamedTuple):
    """Windows of one device: mean time, start and length (s), mean of ln R, and the samples in it; each (window,)."""

    centre: np.ndarray
    start: np.ndarray
    width: np.ndarray
    mean: np.ndarray
    number: np.ndarray


def observe(dataset: xr.Dataset) -> Observations:
    """Take the records out of a dataset.

    Of several retained quantities the first of resistance, conductance and error rate is taken. A record of more
    than `MAX_WINDOWS` samples is averaged in windows that are single samples at first and grow with time; the
    likelihood is that of averages.

    Raises
    ------
    FitError
        When a value is not above zero, or a device has no sample at all.
    """
    name = retained_name(dataset)
    unit = str(dataset[name].attrs.get("units", "1"))
    elapsed = dataset["elapsed"].transpose(*DIMS).to_numpy().astype(np.float64)
    values = dataset[name].transpose(*DIMS).to_numpy().astype(np.float64)
    devices = tuple(str(device) for device in dataset["device"].to_numpy())
    known = np.isfinite(elapsed) & np.isfinite(values)
    _require_values(name, values, known, devices)
    logs = np.log(np.where(known, values, 1.0))
    records = [_record(t[k], y[k]) for t, y, k in zip(elapsed, logs, known, strict=True)]
    num_windows = np.array([len(record.mean) for record in records])
    gaps = [np.maximum(np.diff(r.start, prepend=r.start[0]) - _before(r.width), 0.0) for r in records]
    return Observations(
        devices=devices,
        arrays={
            name: _table([np.exp(r.mean) for r in records], float(np.exp(logs[known].mean()))),
            "elapsed": _table([r.centre for r in records], 0.0),
            "gap": _table(gaps, 0.0),
            "window": _table([r.width for r in records], 0.0),
            "num_averaged": _table([r.number for r in records], 0.0),
        },
        observed=(name,),
        dims=("time",),
        measured=np.arange(num_windows.max()) < num_windows[:, None],
        units={
            name: unit,
            "elapsed": "s",
            "gap": "s",
            "window": "s",
            "num_averaged": "1",
            "retained": unit,
        },
        long_names={
            name: name.replace("_", " "),
            "elapsed": "time since the first sample",
            "gap": "time since the end of the window before",
            "window": "time over which was averaged",
            "num_averaged": "number of samples in the window",
        },
        integers=("num_averaged",),
        remarks=_remarks(devices, known, values, num_windows),
    )


def retained_name(arrays: Mapping[str, Any] | xr.Dataset) -> str:
    """Name of what the records follow: resistance, conductance or error rate."""
    return next(quantity for quantity in RETAINED if quantity in arrays)


def log_values(observations: Observations) -> np.ndarray:
    """Natural logarithm of the (averaged) samples, (device, time)."""
    return np.log(observations.arrays[retained_name(observations.arrays)])


def window_edges(num_samples: int) -> np.ndarray:
    """First sample of each window, (window,): single samples at first, then windows that grow with time.

    Windows begin at ``k (exp(j L/M) - 1)``, ``L = ln(1 + n/k)``, with k such that the first holds one sample.
    """
    if num_samples <= MAX_WINDOWS:
        return np.arange(num_samples)

    from scipy.optimize import brentq  # takes long, and most fits need none of it

    def excess(scale: float) -> float:
        return scale * np.log1p(num_samples / scale) - MAX_WINDOWS

    scale = brentq(excess, 1e-3, 1e9)
    steps = np.arange(MAX_WINDOWS) * np.log1p(num_samples / scale) / MAX_WINDOWS
    return np.unique(np.round(scale * np.expm1(steps)).astype(int))


def _record(elapsed: np.ndarray, logs: np.ndarray) -> _Record:
    edges = window_edges(len(logs))
    count = np.diff(edges, append=len(logs))
    last = edges + count - 1
    time = elapsed - elapsed[0]
    centre = np.add.reduceat(time, edges) / count
    # n samples stand for n intervals; a window of one sample has no length.
    width = (time[last] - time[edges]) * count / np.maximum(count - 1, 1)
    mean = np.add.reduceat(logs, edges) / count
    return _Record(centre, centre - width / 2, width, mean, count.astype(np.float64))


def _before(width: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], width[:-1]])


def _table(rows: list[np.ndarray], stand_in: float) -> np.ndarray:
    """Pad rows of different lengths with a harmless value: NaN would poison gradients."""
    table = np.full((len(rows), max(len(row) for row in rows)), stand_in)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def _require_values(name: str, values: np.ndarray, known: np.ndarray, devices: tuple[str, ...]) -> None:
    empty = ~known.any(axis=1)
    if empty.any():
        raise FitError(
            f"device {devices[int(np.argmax(empty))]!r} has no sample of its {name} at a known time; a record"
            " needs some to follow: leave the device out"
        )
    wrong = known & (values <= 0)
    if wrong.any():
        device, time = (int(axis[0]) for axis in np.nonzero(wrong))
        raise FitError(
            f"{name} = {values[device, time]:g} of device {devices[device]!r} at sample {time}"
            f" ({int(wrong.sum())} such values): retention is fitted to its logarithm, which needs values above"
            " zero; mask what the instrument writes for 'out of range'"
        )


def _remarks(
    devices: tuple[str, ...], known: np.ndarray, values: np.ndarray, num_windows: np.ndarray
) -> tuple[str, ...]:
    num_samples = known.sum(axis=1)
    # Missing inside a record; what follows the last sample is padding.
    inside = np.cumsum(known[:, ::-1], axis=1)[:, ::-1] > 0
    missing = int((inside & ~known).sum())
    remarks = [f"{missing} missing or masked samples are skipped"] if missing else []
    long = num_samples > num_windows
    if long.any():
        remarks.append(
            f"records of {num_samples[long].min()} to {num_samples[long].max()} samples are averaged in at most"
            f" {MAX_WINDOWS} windows that grow with time ({int(long.sum())} of {len(devices)} devices); the"
            " likelihood is that of averages"
        )
    return tuple(remarks)
