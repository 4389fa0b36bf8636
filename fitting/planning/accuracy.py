r"""A predicted accuracy as the target of a plan.

A prediction has an accuracy for each of a few posterior draws of the population. How it follows the population is
learnt by ridge regression of the draws' mean accuracies on the population's parameters, in standard deviations of
their posterior; the ridge is the one that predicts best with one draw left out. What the regression gives at any
other population is what a further measurement narrows; spread between arrays, seeds and reads stays.
"""

import numpy as np
import xarray as xr

from charz.errors import FitError
from charz.fitting.planning.contract import FlatDraws, Target
from charz.fitting.planning.target import population_vectors
from charz.fitting.posterior import Posterior

DRAW_NUMBER = "posterior_draw"
# Ridges in units of the number of draws.
RIDGES = np.logspace(-3, 2, 26)
LEAST_DRAWS = 10
# Leave-one-out R² times the number of draws: of accuracies that follow nothing, the best ridge finds more in one case
# of twenty, for four to ten parameters and 10 to 200 draws.
LEAST_EXPLAINED = 4.0


def accuracy_target(posterior: Posterior, prediction: xr.Dataset) -> Target:
    """Accuracy of one reading of one network, as `predict_accuracy` predicted it from this posterior.

    Parameters
    ----------
    posterior : Posterior
        Hierarchical.
    prediction : Dataset
        ``accuracy`` (draw, array, seed, repeat) with the coordinate ``posterior_draw`` (draw,), the number of the
        posterior's draw behind each.

    Raises
    ------
    FitError
        For a prediction without these numbers, of too few draws, or whose accuracy does not follow the population.
    """
    if posterior.pool != "hierarchical":
        raise FitError(
            f"an accuracy is predicted for devices of a population, and a fit with pool={posterior.pool!r} has none:"
            " fit with pool='hierarchical'"
        )
    if DRAW_NUMBER not in prediction.coords:
        raise FitError(
            f"the prediction does not say which posterior draws it was made from (no coordinate {DRAW_NUMBER!r}):"
            " predict again, from this posterior, with this version of charz"
        )
    accuracy = prediction["accuracy"].to_numpy().astype(float)
    if len(accuracy) < LEAST_DRAWS:
        raise FitError(
            f"the prediction has {len(accuracy)} draws; how an accuracy follows the population takes at least"
            f" {LEAST_DRAWS}: predict with --draws 64"
        )
    draws, places = posterior.flat_draws, prediction[DRAW_NUMBER].to_numpy()
    columns = population_vectors(posterior.fit_model, draws)
    if places.max() >= len(columns):
        raise FitError(
            f"the prediction names draw {places.max()} of a posterior, this one has {len(columns)}: it was made from"
            " another posterior"
        )
    centre, scale = columns.mean(0), columns.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    by_draw = accuracy.mean((1, 2, 3))
    slopes, mean, explained = ridge((columns[places] - centre) / scale, by_draw)
    if explained <= LEAST_EXPLAINED / len(by_draw):
        raise FitError(
            "the predicted accuracy does not follow the population's parameters (leave-one-out R² ="
            f" {explained:.2f} over {len(by_draw)} draws, where chance alone finds up to"
            f" {LEAST_EXPLAINED / len(by_draw):.2f}): no measurement of devices would narrow it; if its share of the"
            " variance under 'parameters' is large, predict with more --draws"
        )

    def values(flat: FlatDraws) -> np.ndarray:
        return mean + (population_vectors(posterior.fit_model, flat) - centre) / scale @ slopes

    return Target(
        "accuracy",
        "1",
        values,
        rest=float(((accuracy - by_draw[:, None, None, None]) ** 2).mean()),
        remark=(
            f"accuracy follows the population with leave-one-out R² = {explained:.2f} over {len(by_draw)} draws; spread"
            " between devices, seeds and reads stays"
        ),
    )


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Slopes, mean and leave-one-out R² of the ridge regression that predicts best.

    Parameters
    ----------
    x : array (draw, column)
        Standardised.
    y : array (draw,)
    """
    number, middle, mean = len(y), x.mean(0), float(y.mean())
    off, deviation = x - middle, y - mean
    best: tuple[float, np.ndarray] = (-np.inf, np.zeros(x.shape[1]))
    total = float(((deviation * number / (number - 1)) ** 2).sum()) or np.inf
    for strength in RIDGES:
        inverse = np.linalg.inv(off.T @ off + strength * number * np.eye(x.shape[1]))
        slopes = inverse @ off.T @ deviation
        leverage = np.einsum("ni,ij,nj->n", off, inverse, off) + 1 / number
        left_out = (deviation - off @ slopes) / (1 - np.minimum(leverage, 1 - 1e-9))
        explained = 1 - float((left_out**2).sum()) / total
        if explained > best[0]:
            best = explained, slopes
    explained, slopes = best
    return slopes, mean - float(middle @ slopes), explained
