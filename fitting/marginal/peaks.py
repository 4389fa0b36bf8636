"""Peak of each device's log likelihood under a normal prior of what varies: where its parabola is laid."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from charz.fitting.ascent import climb, covariance_of
from charz.fitting.contract import Model, Observations
from charz.fitting.differences import refined_steps
from charz.fitting.marginal.devices import Devices
from charz.fitting.marginal.surrogate import Surrogate
from charz.fitting.modes import Modes

FIRST_STEP, LARGEST_STEP = 1e-3, 0.1  # of the prior's standard deviation
STEP = 0.1  # of the device's own
# Squared standard deviations from the peak at which a climb ends: what a parabola misses is integrated anyway.
SMALL_DECREMENT = 1e-4


def separate_modes(devices: Devices, observations: Observations) -> Modes:
    """Peak of each device by itself, under the prior of the typical device, from the best of the candidates."""
    model, coordinates = devices.model, devices.coordinates
    typical = [coordinates.priors[name] for name in coordinates.names]
    candidates = _candidates(model, observations)
    heights = devices.log_likelihoods(candidates)
    for column, prior in enumerate(typical):
        heights = heights + prior.expand(candidates[..., column])[0]
    best = np.nan_to_num(heights, nan=-np.inf).argmax(1)

    start = candidates[np.arange(len(best)), best]
    widths = [1 / np.sqrt(prior.expand(start[:, i])[2]) for i, prior in enumerate(typical)]
    first = FIRST_STEP * np.stack(np.broadcast_arrays(*widths), -1)
    steps = np.minimum(refined_steps(devices.values_at, start, first), LARGEST_STEP / FIRST_STEP * first)

    def expand(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        value, gradient, curvature = devices.expand(eta, steps)
        terms = [prior.expand(eta[:, i]) for i, prior in enumerate(typical)]
        height, slope, bend = (np.stack(np.broadcast_arrays(*part), -1) for part in zip(*terms, strict=True))
        return value + height.sum(-1), gradient + slope, curvature + _diagonal(bend), bend

    mode, curvature, bend = climb(expand, start, SMALL_DECREMENT)
    covariance = covariance_of(curvature)
    from_data = 1 / np.diagonal(covariance, axis1=1, axis2=2) - np.maximum(bend, 0.0)
    return Modes(mode, covariance, np.maximum(from_data, 0.0))


def surrogate_at(devices: Devices, phi: np.ndarray, modes: Modes) -> Surrogate:
    """Parabola of every device at its peak under the population phi (size,).

    Parameters
    ----------
    devices : Devices
    phi : array (size,)
    modes : Modes
        Of each device by itself, from where the climb starts, and which set the steps of the differences.
    """
    coordinates = devices.coordinates
    mean, log_sd, shared = coordinates.parts(phi)
    varying, precision = list(coordinates.varying), np.exp(-2 * log_sd)
    full = np.array(modes.mode)
    steps = STEP * np.sqrt(np.diagonal(modes.covariance, axis1=1, axis2=2))
    full[:, list(coordinates.shared)] = shared

    def expand(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        full[:, varying] = theta
        value, gradient, curvature = devices.expand(full, steps)
        off = theta - mean
        bend = np.broadcast_to(precision, theta.shape)
        inner = curvature[:, varying][:, :, varying] + _diagonal(bend)
        return value - (precision * off**2).sum(-1) / 2, gradient[:, varying] - precision * off, inner, bend

    full[:, varying] = climb(expand, full[:, varying], SMALL_DECREMENT)[0]
    value, gradient, curvature = devices.expand(full, steps)
    return Surrogate(full, value, gradient, semidefinite(curvature))


def semidefinite(curvature: np.ndarray) -> np.ndarray:
    """Lift negative eigenvalues to 0, in coordinates scaled by the diagonal."""
    curvature = np.nan_to_num((curvature + curvature.swapaxes(1, 2)) / 2)
    size = np.sqrt(np.maximum(np.abs(np.diagonal(curvature, axis1=1, axis2=2)), 1e-10))
    values, vectors = np.linalg.eigh(curvature / (size[:, :, None] * size[:, None, :]))
    lifted = np.einsum("uij,uj,ukj->uik", vectors, np.maximum(values, 0.0), vectors)
    return lifted * size[:, :, None] * size[:, None, :]


def _diagonal(rows: np.ndarray) -> np.ndarray:
    return rows[:, :, None] * np.eye(rows.shape[1])


def _candidates(model: Model, observations: Observations) -> np.ndarray:
    """Linked values of the model's candidates, (device, candidate, parameter)."""
    natural: Mapping[str, np.ndarray] = model.candidates(observations)
    columns = [
        np.asarray(p.link.forward(jnp.asarray(np.asarray(natural[p.name], float), jnp.float64)))
        for p in model.free
    ]
    number = max(column.shape[-1] for column in columns)
    shape = (len(observations.devices), number)
    return np.stack([np.broadcast_to(column, shape) for column in columns], axis=-1)
