"""Observations that a candidate would add: its settings without outcomes, and joined with what was measured."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.planning.contract import SECONDS_AN_HOUR, Candidate

TRIALS = "num_trials"


class Addition(NamedTuple):
    """What a candidate adds.

    Parameters
    ----------
    observations : Observations
        Its devices and settings; the outcomes are stand-ins.
    places : array of int (device,) or None
        Numbers of the measured devices; None where all are new.
    hours : float
    """

    observations: Observations
    places: np.ndarray | None
    hours: float


def counts_trials(observations: Observations) -> bool:
    """Whether outcomes are counts of pulses."""
    return TRIALS in observations.arrays


def addition(candidate: Candidate, model: Model, observations: Observations) -> Addition:
    """Lay out a candidate.

    Raises
    ------
    FitError
        For settings of data that have none, and for more outcomes of measured devices where outcomes depend on each
        other.
    """
    _check(candidate, model, observations)
    rows = _rows(candidate, observations)
    own = _stated(candidate, observations, len(rows)) if candidate.settings else rows_of(observations, rows)
    own = _repeated(own, candidate.repeats)
    if candidate.num_trials is not None:
        trials = np.where(own.measured, float(candidate.num_trials), 0.0)
        own = replace(own, arrays={**own.arrays, TRIALS: trials})
    names = candidate.devices
    devices = tuple(f"new-{i + 1}" for i in range(len(rows))) if isinstance(names, int) else names
    cost = candidate.cost
    seconds = cost.per_device * len(rows) + cost.per_outcome * float(own.measured.sum())
    if counts_trials(own):
        seconds += cost.per_trial * float(own.arrays[TRIALS].sum())
    return Addition(replace(own, devices=devices), None if candidate.new else rows, seconds / SECONDS_AN_HOUR)


def _check(candidate: Candidate, model: Model, observations: Observations) -> None:
    counted = counts_trials(observations)
    if candidate.settings and not counted:
        raise FitError(
            f"candidate {candidate.name!r} states {', '.join(candidate.settings)}; only pulse switching has settings to"
            " choose: leave them out, and what was done before is done again"
        )
    if candidate.settings and "direction" in observations.arrays:
        raise FitError(
            f"candidate {candidate.name!r} states {', '.join(candidate.settings)}, but pulses start in either of two"
            " states here: leave them out, and the settings of before are measured again"
        )
    if candidate.num_trials is not None and not counted:
        raise FitError(f"candidate {candidate.name!r} states trials; these data count none")
    if not counted and not candidate.new and candidate.num_devices < len(observations.devices):
        raise FitError(
            f"candidate {candidate.name!r} measures some of the measured devices again; data without counts are"
            " continued on all of them: leave the names out, or plan new devices"
        )
    dependent = not counted and (
        model.left_out is not None or observations.blocks is not None or bool(model.latents(observations))
    )
    if dependent and (not candidate.new or candidate.repeats > 1):
        raise FitError(
            f"candidate {candidate.name!r} measures a device more than once; outcomes of model {model.name!r} depend on"
            " those before, so a second record is not more of the first: plan new devices"
        )


def _rows(candidate: Candidate, observations: Observations) -> np.ndarray:
    """Measured devices: those that are meant, or whose settings new ones take in turn."""
    if isinstance(candidate.devices, int):
        return np.arange(candidate.devices) % len(observations.devices)
    unknown = [name for name in candidate.devices if name not in observations.devices]
    if unknown:
        raise FitError(
            f"candidate {candidate.name!r} names device {unknown[0]!r}, which was not measured; there are"
            f" {', '.join(observations.devices)}"
        )
    return np.array([observations.devices.index(name) for name in candidate.devices])


def rows_of(observations: Observations, rows: np.ndarray) -> Observations:
    """Some of the devices, in any order and number."""
    arrays = {name: np.asarray(array)[rows] for name, array in observations.arrays.items()}
    blocks = None if observations.blocks is None else observations.blocks[rows]
    names = tuple(observations.devices[row] for row in rows)
    return replace(
        observations, devices=names, arrays=arrays, measured=observations.measured[rows], blocks=blocks
    )


def _stated(candidate: Candidate, observations: Observations, number: int) -> Observations:
    """Settings that a candidate states, of every device the same."""
    lengths = {name: len(values) for name, values in candidate.settings.items()}
    if "amplitude" not in lengths:
        raise FitError(f"candidate {candidate.name!r} states widths without amplitudes; state both")
    if "width" in lengths and "width" not in observations.arrays:
        raise FitError(f"candidate {candidate.name!r} states widths; the measured pulses have none")
    if "width" in lengths and len(set(lengths.values())) > 1 and lengths["width"] != 1:
        raise FitError(
            f"candidate {candidate.name!r} states {lengths['amplitude']} amplitudes and {lengths['width']} widths; give"
            " one width for all, or one for each amplitude"
        )
    shape = (number, lengths["amplitude"])
    values = {name: np.asarray(values) for name, values in candidate.settings.items()}
    if "width" in observations.arrays and "width" not in values:
        widths = np.unique(observations.arrays["width"][observations.measured])
        if len(widths) > 1:
            raise FitError(
                f"candidate {candidate.name!r} states no width, and the data have {len(widths)}: state it"
            )
        values["width"] = widths
    trials = candidate.num_trials or float(np.median(observations.arrays[TRIALS][observations.measured]))
    arrays = {name: np.broadcast_to(value, shape).astype(float) for name, value in values.items()}
    arrays |= {TRIALS: np.full(shape, float(trials)), **{n: np.zeros(shape) for n in observations.observed}}
    return replace(observations, arrays=arrays, measured=np.ones(shape, bool))


def _repeated(own: Observations, repeats: int) -> Observations:
    """Several times the same, one after another along the first axis after the device."""
    if repeats == 1:
        return own
    inner = own.measured.shape

    def tiled(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array] * repeats, axis=1) if array.shape == inner else array

    arrays = {name: tiled(np.asarray(array)) for name, array in own.arrays.items()}
    return replace(own, arrays=arrays, measured=tiled(own.measured))


def with_outcomes(observations: Observations, outcomes: dict[str, np.ndarray]) -> Observations:
    """Put outcomes (device, *dims) in the place of those that are there."""
    found = {
        name: np.where(observations.measured, np.asarray(outcomes[name], float), observations.arrays[name])
        for name in observations.observed
    }
    return replace(observations, arrays={**observations.arrays, **found})


def joined(observations: Observations, added: Observations, places: np.ndarray | None) -> Observations:
    """Put what was measured and what is added together: more devices, or more outcomes of some.

    Padding repeats a setting of the device, without a trial.
    """
    if places is None:
        size = max(observations.measured.shape[1], added.measured.shape[1])
        first, second = _padded(observations, size), _padded(added, size)
        arrays = {n: np.concatenate([first.arrays[n], second.arrays[n]]) for n in first.arrays}
        return replace(
            first,
            devices=(*first.devices, *second.devices),
            arrays=arrays,
            measured=np.concatenate([first.measured, second.measured]),
            blocks=None if first.blocks is None else np.concatenate([first.blocks, second.blocks]),
        )
    shape, inner = added.measured.shape, observations.measured.shape
    measured = np.zeros((inner[0], *shape[1:]), bool)
    measured[places] = added.measured
    arrays = {}
    for name, array in observations.arrays.items():
        if array.shape != inner:
            arrays[name] = array
            continue
        more = np.repeat(np.asarray(array)[:, :1], shape[1], axis=1)
        more[places] = added.arrays[name]
        if name == TRIALS or name in observations.observed:
            more = np.where(measured, more, 0.0) if counts_trials(observations) else more
        arrays[name] = np.concatenate([array, more], axis=1)
    return replace(
        observations, arrays=arrays, measured=np.concatenate([observations.measured, measured], axis=1)
    )


def _padded(observations: Observations, size: int) -> Observations:
    inner = observations.measured.shape
    missing = size - inner[1]
    if not missing:
        return observations
    width = [(0, 0), (0, missing)] + [(0, 0)] * (len(inner) - 2)
    arrays = {}
    for name, array in observations.arrays.items():
        if array.shape != inner:
            arrays[name] = array
        elif name == TRIALS or name in observations.observed:
            arrays[name] = np.pad(array, width)
        else:
            arrays[name] = np.pad(array, width, mode="edge")
    return replace(observations, arrays=arrays, measured=np.pad(observations.measured, width))
