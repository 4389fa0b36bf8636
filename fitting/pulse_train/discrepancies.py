"""Numbers that tell trains of one model from trains of another, all from standardised residuals."""

from collections.abc import Iterable

import numpy as np

from charz.fitting.contract import Discrepancy, Observations
from charz.fitting.pulse_train.residuals import Situation

AXES = (1, 2, 3)
SIGNS = (1, -1)
MIN_CYCLES = 3


def _dispersion(situation: Situation) -> np.ndarray:
    return (situation.residual**2).sum(AXES)


def _tails(situation: Situation) -> np.ndarray:
    square = situation.residual**2
    return (square**2).sum(AXES) * situation.mask.sum() / np.maximum(square.sum(AXES), 1e-300) ** 2


def _largest(situation: Situation) -> np.ndarray:
    return np.abs(situation.residual).max(AXES)


def _pulse_memory(situation: Situation) -> np.ndarray:
    products = situation.residual[..., 1:] * situation.residual[..., :-1]
    return _share(np.where(situation.joined, products, 0).sum(AXES), situation)


def _cycle_memory(situation: Situation) -> np.ndarray:
    # Padding holds residuals of 0.
    return _share((situation.residual[:, :, 1:] * situation.residual[:, :, :-1]).sum(AXES), situation)


def _share(total: np.ndarray, situation: Situation) -> np.ndarray:
    return total / np.maximum((situation.residual**2).sum(AXES), 1e-300)


def _shape(situation: Situation) -> np.ndarray:
    return _total(
        _projection(situation.residual, basis)
        for sign in SIGNS
        for basis in _basis(situation.position, situation.polarity == sign)
    )


def _noise_shape(situation: Situation) -> np.ndarray:
    excess = np.where(situation.mask, np.minimum(situation.residual**2, 25.0) - 1, 0)
    return _total(
        _projection(excess, _basis(situation.position, situation.polarity == sign)[0]) for sign in SIGNS
    )


def _noise_of_polarities(situation: Situation) -> np.ndarray:
    square = np.minimum(situation.residual**2, 25.0)
    up, down = (
        np.where(situation.polarity == sign, square, 0).sum(AXES) / (situation.polarity == sign).sum()
        for sign in SIGNS
    )
    return np.log(np.maximum(up, 1e-12)) - np.log(np.maximum(down, 1e-12))


def _drift(situation: Situation) -> np.ndarray:
    time = np.broadcast_to(
        np.arange(situation.mask.shape[1])[None, None, :, None], (1, *situation.mask.shape)
    )
    return _total(
        _projection(situation.residual, _basis(time, situation.polarity == sign)[0]) for sign in SIGNS
    )


def _devices(situation: Situation) -> np.ndarray:
    total = np.zeros(len(situation.residual))
    for sign in SIGNS:
        mine = situation.polarity == sign
        sums = np.where(mine, situation.residual, 0).sum((2, 3))
        total += (sums**2 / np.maximum(mine.sum((1, 2)), 1)).sum(1)
    return total


def _basis(position: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position within each device, standardised, and its square made orthogonal to a constant; 0 off the mask."""
    count = np.maximum(mask.sum((1, 2)), 1)[:, None, None]
    mean = np.where(mask, position, 0).sum((2, 3), keepdims=True) / count
    centred = np.where(mask, position - mean, 0)
    square = (centred**2).sum((2, 3), keepdims=True) / count
    linear = centred / np.sqrt(np.maximum(square, np.finfo(float).tiny))
    return linear, np.where(mask, linear**2 - 1, 0)


def _projection(residual: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Square of the component of the residuals along a direction, (sample,)."""
    along = (residual * basis).sum(AXES)
    return along**2 / np.maximum((basis**2).sum(AXES), 1e-12)


def _total(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.sum(list(parts), axis=0)


def _several_devices(observations: Observations) -> bool:
    return len(observations.devices) > 1


def _both_polarities(observations: Observations) -> bool:
    polarity = observations.arrays["polarity"]
    return bool((polarity > 0).any() and (polarity < 0).any())


def _several_cycles(observations: Observations) -> bool:
    return observations.measured.shape[1] >= MIN_CYCLES


def _runs(observations: Observations) -> bool:
    return observations.measured.shape[2] > 2


DISCREPANCIES = (
    Discrepancy("dispersion", "scatter of all reads (chi-square)", _dispersion),
    Discrepancy("tails", "outlier steps (kurtosis of the residuals)", _tails),
    Discrepancy("largest residual", "the read that fits worst", _largest),
    Discrepancy(
        "pulse memory", "correlation with the pulse before; negative: noisy reads", _pulse_memory, _runs
    ),
    Discrepancy(
        "cycle memory", "correlation with the same pulse one cycle before", _cycle_memory, _several_cycles
    ),
    Discrepancy("drift", "trend over the cycles, of either polarity", _drift, _several_cycles),
    Discrepancy("shape", "means against conductance, pulse number or the other state", _shape),
    Discrepancy("noise shape", "noise against the same", _noise_shape),
    Discrepancy(
        "polarities",
        "noise of potentiation against that of depression",
        _noise_of_polarities,
        _both_polarities,
    ),
    Discrepancy("devices", "differences between devices", _devices, _several_devices),
)
