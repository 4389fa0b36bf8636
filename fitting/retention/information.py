"""Whether records can tell drift from noise at all."""

import numpy as np

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.retention.records import log_values

MIN_SAMPLES = 8
MIN_SAMPLES_IN_POPULATION = 4
MIN_DEVICES_IN_POPULATION = 3


def require_information(observations: Observations, model: Model, pool: str) -> None:
    """Refuse records that cannot answer, with the reason.

    Raises
    ------
    FitError
        Too few devices for a population, too few samples, a record of no duration, or values that never change.
    """
    del model
    num_devices = len(observations.devices)
    if pool == "hierarchical" and num_devices < MIN_DEVICES_IN_POPULATION:
        raise FitError(
            f"a hierarchical fit needs at least {MIN_DEVICES_IN_POPULATION} devices to learn their spread, the"
            f" dataset has {num_devices}; use pool='complete' or pool='none'"
        )
    samples = observations.measured.sum(axis=1)
    needed = MIN_SAMPLES_IN_POPULATION if pool == "hierarchical" else MIN_SAMPLES
    if pool == "complete":
        samples = samples.sum(keepdims=True)
    if samples.min() < needed:
        which = "all devices together have" if pool == "complete" else f"device {_least(observations)!r} has"
        raise FitError(
            f"{which} {samples.min()} samples; a {'population of records' if needed < MIN_SAMPLES else 'record'}"
            f" needs at least {needed} each, since level, drift and three kinds of noise are to be told apart:"
            " measure more often"
        )
    _require_duration(observations, pool)
    _require_change(observations, pool)


def _least(observations: Observations) -> str:
    return observations.devices[int(np.argmin(observations.measured.sum(axis=1)))]


def _require_duration(observations: Observations, pool: str) -> None:
    last = np.where(observations.measured, observations.arrays["elapsed"], 0.0).max(axis=1)
    still = last <= 0
    if still.all() or (pool == "none" and still.any()):
        raise FitError(
            f"device {observations.devices[int(np.argmax(still))]!r} has all its samples at one time, 0 s after the"
            " first; drift needs a duration: give the time of each sample"
        )


def _require_change(observations: Observations, pool: str) -> None:
    logs = log_values(observations)
    high = np.where(observations.measured, logs, -np.inf).max(axis=1)
    low = np.where(observations.measured, logs, np.inf).min(axis=1)
    same = high - low <= 1e-12 * np.maximum(np.abs(high), 1.0)
    if same.all() or (pool == "none" and same.any()):
        device = int(np.argmax(same))
        raise FitError(
            f"all samples of device {observations.devices[device]!r} are {np.exp(high[device]):.6g}"
            f" {observations.units['retained']}; a record without any noise does not say how well its drift is"
            " known: give more digits than the instrument's display or the file's rounding left"
        )
