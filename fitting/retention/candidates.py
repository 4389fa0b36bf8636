"""Where the search for the mode of a record begins: grids of shapes and of noise, the rest by least squares."""

import numpy as np

from charz.fitting.contract import Observations
from charz.fitting.retention.priors import scales
from charz.fitting.retention.records import log_values

WANDER_SHARES = (0.3, 1.0)
READ_SHARES = (0.3, 1.0)
ONSETS = 5
RELAXATION_TIMES = 6
STRETCHES = (0.25, 0.5, 0.8)

Candidates = dict[str, np.ndarray]


def constant_candidates(observations: Observations) -> Candidates:
    """Start at the mean."""
    return _with_noise(_fit(observations, {}, np.zeros((1, 1, 1)), "none"), observations)


def log_drift_candidates(observations: Observations, *, wandering: bool = True) -> Candidates:
    """Ages from one interval to the whole record."""
    found = scales(observations)
    onset = np.geomspace(found.interval, found.duration, ONSETS)
    shape = np.log1p(observations.arrays["elapsed"][:, None] / onset[:, None])
    start = _fit(observations, {"onset": onset}, shape, "exponent")
    return _with_noise(start, observations, wandering)


def stretched_candidates(observations: Observations) -> Candidates:
    """Relaxation times from one interval to ten records, three degrees of stretching."""
    found = scales(observations)
    times = np.geomspace(found.interval, 10 * found.duration, RELAXATION_TIMES)
    tau, stretch = (grid.ravel() for grid in np.meshgrid(times, STRETCHES))
    time = np.maximum(observations.arrays["elapsed"], 0.0)[:, None]
    shape = -np.expm1(-((time / tau[:, None]) ** stretch[:, None]))
    start = _fit(observations, {"relaxation_time": tau, "stretch": stretch}, shape, "change")
    limit = 4 * found.range_one
    return _with_noise(start | {"change": np.clip(start["change"], -limit, limit)}, observations)


def _fit(observations: Observations, grid: Candidates, shape: np.ndarray, slope_name: str) -> Candidates:
    """Least squares of ln R on each shape (device or 1, candidate, time): level and slope beside the grid."""
    weight = observations.measured[:, None].astype(float)
    logs, shape = np.broadcast_arrays(log_values(observations)[:, None], shape)
    total = weight.sum(-1)
    middle, level = (weight * shape).sum(-1) / total, (weight * logs).sum(-1) / total
    deviation = weight * (shape - middle[..., None])
    slope = (deviation * logs).sum(-1) / np.maximum((deviation**2).sum(-1), np.finfo(float).tiny ** 0.5)
    intercept = level - slope * middle
    left = weight * (logs - intercept[..., None] - slope[..., None] * shape)
    spread = np.sqrt((left**2).sum(-1) / total)
    shown = {name: np.broadcast_to(value, slope.shape) for name, value in grid.items()}
    slopes = {} if slope_name == "none" else {slope_name: slope}
    return shown | slopes | {"level": np.exp(intercept), "spread": spread}


def _with_noise(start: Candidates, observations: Observations, wandering: bool = True) -> Candidates:
    """Combine every start with every noise: (device, candidate)."""
    found = scales(observations)
    count = observations.arrays["num_averaged"]
    pairs = observations.measured[:, 1:]
    per_read = np.diff(log_values(observations)) ** 2 / np.where(
        pairs, 1 / np.maximum(count[:, 1:], 1) + 1 / np.maximum(count[:, :-1], 1), np.inf
    )
    read = np.sqrt(per_read.sum(-1, keepdims=True) / np.maximum(pairs.sum(-1, keepdims=True), 1))
    smallest = 1e-6 * found.range_one
    spread = np.maximum(start.pop("spread"), smallest)
    read = np.broadcast_to(np.maximum(read, smallest), spread.shape)
    if not wandering:
        # Without wander the read noise must hold the whole scatter.
        several = np.sqrt(np.median(np.maximum(count, 1)))
        return start | {"read_noise": np.maximum(read, several * spread)}
    memory = np.geomspace(3 * found.interval, max(found.duration, 4 * found.interval), 3)
    share, shorter, time = (
        grid.ravel() for grid in np.meshgrid(WANDER_SHARES, READ_SHARES, memory, indexing="ij")
    )
    num_noises = len(share)
    repeated = {name: np.repeat(value, num_noises, axis=-1) for name, value in start.items()}
    return repeated | {
        "wander": (spread[..., None] * share).reshape(len(spread), -1),
        "read_noise": (read[..., None] * shorter).reshape(len(read), -1),
        "correlation_time": np.broadcast_to(np.tile(time, spread.shape[-1]), repeated["level"].shape),
    }
