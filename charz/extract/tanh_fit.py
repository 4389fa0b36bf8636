"""Least-squares fit of a tanh step to one branch of a loop."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import SchemaError
from charz.otsu import between_variance

LEAST_POINTS = 8
# In local field steps: the fit starts from a sharp, a soft and a gradual step, and keeps the best.
STARTS = (0.5, 3.0, 30.0)
NARROWEST, WIDEST = 0.02, 10.0
NEIGHBOURS = 4

Floats = NDArray[np.float64]


class TanhStep(NamedTuple):
    """y = a + b tanh((H - centre)/width), with standard errors as if residuals were independent.

    Standard errors are NaN where the points do not determine the parameter. `step` is the mean distance of the
    points around the centre: of a width below it only that much is known.
    """

    centre: float
    width: float
    centre_error: float
    width_error: float
    residual_sd: float
    step: float


def fit_tanh(field: Floats, signal: Floats, place: str) -> TanhStep:
    """Fit a tanh step.

    Parameters
    ----------
    field, signal : array, shape (size,)
        Finite, in any order.
    place : str
        For messages.

    Raises
    ------
    SchemaError
        When there are too few points, the signal or field is constant, or the centre is outside the swept range.
    """
    order = np.argsort(field, kind="stable")
    h, y = field[order], signal[order]
    if h.size < LEAST_POINTS or np.ptp(h) == 0 or np.ptp(y) == 0:
        raise SchemaError(
            f"coercivity: {place} has {h.size} points, fields from {_span(h)} and signals from {_span(y)}; a step with "
            f"four parameters needs at least {LEAST_POINTS} points over a field and a signal that change"
        )
    cut = int(np.argmax(between_variance(y[None, :], np.array([y.size]))[0]))
    unit = _local_step(h, (h[cut] + h[cut + 1]) / 2)
    low, high = float(h[0]), float(h[-1])
    # Scaled to numbers near one, so that the tolerances of the optimiser mean the same for every unit.
    x, z, scale = (h - low) / unit, (y - y.mean()) / np.ptp(y), float(np.ptp(y))
    parameters, jacobian, squares = _best(x, z, (h[cut] + h[cut + 1] - 2 * low) / 2 / unit)
    centre = low + parameters[2] * unit
    if not low < centre < high:
        raise SchemaError(
            f"coercivity: the fitted step of {place} is centred at {centre:g}, outside the swept field of {_span(h)}; "
            "the branch does not switch within it, so no coercive field can be read from it"
        )
    width = float(np.exp(parameters[3])) * unit
    variance = squares / (h.size - 4)
    errors = _errors(jacobian, variance)
    return TanhStep(
        float(centre),
        width,
        errors[2] * unit,
        errors[3] * width,
        float(np.sqrt(variance)) * scale,
        _local_step(h, centre),
    )


def _best(x: Floats, z: Floats, middle: float) -> tuple[Floats, Floats, float]:
    """Parameters (a, b, centre, ln width) of the best of several starts, Jacobian, and sum of squares."""
    from scipy.optimize import least_squares

    span = float(np.ptp(x))
    bounds = (
        [-np.inf, -np.inf, -span, np.log(NARROWEST)],
        [np.inf, np.inf, 2 * span, np.log(max(WIDEST * span, 1.0))],
    )
    above = x > middle
    upper, lower = float(z[above].mean()) if above.any() else float(z[-1]), float(z[~above].mean())

    def residuals(p: Floats) -> Floats:
        return p[0] + p[1] * np.tanh((x - p[2]) / np.exp(p[3])) - z

    def jacobian(p: Floats) -> Floats:
        u = (x - p[2]) / np.exp(p[3])
        tanh = np.tanh(u)
        bell = p[1] * (1 - tanh**2)
        return np.stack([np.ones_like(x), tanh, -bell / np.exp(p[3]), -bell * u], axis=1)

    fits = [
        least_squares(
            residuals,
            [(upper + lower) / 2, (upper - lower) / 2, middle, np.log(start)],
            jacobian,
            bounds=bounds,
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
            max_nfev=500,
        )
        for start in STARTS
    ]
    best = min(fits, key=lambda fit: fit.cost)
    return best.x, best.jac, float(2 * best.cost)


def _errors(jacobian: Floats, variance: float) -> Floats:
    """Standard errors; NaN for all where the points do not determine all four parameters."""
    information = jacobian.T @ jacobian
    if np.linalg.matrix_rank(information) < information.shape[0]:
        return np.full(information.shape[0], np.nan)
    return np.sqrt(np.diag(np.linalg.inv(information)) * variance)


def _local_step(ordered: Floats, centre: float) -> float:
    """Mean distance between the few points around `centre`."""
    distinct = np.unique(ordered)
    position = int(np.searchsorted(distinct, centre))
    first = max(min(position - NEIGHBOURS // 2, distinct.size - 1 - NEIGHBOURS), 0)
    last = min(first + NEIGHBOURS, distinct.size - 1)
    return float((distinct[last] - distinct[first]) / (last - first))


def _span(values: Floats) -> str:
    return f"{values.min():g} to {values.max():g}" if values.size else "nothing"
