"""Gradient and Hessian by central differences of values: where no derivative is worth compiling.

With steps of a tenth of a standard deviation in double precision they are exact to five digits.
"""

from collections.abc import Callable

import numpy as np

# Height in nats by which a step lowers a parabola: a tenth of a standard deviation.
STEP_HEIGHT = 0.005
MAX_REFINEMENTS = 20

Values = Callable[[np.ndarray], np.ndarray]


def steps_for(curvature: np.ndarray) -> np.ndarray:
    """Steps (unit, parameter) of a tenth of a standard deviation, from minus the Hessian."""
    diagonal = np.abs(np.diagonal(curvature, axis1=1, axis2=2))
    return np.sqrt(2 * STEP_HEIGHT / np.maximum(diagonal, np.finfo(float).tiny))


def refined_steps(values_at: Values, eta: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Steps over which a function bends by about as much as one of `STEP_HEIGHT`, found by trying."""
    along = np.eye(eta.shape[1])[:, None]
    for _ in range(MAX_REFINEMENTS):
        values = values_at(np.concatenate([eta[None], eta + along * steps, eta - along * steps]))
        up, down = np.split(values[1:], 2)
        bend = np.abs(up + down - 2 * values[0]).T / 2
        if np.all((bend > STEP_HEIGHT / 10) & (bend < 10 * STEP_HEIGHT)):
            break
        ratio = np.nan_to_num(bend / STEP_HEIGHT, nan=1e4, posinf=1e4)
        steps = steps / np.sqrt(np.clip(ratio, 1e-4, 1e4))
    return steps


def central_differences(
    values_at: Values, eta: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expand functions of many units to second order.

    Parameters
    ----------
    values_at : callable
        From points (point, unit, parameter) to values (point, unit).
    eta, steps : array (unit, parameter)

    Returns
    -------
    value : array (unit,)
    gradient : array (unit, parameter)
    curvature : array (unit, parameter, parameter)
        Minus the Hessian.
    """
    size = eta.shape[1]
    along = np.eye(size)
    first, second = np.triu_indices(size, 1)
    moves = np.concatenate([np.zeros((1, size)), along, along[first] + along[second]])
    moves = np.concatenate([moves, -moves[1:]])[:, None] * steps
    values = values_at(eta + moves)
    here, up, down = values[0], values[1 : len(values) // 2 + 1], values[len(values) // 2 + 1 :]
    gradient = (up[:size] - down[:size]).T / (2 * steps)
    bend = up + down - 2 * here  # (move, unit)
    hessian = np.zeros((len(eta), size, size))
    hessian[:, range(size), range(size)] = bend[:size].T / steps**2
    mixed = (bend[size:] - bend[first] - bend[second]).T / (2 * steps[:, first] * steps[:, second])
    hessian[:, first, second] = hessian[:, second, first] = mixed
    return here, gradient, -hessian
