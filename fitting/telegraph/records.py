"""Records of telegraph noise as arrays for the likelihood."""

from dataclasses import fields, replace

import numpy as np
import xarray as xr

from charz.errors import FitError
from charz.fitting.contract import Observations
from charz.fitting.telegraph.forward import num_lanes, steps_of
from charz.fitting.telegraph.long_records import LongObservations, Record, beginning, is_long

# Largest step of the time stamps over their mean: beyond it samples are missing, not only rounded stamps.
UNEVEN_ABOVE = 1.5
# Checks replicate a record hundreds of times: they look at its beginning.
SEARCHED_SAMPLES = 50_000
CHECKED_SAMPLES = 20_000
BOLTZMANN_EV = 8.617333262e-5  # eV/K


def observe(dataset: xr.Dataset) -> Observations:
    """Read a ``telegraph`` dataset.

    Besides the signal, the variables or coordinates ``drive`` and ``temperature`` (K) along ``device`` are taken
    where they exist: they tell at which drive and temperature each record was measured.

    Raises
    ------
    FitError
        For a record without samples or with one value only, and for time stamps with gaps.
    """
    return _observe_long(dataset) if is_long(dataset) else _observe_whole(dataset)


def _observe_whole(dataset: xr.Dataset) -> Observations:
    signal = np.asarray(dataset["signal"].transpose("device", "time").values, dtype=np.float64)
    devices = tuple(str(name) for name in dataset["device"].values)
    measured = np.isfinite(signal)
    _require_two_values(signal, measured, devices)
    low, high = (f.reduce(signal, axis=1) for f in (np.fmin, np.fmax))
    interval, time_unit, remarks = _interval(dataset, devices)
    centre, scale = (low + high) / 2, high - low
    unit = str(dataset["signal"].attrs.get("units", "arb"))
    arrays = {
        "signal": np.where(measured, signal, centre[:, None]),
        "seen": measured.astype(np.int64),
        "interval": interval,
        "centre": centre,
        "scale": scale,
        "length": (measured.shape[1] - np.argmax(measured[:, ::-1], axis=1)).astype(np.float64),
    }
    units = {
        "signal": unit,
        "time": time_unit,
        "seen": "1",
        "interval": time_unit,
        "centre": unit,
        "scale": unit,
    }
    names = {
        "signal": "signal",
        "seen": "1 where a sample was measured",
        "interval": "time between samples",
        "centre": "middle of the record's range",
        "scale": "range of the record",
        "length": "samples until the last one",
    }
    settings = _settings(dataset, devices)
    return _in_blocks(
        Observations(
            devices=devices,
            arrays={**arrays, **settings.arrays},
            observed=("signal",),
            dims=("time",),
            measured=measured,
            units={**units, "length": "1", "drive": "arb", **settings.units},
            long_names={**names, **settings.long_names},
            integers=("seen",),
            remarks=(*remarks, *_missing(measured, devices), *settings.remarks),
        )
    )


def _observe_long(dataset: xr.Dataset) -> LongObservations:
    """Beginnings of records that are read in chunks, with range and length of the whole."""
    record = Record(dataset["signal"].transpose("device", "time"))
    low, high, number, length = record.extent()
    first = _observe_whole(beginning(dataset))
    centre, scale = (low + high) / 2, high - low
    signal = np.where(first.measured, first.arrays["signal"], centre[:, None])
    whole = {"signal": signal, "centre": centre, "scale": scale, "length": length.astype(np.float64)}
    names = zip(first.devices, number, strict=True)
    told = tuple(
        f"device {name}: all {count} samples entered the fit; the first {first.measured.shape[1]} stay with it, for"
        " checks, plots and leave-one-out"
        for name, count in names
    )
    given = {f.name: getattr(first, f.name) for f in fields(first)} | {"arrays": {**first.arrays, **whole}}
    return LongObservations(**{**given, "remarks": (*first.remarks, *told)}, record=record)


def leading(observations: Observations) -> Observations:
    """First 20,000 samples of long records, for checks, which replicate them hundreds of times."""
    if observations.measured.shape[1] <= CHECKED_SAMPLES:
        return observations
    remark = f"checks look at the first {CHECKED_SAMPLES} samples of each record"
    part = _first(observations, CHECKED_SAMPLES)
    return replace(part, remarks=(*observations.remarks, remark))


def searched(observations: Observations) -> Observations | None:
    """First samples of a long record, on which the mode is looked for before the whole; None of a short one."""
    if observations.measured.shape[1] <= 2 * SEARCHED_SAMPLES:
        return None
    return _first(observations, SEARCHED_SAMPLES)


def _first(observations: Observations, number: int) -> Observations:
    """First samples of every record."""
    measured = observations.measured
    arrays = {
        name: array[:, :number] if array.shape == measured.shape else array
        for name, array in observations.arrays.items()
    }
    return _in_blocks(replace(observations, arrays=arrays, measured=measured[:, :number]))


def _in_blocks(observations: Observations) -> Observations:
    """State which blocks of the likelihood hold samples."""
    measured = observations.measured
    num_samples = measured.shape[1]
    lanes, steps = num_lanes(num_samples), steps_of(num_samples)
    padded = np.pad(measured, ((0, 0), (0, lanes * steps - num_samples)))
    blocks = np.asarray(padded.reshape(len(measured), lanes, steps).any(2))
    return replace(observations, blocks=blocks)


def _require_two_values(signal: np.ndarray, measured: np.ndarray, devices: tuple[str, ...]) -> None:
    empty = ~measured.any(1)
    if empty.any():
        raise FitError(f"device {devices[int(np.argmax(empty))]} has no sample; leave it out of the fit")
    flat = np.fmin.reduce(signal, axis=1) == np.fmax.reduce(signal, axis=1)
    if flat.any():
        index = int(np.argmax(flat))
        raise FitError(
            f"all samples of device {devices[index]} equal {signal[index][measured[index]][0]:g}; a constant "
            "signal has no two levels to fit, leave the device out or measure until it switches"
        )


def _interval(dataset: xr.Dataset, devices: tuple[str, ...]) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Time between samples of each device, its unit, and what to say about it."""
    if "sample_interval" in dataset:
        interval = np.broadcast_to(np.asarray(dataset["sample_interval"].values, np.float64), (len(devices),))
        wrong = ~(np.isfinite(interval) & (interval > 0))
        if wrong.any():
            index = int(np.argmax(wrong))
            raise FitError(
                f"sample_interval of device {devices[index]} is {interval[index]:g} s; it must be above zero, as a "
                "rate is counted per time, or be left out for all devices, so that rates are per sample"
            )
        return interval.copy(), "s", ()
    if "elapsed" in dataset:
        elapsed = np.asarray(dataset["elapsed"].transpose("device", "time").values, np.float64)
        return _mean_steps(elapsed, devices), "s", ("time between samples: mean step of the time stamps",)
    remark = "the sample interval is not known: rates are per sample, and dwell times are in samples"
    return np.ones(len(devices)), "sample", (remark,)


def _mean_steps(elapsed: np.ndarray, devices: tuple[str, ...]) -> np.ndarray:
    steps = np.diff(elapsed, axis=1)
    known = np.isfinite(steps)
    mean = np.where(known, steps, 0.0).sum(1) / np.maximum(known.sum(1), 1)
    largest = np.fmax.reduce(np.where(known, steps, -np.inf), axis=1, initial=-np.inf)
    wrong = ~(mean > 0) | (largest > UNEVEN_ABOVE * mean)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise FitError(
            f"time stamps of device {devices[index]} have a largest step of {largest[index]:g} s at a mean of "
            f"{mean[index]:g} s; a chain is fitted to evenly sampled records (largest step up to {UNEVEN_ABOVE} "
            "times the mean): put NaN where samples are missing and give sample_interval"
        )
    return mean


def _missing(measured: np.ndarray, devices: tuple[str, ...]) -> tuple[str, ...]:
    last = measured.shape[1] - np.argmax(measured[:, ::-1], axis=1)
    gaps = last - measured.sum(1)
    return tuple(
        f"device {devices[i]}: {gaps[i]} samples are missing inside the record; the state runs on through them"
        for i in np.flatnonzero(gaps)
    )


def _settings(dataset: xr.Dataset, devices: tuple[str, ...]) -> Observations:
    """Drive and temperature of each record, relative to a reference inside the measured range."""
    arrays, units, names, remarks = {}, {}, {}, []
    for name in ("drive", "temperature"):
        if name not in dataset or dataset[name].dims != ("device",):
            continue
        value = np.asarray(dataset[name].values, np.float64)
        unit = str(dataset[name].attrs.get("units", "K" if name == "temperature" else "arb"))
        if not np.isfinite(value).all() or (name == "temperature" and (value.min() <= 0 or unit != "K")):
            need = "above zero and in K" if name == "temperature" else "finite"
            raise FitError(f"{name} of the records is {value.tolist()} {unit}; every value must be {need}")
        arrays[name], units[name], names[name] = value, unit, f"{name} of the record"
        if name == "drive":
            reference = float((value.min() + value.max()) / 2)
            arrays["excess"], units["excess"] = value - reference, unit
            names["excess"] = f"drive above {reference:.6g} {unit}"
            remarks.append(f"telegraph-drive: rates are those at a drive of {reference:.6g} {unit}")
        else:
            reference = float(2 / (1 / value.min() + 1 / value.max()))
            arrays["cooling"], units["cooling"] = reference / value - 1, "1"
            names["cooling"] = f"{reference:.6g} K / temperature - 1"
            remarks.append(
                f"telegraph-arrhenius: rates and thermal stabilities are those at {reference:.6g} K, where a "
                f"thermal stability of 1 is a barrier of {BOLTZMANN_EV * reference:.4g} eV"
            )
    return Observations(devices, arrays, (), (), np.zeros((0,)), units, names, (), tuple(remarks))
