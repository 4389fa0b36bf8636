r"""Numbers that tell thresholds of one law from thresholds of another: order in time, scatter, shape, devices.

A censored threshold counts by its bound, an interval by its middle, in the data and in the replicates alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.special import log_ndtr

from charz.fitting.contract import Discrepancy, Model, Observations
from charz.fitting.ramp.models import law_at
from charz.fitting.ramp.starts import representative
from charz.kinds import FLAG_LEFT, FLAG_RIGHT

MIN_CYCLES = 4
MIN_CYCLES_SLOW = 40
LAGS = (5, 15)
SMALL = 1e-30
CHUNK_NUMBERS = 4_000_000


@dataclass(frozen=True)
class Situation:
    """What a discrepancy sees.

    Parameters
    ----------
    value : array (sample or 1, device, cycle)
        Thresholds, measured or replicated, in the unit of the drive; 0 at padding.
    score : array (sample, device, cycle)
        Their normal scores under the law of each draw; 0 at padding.
    outside : array (sample or 1,)
        Number of thresholds that are left- or right-censored.
    measured : array (device, cycle)
    adjacent : array (device, cycle)
        Where this cycle and the one before were recorded.
    """

    value: np.ndarray
    score: np.ndarray
    outside: np.ndarray
    measured: np.ndarray
    adjacent: np.ndarray


def situation(
    model: Model,
    data: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    observations: Observations,
) -> Situation:
    """Thresholds beside their normal scores under each draw.

    Parameters
    ----------
    model : Model
    data : mapping
        Outcomes by name, (sample or 1, device, cycle).
    values : mapping
        Values of the law, (sample, device).
    observations : Observations
    """
    measured = observations.measured
    value = np.where(measured, representative(data, observations), 0.0)
    adjacent = np.zeros_like(measured)
    adjacent[:, 1:] = measured[:, 1:] & measured[:, :-1]
    outside = np.zeros(1)
    if "censored" in data:
        flag = np.asarray(data["censored"])
        outside = (((flag == FLAG_LEFT) | (flag == FLAG_RIGHT)) & measured).sum((1, 2))
    return Situation(value, scores(model, value, values, observations), outside, measured, adjacent)


def scores(
    model: Model, value: np.ndarray, values: Mapping[str, np.ndarray], observations: Observations
) -> np.ndarray:
    """Normal scores (sample, device, cycle) of thresholds (sample or 1, device, cycle), 0 at padding."""
    measured = observations.measured
    known = {parameter.name for parameter in model.free}
    law = {n: np.asarray(v) for n, v in values.items() if n in known}
    number = len(next(iter(law.values())))
    value = np.broadcast_to(np.where(measured, value, 1.0), (number, *measured.shape))
    chunk = max(1, CHUNK_NUMBERS // measured.size)
    with jax.enable_x64(True):
        settings = {
            n: jnp.asarray(observations.arrays[n])
            for n in ("ramp_rate", "kilocycles")
            if n in observations.arrays
        }
        parts = [
            np.asarray(
                _score(
                    model,
                    {n: jnp.asarray(v[start : start + chunk])[..., None] for n, v in law.items()},
                    settings,
                    jnp.asarray(value[start : start + chunk]),
                )
            )
            for start in range(0, number, chunk)
        ]
    return np.where(measured, np.concatenate(parts), 0.0)


@partial(jax.jit, static_argnums=0)
def _score(model: Model, values: dict[str, Array], settings: dict[str, Array], threshold: Array) -> Array:
    return law_at(model.law(model.natural(values)), settings).score(threshold)


def _lag(situation: Situation) -> np.ndarray:
    """Correlation of successive thresholds around the mean of their device."""
    count = np.maximum(situation.measured.sum(1), 1)[:, None]
    mean = situation.value.sum(2, keepdims=True) / count
    deviation = np.where(situation.measured, situation.value - mean, 0.0)
    product = np.where(situation.adjacent[:, 1:], deviation[..., 1:] * deviation[..., :-1], 0.0)
    # Each device weighs by its number of pairs, not by its spread.
    variance = (deviation**2).sum(2) / count[:, 0]
    pairs = situation.adjacent.sum(1)
    each = product.sum(2) / np.maximum(variance, SMALL)
    return each.sum(1) / max(int(pairs.sum()), 1)


def _slow(situation: Situation) -> np.ndarray:
    """Mean correlation of thresholds 5 to 15 records apart, around the mean of their device."""
    count = np.maximum(situation.measured.sum(1), 1)[:, None]
    mean = situation.value.sum(2, keepdims=True) / count
    deviation = np.where(situation.measured, situation.value - mean, 0.0)
    # Sums over the lags of a window are one product with a moving sum.
    total = np.cumsum(np.pad(deviation, ((0, 0), (0, 0), (LAGS[1] + 1, 0))), axis=2)
    cycles = deviation.shape[2]
    earlier = total[..., LAGS[1] + 1 - LAGS[0] :][..., :cycles] - total[..., :cycles]
    number = LAGS[1] - LAGS[0] + 1
    each = (deviation * earlier).sum(2) / np.maximum((deviation**2).sum(2) * number, SMALL)
    return each[:, situation.measured.sum(1) >= MIN_CYCLES_SLOW].mean(1)


def _drift(situation: Situation) -> np.ndarray:
    """Mean of the last third of each record minus that of the first, in spreads of the device; mean over devices."""
    order = np.cumsum(situation.measured, axis=1) - 1
    count = situation.measured.sum(1)
    third = np.maximum(count // 3, 1)[:, None]
    first = situation.measured & (order < third)
    last = situation.measured & (order >= count[:, None] - third)
    change = (situation.value * last).sum(2) / third[:, 0] - (situation.value * first).sum(2) / third[:, 0]
    total = np.maximum(count, 1)
    mean = situation.value.sum(2) / total
    spread = np.sqrt(np.maximum((situation.value**2).sum(2) / total - mean**2, SMALL))
    used = count >= MIN_CYCLES
    return (change / spread)[:, used].mean(1)


def _tails(situation: Situation) -> np.ndarray:
    return np.abs(situation.score).max((1, 2))


def _dispersion(situation: Situation) -> np.ndarray:
    return (situation.score**2).sum((1, 2)) / situation.measured.sum()


def _shape(situation: Situation) -> np.ndarray:
    r"""Anderson-Darling distance of the normal scores from the standard normal distribution.

    .. math:: A^2 = -n - \frac{1}{n}\sum_i (2i - 1)\,[\ln\Phi(z_{(i)}) + \ln\Phi(-z_{(n+1-i)})]
    """
    ordered = np.sort(situation.score[:, situation.measured], axis=1)
    number = ordered.shape[1]
    weight = 2 * np.arange(1, number + 1) - 1
    return -number - (weight * (log_ndtr(ordered) + log_ndtr(-ordered[:, ::-1]))).mean(1)


def _devices(situation: Situation) -> np.ndarray:
    """Mean square of the devices' mean scores, each times its number of cycles: about 1 where all is explained."""
    count = np.maximum(situation.measured.sum(1), 1)
    return (situation.score.sum(2) ** 2 / count).mean(1)


def _outside(situation: Situation) -> np.ndarray:
    return np.broadcast_to(situation.outside, len(situation.score)).astype(float)


def _in_order(observations: Observations) -> bool:
    return bool((observations.measured.sum(1) >= MIN_CYCLES).any())


def _long(observations: Observations) -> bool:
    return bool((observations.measured.sum(1) >= MIN_CYCLES_SLOW).any())


def _several_devices(observations: Observations) -> bool:
    return len(observations.devices) > 1 and bool((observations.measured.sum(1) > 1).any())


def _has_limits(observations: Observations) -> bool:
    flag = observations.arrays.get("censored", np.zeros(1))
    return bool(((flag == FLAG_LEFT) | (flag == FLAG_RIGHT)).any())


DISCREPANCIES: tuple[Discrepancy, ...] = (
    Discrepancy("lag-1 correlation", "correlation of successive thresholds of a device", _lag, _in_order),
    Discrepancy("slow correlation", "mean correlation of thresholds 5 to 15 cycles apart", _slow, _long),
    Discrepancy("drift", "last third minus first third, in standard deviations", _drift, _in_order),
    Discrepancy("tails", "largest normal score: the threshold farthest out", _tails),
    Discrepancy("dispersion", "mean square of the normal scores", _dispersion),
    Discrepancy("shape", "Anderson-Darling distance of all thresholds from the law", _shape),
    Discrepancy("devices", "differences between devices", _devices, _several_devices),
    Discrepancy(
        "censored", "number of thresholds beyond the start or the end of the ramp", _outside, _has_limits
    ),
)
