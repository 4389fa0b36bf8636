r"""What records of the right model look like: checks on the surprises of each sample.

An innovation is the deviation of a sample from what the model foretells from the drift and all samples before it, in
its standard deviations. Under the right model innovations are independent and standard normal, also where the record
itself is strongly correlated.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from charz.fitting.contract import Discrepancy, Model, Observations
from charz.fitting.retention.models import residual_of, windows_of
from charz.fitting.retention.wander import SD_RANGE, innovations, noise_of

SHARE_OF_ENDS = 0.1


class Situation(NamedTuple):
    """What a discrepancy sees.

    Parameters
    ----------
    surprise : array (sample, device, time)
        Innovations, 0 at padding.
    residual : array (sample, device, time)
        ln R without the drift, 0 at padding.
    measured : array (device, time)
        Samples that exist.
    early : array (device, time)
        First half of each record, by samples.
    first, last : array (device, time)
        Weights of the means over the first and over the last tenth of each record.
    """

    surprise: np.ndarray
    residual: np.ndarray
    measured: np.ndarray
    early: np.ndarray
    first: np.ndarray
    last: np.ndarray


def situation(
    model: Model, data: Mapping[str, np.ndarray], values: Mapping[str, np.ndarray], observations: Observations
) -> Situation:
    """Innovations and residuals of measured or replicated records for every draw."""
    measured = observations.measured
    with jax.enable_x64(True):
        name = observations.observed[0]
        arrays = {n: jnp.asarray(a) for n, a in observations.arrays.items() if n != name}
        draws = {name: jnp.asarray(value) for name, value in values.items()}
        retained = np.where(measured, data[name], observations.arrays[name])
        retained = np.broadcast_to(retained, (next(iter(values.values())).shape[0], *measured.shape))
        seen = _evaluation(model, name)(draws, arrays, jnp.asarray(retained))
        surprise, residual = (np.asarray(x) for x in seen)
    number = measured.cumsum(axis=1)
    total = measured.sum(axis=1, keepdims=True)
    part = np.maximum(1, np.round(SHARE_OF_ENDS * total))
    return Situation(
        surprise=surprise,
        residual=np.where(measured, residual, 0.0),
        measured=measured,
        early=measured & (number <= total // 2),
        first=(measured & (number <= part)) / part,
        last=(measured & (number > total - part)) / part,
    )


@lru_cache(maxsize=8)
def _evaluation(model: Model, name: str) -> Any:
    """Innovations and residuals for draws and devices at once, compiled."""

    def one(values: Any, arrays: Any, retained: Any) -> Any:
        residual = residual_of(model.law(values).drift, {**arrays, name: retained})
        windows = windows_of(arrays)
        if "wander" in values:
            return innovations(residual, windows, noise_of(values)), residual
        deviation = jnp.clip(values["read_noise"], *SD_RANGE) / jnp.sqrt(jnp.maximum(windows.num_averaged, 1))
        return jnp.where(windows.num_averaged > 0, residual / deviation, 0.0), residual

    return jax.jit(jax.vmap(jax.vmap(one), in_axes=(0, None, 0)))


def _scatter(s: Situation) -> np.ndarray:
    return (s.surprise**2).sum((1, 2)) / s.measured.sum()


def _neighbours(s: Situation) -> np.ndarray:
    square = np.maximum((s.surprise**2).sum((1, 2)), np.finfo(float).tiny)
    return (s.surprise[..., 1:] * s.surprise[..., :-1]).sum((1, 2)) / square


def _trend(s: Situation) -> np.ndarray:
    return (s.surprise.sum(2) ** 2 / s.measured.sum(1)).sum(1)


def _turn(s: Situation) -> np.ndarray:
    excursion = np.abs(np.cumsum(s.surprise, axis=2)).max(2) / np.sqrt(s.measured.sum(1))
    return excursion.max(1)


def _largest(s: Situation) -> np.ndarray:
    return np.abs(s.surprise).max((1, 2))


def _early_late(s: Situation) -> np.ndarray:
    square, late = s.surprise**2, s.measured & ~s.early
    first, second = ((square * half).sum(2) / np.maximum(half.sum(1), 1) for half in (s.early, late))
    smallest = np.finfo(float).tiny
    return (np.log(np.maximum(first, smallest) / np.maximum(second, smallest)) * s.early.sum(1)).sum(1)


def _ends(s: Situation) -> np.ndarray:
    return (s.residual * (s.last - s.first)).sum((1, 2))


def _devices(s: Situation) -> np.ndarray:
    return ((s.residual * s.measured).sum(2) / s.measured.sum(1)).std(1)


def _least_scatter(s: Situation) -> np.ndarray:
    """Scatter of the calmest over that of the wildest device."""
    square = (s.surprise**2).sum(2) / s.measured.sum(1)
    return np.log(np.maximum(square.max(1), 1e-300) / np.maximum(square.min(1), 1e-300))


def _several(observations: Observations, fewest: int = 2) -> bool:
    return len(observations.devices) >= fewest


DISCREPANCIES = (
    Discrepancy("scatter", "mean square of the surprises", _scatter),
    Discrepancy("lag-1 correlation", "surprises that run together: noise with another memory", _neighbours),
    Discrepancy("trend", "surprises of one sign: a drift of another kind", _trend),
    Discrepancy("turns", "drift that changes its direction", _turn),
    Discrepancy("jumps", "largest single surprise: a step, a heavy tail", _largest),
    Discrepancy(
        "early and late", "surprises larger in one half of the records than in the other", _early_late
    ),
    Discrepancy("last and first", "change from the first to the last tenth beyond the drift", _ends),
    Discrepancy("levels of devices", "differences between devices", _devices, partial(_several)),
    Discrepancy("noise of devices", "devices noisier than others", _least_scatter, partial(_several)),
)
