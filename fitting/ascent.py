r"""Saddle-free Newton ascent of many log posteriors at once.

Newton's method with damping; where the log posterior is not concave its curvatures enter by their size, so that
every step still climbs: with the Hessian :math:`-H = V\,\mathrm{diag}(\lambda)\,V^T`,

.. math:: \Delta\eta = V\,\mathrm{diag}\frac{1}{|\lambda| + \mu}\,V^T g .
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from charz.fitting.contract import Model, Observations

NUM_ITERATIONS = 80
# Half of the decrement is the climb that is left, in nats.
SMALL_DECREMENT = 1e-9
MAX_DAMPING = 1e9


def climb(
    expand: Callable[[np.ndarray], tuple[np.ndarray, ...]],
    eta: np.ndarray,
    small_decrement: float = SMALL_DECREMENT,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Climb from a start (unit, parameter): a step is kept only where it rises; each unit has its own damping.

    Parameters
    ----------
    expand : callable
        ``eta -> (value (unit,), gradient, curvature (unit, parameter, parameter), curvature of the prior)``.
    eta : array (unit, parameter)
    small_decrement : float
        Twice the climb, in nats, that is not worth a step: larger where values are known to fewer digits.

    Returns
    -------
    mode, curvature, prior_curvature : array
        The curvature is minus the Hessian.
    """
    value, gradient, curvature, prior_curvature = expand(eta)
    damping = np.full(len(eta), 1e-2)
    for _ in range(NUM_ITERATIONS):
        step, decrement = _step(gradient, curvature, damping)
        if np.all((decrement < small_decrement) | (damping >= MAX_DAMPING)):
            break
        proposed = expand(eta + step)
        better = (proposed[0] > value) & np.isfinite(proposed[1]).all(-1)
        eta = np.where(better[:, None], eta + step, eta)
        value = np.where(better, proposed[0], value)
        gradient = np.where(better[:, None], proposed[1], gradient)
        curvature = np.where(better[:, None, None], proposed[2], curvature)
        prior_curvature = np.where(better[:, None], proposed[3], prior_curvature)
        damping = np.clip(np.where(better, damping / 10, damping * 5), 1e-12, MAX_DAMPING)
    return eta, curvature, prior_curvature


def _step(gradient: np.ndarray, curvature: np.ndarray, damping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Damped step, and the undamped decrement that says how far the peak still is.

    In coordinates scaled by the curvature's diagonal, so that volts and logits weigh the same.
    """
    curvature = _finite(curvature)
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diagonal(curvature, axis1=1, axis2=2)), 1e-10))
    values, vectors = np.linalg.eigh(scale[:, :, None] * curvature * scale[:, None, :])
    size = np.maximum(np.abs(values), 1e-10)
    along = np.einsum("uji,uj->ui", vectors, scale * np.nan_to_num(gradient))
    step = scale * np.einsum("uij,uj->ui", vectors, along / (size + damping[:, None]))
    return step, (along**2 / size).sum(-1)


def _finite(curvature: np.ndarray) -> np.ndarray:
    return np.nan_to_num((curvature + curvature.swapaxes(1, 2)) / 2, nan=0.0, posinf=1e12, neginf=-1e12)


def covariance_of(curvature: np.ndarray) -> np.ndarray:
    """Invert curvatures (unit, parameter, parameter), with eigenvalues next to zero or below (a flat direction) lifted.

    In coordinates scaled by the diagonal: the curvature of a level in amperes would lift every other parameter's, and
    no digit of theirs would be left in the inverse.
    """
    curvature = _finite(curvature)
    size = np.sqrt(np.maximum(np.abs(np.diagonal(curvature, axis1=1, axis2=2)), 1e-10))
    scaled = curvature / (size[:, :, None] * size[:, None, :])
    values, vectors = np.linalg.eigh(scaled)
    inverse = np.einsum("uij,uj,ukj->uik", vectors, 1 / np.maximum(values, 1e-8), vectors)
    return inverse / (size[:, :, None] * size[:, None, :])


def best_candidate(
    model: Model, observations: Observations, together: bool, value: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Start of each unit, (unit, parameter): the candidate with the highest log posterior."""
    natural = model.candidates(observations)
    num_devices = len(observations.devices)
    columns = [
        np.asarray(p.link.forward(jnp.asarray(np.asarray(natural[p.name], float), jnp.float64)))
        for p in model.free
    ]
    num_candidates = max(column.shape[-1] for column in columns)
    table = np.stack([np.broadcast_to(c, (num_devices, num_candidates)) for c in columns], axis=-1)
    if together:
        table = table.reshape(1, -1, table.shape[-1])
        # Candidates of many devices repeat each other: evenly spaced ones of the list suffice.
        keep = np.unique(np.linspace(0, table.shape[1] - 1, max(num_candidates, 256)).astype(int))
        table = table[:, keep]
    best, best_value = table[:, 0].copy(), np.full(len(table), -np.inf)
    for index in range(table.shape[1]):
        found = value(table[:, index])
        better = found > best_value  # False for NaN, too
        best_value = np.where(better, found, best_value)
        best = np.where(better[:, None], table[:, index], best)
    return best
