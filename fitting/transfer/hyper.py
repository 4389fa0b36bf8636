"""Posterior of the hyperparameters: Laplace approximation at the mode, checked and corrected by importance sampling."""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy.special import gammaln

from charz.fitting.pareto_smoothing import pareto_smoothed
from charz.fitting.transfer.evidence import Problem, left_out_at, log_posterior_at, slopes_at, value_and_slope

# Starts: all relevances a factor below, at and above the prior's middle; a record that bends little has several modes.
START_LOG_FACTORS = (-1.0, 0.0, 1.0)
STEP = 1e-3
MAX_PARETO_K = 0.7
# Of the Student proposals: heavier tails than any posterior with normal priors.
FREEDOM = 6.0
MAX_ROUNDS = 4
NUM_PROPOSALS = 2000
MIN_EFFECTIVE = 100.0
MAX_ITERATIONS = 200
# Multiplications that importance sampling may take: it gets fewer proposals on a long record.
WORK = 5e10
MIN_PROPOSALS = 200


@dataclass(frozen=True)
class HyperDraws:
    """Draws of the hyperparameters.

    Parameters
    ----------
    values : array (setting, hyper)
        Equally weighted.
    pareto_k : float
        Of the importance weights; above 0.7 the approximation is not to be trusted.
    effective : float
        Effective number of proposals, 1 / sum of squared weights.
    left_out : array (sample,)
        Log density of each sample given all others, hyperparameters integrated out, in nats (scaled current).
    left_out_k : array (sample,)
        Pareto index of the weights behind each.
    """

    values: np.ndarray
    pareto_k: float
    effective: float
    left_out: np.ndarray
    left_out_k: np.ndarray


def num_proposals(problem: Problem) -> int:
    """Proposals for which there is time."""
    return int(np.clip(WORK / problem.current.size**3, MIN_PROPOSALS, NUM_PROPOSALS))


def draw_hyper(
    generator: np.random.Generator,
    problem: Problem,
    number: int,
    tick: Callable[[int], None] | None = None,
) -> HyperDraws:
    """Draw hyperparameters from their posterior.

    Student proposals around the mode are weighted by posterior over proposal; where the weights are too uneven, the
    proposals are moved to the weighted mean and covariance and drawn again. Weights are smoothed by a Pareto tail
    (Vehtari et al., J. Mach. Learn. Res. 25, 72 (2024)) and resampled systematically.

    Parameters
    ----------
    generator : numpy.random.Generator
    problem : Problem
    number : int
        Draws wanted; fewer proposals than that leave repeats.
    tick : callable, optional
        Told of finished proposals.
    """
    centre = mode(problem)
    factor = np.linalg.cholesky(_covariance(problem, centre))
    proposals = num_proposals(problem)
    best: tuple[float, np.ndarray, np.ndarray, float] | None = None
    for _ in range(MAX_ROUNDS):
        points, log_density = _student(generator, centre, factor, proposals)
        log_target = np.asarray(log_posterior_at(problem, jnp.asarray(points)))
        log_weight = np.where(np.isfinite(log_target), log_target - log_density, -np.inf)
        weight, pareto_k = _smoothed(log_weight)
        effective = float(1 / (weight**2).sum())
        if tick is not None:
            tick(proposals)
        if best is None or effective > best[3]:
            best = (pareto_k, points, weight, effective)
        if pareto_k <= MAX_PARETO_K and effective >= min(MIN_EFFECTIVE, proposals / 4):
            break
        centre, factor = _moved(points, weight, centre, factor)
    assert best is not None
    pareto_k, points, weight, effective = best
    left_out, left_out_k = _left_out(problem, points, weight)
    return HyperDraws(
        points[_systematic(generator, weight, number)], pareto_k, effective, left_out, left_out_k
    )


def mode(problem: Problem) -> np.ndarray:
    """Most probable hyperparameters, by L-BFGS from several starts; the best is returned."""
    from scipy.optimize import minimize  # takes long, and most fits need none of it

    mean, sd = np.asarray(problem.hyper_mean), np.asarray(problem.hyper_sd)

    def descend(standard: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = value_and_slope(problem, jnp.asarray(mean + sd * standard))
        if not np.isfinite(value) or not np.isfinite(slope).all():
            return 1e12, np.zeros_like(standard)
        return -float(value), -np.asarray(slope) * sd

    starts = [
        np.concatenate([np.zeros(min(2, mean.size)), np.full(max(mean.size - 2, 0), f)])
        for f in START_LOG_FACTORS
    ]
    found = [
        minimize(
            descend,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-8, 8)] * mean.size,
            options={"maxiter": MAX_ITERATIONS, "ftol": 1e-9},
        )
        for start in (starts if mean.size > 1 else starts[1:2])
    ]
    return mean + sd * min(found, key=lambda result: result.fun).x


def _covariance(problem: Problem, centre: np.ndarray) -> np.ndarray:
    """Inverse curvature at the mode, from differences of the slope; never wider than the prior."""
    sd = np.asarray(problem.hyper_sd)
    steps = np.diag(STEP * sd)
    slopes = np.asarray(slopes_at(problem, jnp.asarray(np.concatenate([centre + steps, centre - steps]))))
    above, below = np.split(slopes, 2)
    curvature = -(above - below) / (2 * STEP) * sd
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    # In units of the prior sd a curvature below 1 is a direction where the data bend the wrong way.
    inside = (vectors / np.maximum(np.nan_to_num(values, nan=1.0), 1.0)) @ vectors.T
    return inside * np.outer(sd, sd)


def _student(
    generator: np.random.Generator, centre: np.ndarray, factor: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points of a multivariate Student distribution and their log density up to a constant."""
    size = centre.size
    normal = generator.standard_normal((number, size))
    widened = normal * np.sqrt(FREEDOM / generator.chisquare(FREEDOM, number))[:, None]
    log_density = (
        gammaln((FREEDOM + size) / 2)
        - (FREEDOM + size) / 2 * np.log1p((widened**2).sum(1) / FREEDOM)
        - np.log(np.diagonal(factor)).sum()
    )
    return centre + widened @ factor.T, log_density


def _smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Normalised weights with a Pareto-smoothed tail, and the tail's index."""
    smooth, pareto_k = pareto_smoothed(log_weight)
    weight = np.exp(smooth - smooth.max())
    return weight / weight.sum(), float(pareto_k)


def _left_out(problem: Problem, points: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Leave each sample out: :math:`p(y_i|y_{-i}) = 1 / E[1 / p(y_i|y_{-i}, \theta)]` over the weighted proposals."""
    used = weight > 0
    terms = np.asarray(left_out_at(problem, jnp.asarray(points[used]))).T
    smooth, pareto_k = pareto_smoothed(np.log(weight[used]) - terms)
    return np.logaddexp.reduce(smooth + terms, axis=1), np.asarray(pareto_k)


def _moved(
    points: np.ndarray, weight: np.ndarray, centre: np.ndarray, factor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centre and factor of the next proposals; the old covariance keeps a share where few points count."""
    mean = weight @ points
    deviation = points - mean
    share = 1 / (1 + centre.size / (weight**2).sum() ** -1)
    covariance = share * (deviation.T * weight) @ deviation + (1 - share) * factor @ factor.T
    return share * mean + (1 - share) * centre, np.linalg.cholesky(covariance)


def _systematic(generator: np.random.Generator, weight: np.ndarray, number: int) -> np.ndarray:
    """Indices drawn with the weights, with less chance than independent draws."""
    points = (generator.random() + np.arange(number)) / number
    return np.minimum(np.searchsorted(np.cumsum(weight), points), weight.size - 1)
