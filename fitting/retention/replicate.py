r"""Simulated records, by NumPy alone and by other formulas than the likelihood's.

The ends of all windows are one sample path of the Ornstein-Uhlenbeck process. Between two ends :math:`x_s, x_e` it is
a bridge, whose mean over the window (length :math:`h` correlation times) is normal with

.. math:: \mathrm E = \frac{\tanh(h/2)}{h}(x_s + x_e), \qquad
          \mathrm{Var} = \sigma^2\left(\frac{2}{h} - \frac{4}{h^2}\tanh\frac{h}{2}\right)
"""

from collections.abc import Callable, Mapping

import numpy as np

from charz.fitting.contract import Observations

SERIES_BELOW = 0.02
# Wide priors reach beyond what a double can hold.
LARGEST_LOG = 690.0

Samples = Mapping[str, np.ndarray]


def replicate_records(
    middle: Callable[[Samples, np.ndarray], np.ndarray],
) -> Callable[[np.random.Generator, Samples, Observations], dict[str, np.ndarray]]:
    """Make the simulator of a model from its drift.

    Parameters
    ----------
    middle : callable
        ``(values, elapsed) -> ln R``; values (sample, device, 1), elapsed (device, time) in s.
    """

    def replicate(
        generator: np.random.Generator, values: Samples, observations: Observations
    ) -> dict[str, np.ndarray]:
        arrays = observations.arrays
        column = {name: np.asarray(value)[..., None] for name, value in values.items()}
        logs = middle(column, arrays["elapsed"])
        read = column["read_noise"] / np.sqrt(np.maximum(arrays["num_averaged"], 1))
        logs = logs + read * generator.standard_normal(logs.shape)
        if "wander" in column:
            logs = logs + column["wander"] * _averages(generator, column["correlation_time"], arrays)
        return {observations.observed[0]: np.exp(np.clip(logs, -LARGEST_LOG, LARGEST_LOG))}

    return replicate


def constant(values: Samples, elapsed: np.ndarray) -> np.ndarray:
    """Return ln R0."""
    return np.log(values["level"]) + np.zeros_like(elapsed)


def log_drift(values: Samples, elapsed: np.ndarray) -> np.ndarray:
    """Return ln R0 + ν ln(1 + t/t0)."""
    return np.log(values["level"]) + values["exponent"] * np.log1p(elapsed / values["onset"])


def stretched_exponential(values: Samples, elapsed: np.ndarray) -> np.ndarray:
    """Return ln[R0 (1 + (e^c - 1)(1 - exp(-(t/τ)^β)))]."""
    with np.errstate(over="ignore"):
        progress = (elapsed / values["relaxation_time"]) ** values["stretch"]
    left = np.exp(-progress)
    with np.errstate(divide="ignore"):
        # ln 0 at the start, where the other term is all.
        gone = np.log(-np.expm1(-progress))
    return np.log(values["level"]) + np.logaddexp(np.log(np.maximum(left, 1e-300)), values["change"] + gone)


def _averages(
    generator: np.random.Generator, correlation_time: np.ndarray, arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Window means of a process of variance one, (sample, device, time)."""
    gap, ratio = (arrays[name] / correlation_time for name in ("gap", "window"))
    lengths = np.stack([gap, ratio], axis=-1).reshape(*gap.shape[:-1], -1)
    kick = np.sqrt(-np.expm1(-2 * lengths))
    kick[..., 0] = 1.0
    path = _recursion(np.exp(-lengths), kick * generator.standard_normal(lengths.shape))
    start, end = path[..., ::2], path[..., 1::2]
    small = ratio < SERIES_BELOW
    safe = np.where(small, 1.0, ratio)
    weight = np.where(small, 0.5 - ratio**2 / 24, np.tanh(safe / 2) / safe)
    closed = 2 / safe - 4 * np.tanh(safe / 2) / safe**2
    variance = np.where(small, ratio / 6 - ratio**3 / 60, closed)
    return weight * (start + end) + np.sqrt(variance) * generator.standard_normal(gap.shape)


def _recursion(keep: np.ndarray, kick: np.ndarray) -> np.ndarray:
    """Solve x_i = keep_i x_(i-1) + kick_i along the last axis by doubling."""
    keep, value, step = keep.copy(), kick.copy(), 1
    while step < value.shape[-1]:
        value[..., step:] += keep[..., step:] * value[..., :-step]
        keep[..., step:] *= keep[..., :-step].copy()
        step *= 2
    return value
