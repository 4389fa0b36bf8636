"""From a `pulse_train` dataset to plain arrays: the conductance after each pulse, and what it was before."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from charz.errors import FitError
from charz.fitting.contract import Arrays, Observations

DIMS = ("cycle", "pulse")
SAME = 1e-6  # relative difference below which two amplitudes are one
NAMES = {1: "potentiation", -1: "depression"}


def observe(dataset: xr.Dataset) -> Observations:
    """Take the reads after pulses out of a dataset.

    Arrays (device, cycle, pulse): ``conductance`` after the pulse (S); ``polarity`` (+1, -1; 0 at padding);
    ``stepped``, 1 where the conductance before the pulse is known; ``restarts``, 1 where that was not the outcome of
    the pulse before but is given, and then ``start`` (S), its value (`conductance_before` joins the two);
    ``number``, the place of the pulse in its run of one polarity, from 1; ``time``, from -1/2 at the first cycle to
    1/2 at the last one; ``follows``, 1 where the same pulse of the cycle before was measured.

    The conductance before a pulse is that after the previous pulse of the same cycle, or the dataset's own
    ``conductance_before``. A read with polarity 0 (no pulse) is the state from which the next pulse starts.

    Raises
    ------
    FitError
        When the dataset is of another kind, does not say the polarity, holds no pulse, a conductance that is not
        above zero, or pulses of one polarity that differ in amplitude or width.
    """
    kind = dataset.attrs.get("experiment")
    if kind != "pulse_train":
        raise FitError(f"the dataset is of kind {kind!r}; this model is fitted to 'pulse_train'")
    if "polarity" not in dataset:
        raise FitError(
            "the dataset has no polarity, and potentiation and depression follow different laws; say which pulses"
            " potentiate with the extractor 'increments', for example polarity='amplitude > 0'"
        )
    raw, polarity = (_cube(dataset, name) for name in ("conductance", "polarity"))
    _require_signs(polarity)
    read = np.isfinite(raw)
    measured = read & (np.abs(np.where(np.isnan(polarity), 0, polarity)) == 1)
    if not measured.any():
        raise FitError("the dataset holds no conductance after a pulse: no read has the polarity +1 or -1")
    _require_positive(raw[read])
    for name in ("amplitude", "width"):
        _require_one_pulse(dataset, name, polarity, measured)
    signs, polarity = np.where(np.isnan(polarity), 0.0, polarity), np.where(measured, polarity, 0.0)
    before, same = _before(dataset, raw)
    stepped = measured & np.isfinite(before)
    # Simulated on only from an outcome of a step: a read that itself is given starts anew.
    restarts = ~(same & np.concatenate([np.zeros_like(stepped[..., :1]), stepped[..., :-1]], axis=2))
    typical = float(np.median(raw[measured]))
    given = int((measured & ~stepped).sum())
    arrays = {
        "conductance": np.where(measured, raw, typical),
        "polarity": polarity,
        "start": np.where(stepped & restarts, before, typical),
        "stepped": stepped.astype(float),
        "restarts": (stepped & restarts).astype(float),
        "number": _number_in_run(signs),
        "time": np.broadcast_to(_time(measured.shape[1])[None, :, None], measured.shape).copy(),
        "follows": _follows(measured, polarity).astype(float),
    }
    remark = (
        f"{given} of {int(measured.sum())} reads have no read before them in their cycle: laws of the step take "
        "them as given, start from there and say nothing about them"
    )
    # Stored as integers, so that padding stays 0 in a file and means "no pulse".
    units = dict.fromkeys(arrays, "1") | {"conductance": "S", "start": "S"}
    return Observations(
        devices=tuple(str(name) for name in dataset["device"].to_numpy()),
        arrays=arrays,
        observed=("conductance",),
        dims=DIMS,
        measured=measured,
        units=units,
        long_names=LONG_NAMES,
        integers=("polarity", "stepped", "restarts", "follows"),
        remarks=(remark,) if given else (),
    )


def conductance_before(conductance: Any, arrays: Arrays) -> Any:
    """Conductance before each pulse, in S: the outcome of the pulse before it, or what is given.

    Parameters
    ----------
    conductance : array (..., cycle, pulse)
        Outcomes, measured or replicated, of NumPy or JAX.
    arrays : mapping
        ``start`` and ``restarts`` of the same measurement.

    Returns
    -------
    array (..., cycle, pulse)
        Where ``stepped`` does not hold, a harmless stand-in.
    """
    array_module = np if isinstance(conductance, np.ndarray) else jnp
    shifted = array_module.concatenate([conductance[..., :1], conductance[..., :-1]], axis=-1)
    return array_module.where(arrays["restarts"] > 0, arrays["start"], shifted)


LONG_NAMES = {
    "conductance": "conductance after the pulse",
    "polarity": "+1 potentiation, -1 depression, 0 padding",
    "start": "conductance before the pulse where it is given",
    "stepped": "1 where the conductance before is known",
    "restarts": "1 where the conductance before is given",
    "number": "number of the pulse in its run",
    "time": "share of the cycles that have passed, less one half",
    "follows": "1 where the same pulse of the cycle before was measured",
}


def _cube(dataset: xr.Dataset, name: str) -> np.ndarray:
    """Variable in double precision, (device, cycle, pulse), whatever axes it lacks."""
    array = dataset[name].broadcast_like(dataset["conductance"])
    return array.transpose("device", *DIMS).to_numpy().astype(np.float64)


def _require_signs(polarity: np.ndarray) -> None:
    known = polarity[np.isfinite(polarity)]
    wrong = known[~np.isin(known, (-1, 0, 1))]
    if wrong.size:
        raise FitError(
            f"polarity = {wrong[0]:g}; it must be +1 (potentiation), -1 (depression) or 0 (a read without a pulse):"
            " the sign chooses the law, the amplitude belongs in its own variable"
        )


def _require_positive(conductance: np.ndarray) -> None:
    if conductance.min() <= 0:
        raise FitError(
            f"{int((conductance <= 0).sum())} of {conductance.size} conductances are not above zero (lowest"
            f" {conductance.min():.3g} S); the laws hold for conductances above zero, so mask the reads in which"
            " offset or noise of the meter exceeds the current"
        )


def _require_one_pulse(dataset: xr.Dataset, name: str, polarity: np.ndarray, measured: np.ndarray) -> None:
    if name not in dataset:
        return
    values, unit = _cube(dataset, name), str(dataset[name].attrs.get("units", "arb"))
    for sign, word in NAMES.items():
        mine = values[measured & (polarity == sign)]
        mine = mine[np.isfinite(mine)]
        if mine.size and np.ptp(mine) > SAME * np.abs(mine).max():
            raise FitError(
                f"{word} pulses have different values of {name}, from {mine.min():g} to {mine.max():g} {unit}; a step"
                " law holds for one pulse, so select the cycles or pulses of one value first"
            )


def _before(dataset: xr.Dataset, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Conductance before each pulse, NaN where it is not known; whether it is the read after the pulse before."""
    previous = np.concatenate([np.full_like(raw[..., :1], np.nan), raw[..., :-1]], axis=2)
    if "conductance_before" not in dataset:
        return previous, np.isfinite(previous)
    stated = _cube(dataset, "conductance_before")
    known = np.isfinite(stated)
    if known.any():
        _require_positive(stated[known])
    before = np.where(known, stated, previous)
    return before, before == previous


def _number_in_run(polarity: np.ndarray) -> np.ndarray:
    """Count pulses of one polarity in a row within each cycle, from 1; pulses whose read is missing count, too."""
    place = np.arange(polarity.shape[-1])
    new = np.concatenate(
        [np.ones_like(polarity[..., :1], bool), polarity[..., 1:] != polarity[..., :-1]], axis=-1
    )
    start = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
    return (place - start + 1).astype(float)


def _time(num_cycles: int) -> np.ndarray:
    return np.linspace(-0.5, 0.5, num_cycles) if num_cycles > 1 else np.zeros(1)


def _follows(measured: np.ndarray, polarity: np.ndarray) -> np.ndarray:
    """Whether the same pulse of the previous cycle was measured, with the same polarity."""
    same = measured[:, 1:] & measured[:, :-1] & (polarity[:, 1:] == polarity[:, :-1])
    return np.concatenate([np.zeros_like(measured[:, :1]), same], axis=1)
