r"""What checks of pulse trains look at: standardised residuals of every read, and what they might depend on.

A residual is the normal score :math:`\Phi^{-1}(F(G_k \mid G_{k-1}))` of a read given those before it: far from zero
conductance :math:`(G_k - m_k)/s_k` where the noise is normal. Behind noisy reads the variance of both reads is added;
a device that more probably is stuck than not is judged as a stuck one. None of this has to be exact: replicated
trains are treated the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from charz.fitting.contract import Model, Observations
from charz.fitting.pulse_train.models import POWER_LAWS, STEP_MODELS
from charz.fitting.pulse_train.observations import conductance_before
from charz.fitting.pulse_train.states import two_level

LARGEST_SCORE = 37.0  # of the normal distribution, where its tail underflows
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Situation:
    """Residuals of one set of outcomes.

    Parameters
    ----------
    residual : array (sample, device, cycle, pulse)
        Standardised; 0 where there is none.
    position : array (sample or 1, device, cycle, pulse)
        What the mean might wrongly depend on: for steps the conductance before the pulse, for power laws ln n, for
        alternating states ln of the state before in the same cycle.
    mask : array of bool (device, cycle, pulse)
        Where there is a residual.
    joined : array of bool (device, cycle, pulse - 1)
        Whether a pulse and the next one both have a residual, with nothing given between.
    polarity : array (device, cycle, pulse)
    """

    residual: np.ndarray
    position: np.ndarray
    mask: np.ndarray
    joined: np.ndarray
    polarity: np.ndarray


def situation(model: Model, data: Arrays, values: Arrays, observations: Observations) -> Situation:
    """Residuals of measured or replicated conductances for each draw of the values."""
    conductance = np.where(observations.measured, data["conductance"], observations.arrays["conductance"])
    with jax.enable_x64(True):
        given = {name: jnp.asarray(value)[..., None, None] for name, value in values.items()}
        if model in STEP_MODELS:
            residual, position, mask = _of_steps(model, conductance, given, observations)
        elif model in POWER_LAWS:
            residual, position, mask = _of_power_law(model, conductance, given, observations)
        else:
            residual, position, mask = _of_states(conductance, given, observations)
    continued = observations.arrays["restarts"][..., 1:] == 0
    return Situation(
        residual=np.where(mask, residual, 0.0),
        position=np.broadcast_to(position, (len(position), *mask.shape)),
        mask=mask,
        joined=mask[..., 1:] & mask[..., :-1] & continued,
        polarity=np.where(mask, observations.arrays["polarity"], 0),
    )


Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


def _of_steps(model: Model, conductance: np.ndarray, values: Any, observations: Observations) -> Parts:
    arrays = observations.arrays
    mask = observations.measured & (arrays["stepped"] > 0)
    before = conductance_before(conductance, arrays)
    device = model.law(values)
    step = device.step(jnp.asarray(before), arrays["polarity"])
    variance = device.scale(jnp.asarray(before), step) ** 2
    if device.read_noise is not None:
        variance = variance + device.read_noise**2 * (conductance**2 + before**2)
    mean, scale = np.asarray(before + step), np.asarray(jnp.sqrt(variance))
    degrees = None if device.degrees_of_freedom is None else np.asarray(device.degrees_of_freedom)
    residual = _score((conductance - mean) / scale, (conductance + mean) / scale, degrees)
    if "stuck_fraction" in values:
        additive = np.asarray(values["additive_noise"])
        idle = (conductance - before) / additive
        stuck = _probably_stuck((conductance - mean) / scale, idle, variance, values, mask)
        residual = np.where(stuck, _score(idle, (conductance + before) / additive, None), residual)
    return residual, before, mask


def _score(direct: np.ndarray, reflected: np.ndarray, degrees: np.ndarray | None) -> np.ndarray:
    """Normal score of a conductance whose noise is folded at zero: the smaller tail is never a difference from 1."""

    def tail(deviation: np.ndarray) -> np.ndarray:
        return ndtr(deviation) if degrees is None else stdtr(degrees, deviation)

    back = tail(-reflected)
    below, above = tail(direct) - back, tail(-direct) + back
    score = np.where(direct < 0, ndtri(np.clip(below, 1e-300, 1)), -ndtri(np.clip(above, 1e-300, 1)))
    return np.clip(score, -LARGEST_SCORE, LARGEST_SCORE)


def _probably_stuck(
    residual: np.ndarray, idle: np.ndarray, variance: Any, values: Any, mask: np.ndarray
) -> np.ndarray:
    """Whether a device is stuck with probability above one half, (sample, device, 1, 1)."""
    log_ratio = 0.5 * (residual**2 - idle**2) + 0.5 * np.log(
        np.asarray(variance) / np.asarray(values["additive_noise"]) ** 2
    )
    fraction = np.asarray(values["stuck_fraction"])
    odds = np.where(mask, log_ratio, 0.0).sum((2, 3), keepdims=True)
    return odds + np.log(fraction) - np.log1p(-fraction) > 0


def _of_power_law(model: Model, conductance: np.ndarray, values: Any, observations: Observations) -> Parts:
    number, polarity = observations.arrays["number"], observations.arrays["polarity"]
    law = model.law(values)
    residual = (np.log(conductance) - law.log_median(number, polarity)) / law.noise
    return np.asarray(residual), np.log(number)[None], observations.measured


def _of_states(conductance: np.ndarray, values: Any, observations: Observations) -> Parts:
    arrays = {name: jnp.asarray(array) for name, array in observations.arrays.items()}
    device = two_level(values)
    deviation = np.asarray(device.deviation(jnp.asarray(conductance), arrays["polarity"], arrays["time"]))
    phi = (
        np.broadcast_to(np.asarray(device.correlation(arrays["polarity"])), deviation.shape)
        * arrays["follows"]
    )
    previous = np.concatenate([np.zeros_like(deviation[:, :, :1]), deviation[:, :, :-1]], axis=2)
    residual = (deviation - phi * previous) / np.sqrt(np.maximum(1 - phi**2, 1e-9))
    logs = np.log(conductance)
    # The first state of a cycle has none before it: a constant, on which nothing can depend.
    other = np.concatenate([np.zeros_like(logs[..., :1]), logs[..., :-1]], axis=-1)
    return residual, other, observations.measured
