"""Peak of the population's log posterior, devices integrated out: from a rough guess, nodes laid anew at each peak."""

from typing import NamedTuple

import numpy as np

from charz.fitting.ascent import climb, covariance_of
from charz.fitting.centring import guess_population
from charz.fitting.differences import central_differences
from charz.fitting.marginal.accuracy import Quadrature, log_marginal
from charz.fitting.marginal.devices import Devices
from charz.fitting.marginal.importance import Proposal
from charz.fitting.marginal.peaks import surrogate_at
from charz.fitting.marginal.surrogate import Surrogate
from charz.fitting.modes import Modes
from charz.fitting.starts import common_values

MAX_ROUNDS = 4
# Standard deviations between two rounds' peaks below which nodes lie well.
SMALL_SHIFT = 0.3
# Squared standard deviations from the peak at which a climb ends: the proposal learns the rest.
SMALL_DECREMENT = 1e-3
# Steps of the differences, in standard deviations: a tenth is exact to five digits in double precision.
STEP = 0.1
LARGEST_LOG_SD_STEP = 0.05


class Settled(NamedTuple):
    """Proposal at the peak of the population, and the devices' parabolas there."""

    proposal: Proposal
    surrogate: Surrogate


def settled(devices: Devices, modes: Modes, quadrature: Quadrature) -> Settled:
    """Climb to the population's peak.

    Parameters
    ----------
    devices : Devices
    modes : Modes
        Of each device by itself.
    quadrature : Quadrature
        By which the devices are integrated out on the way.
    """
    coordinates = devices.coordinates
    phi, steps = _guess(devices, modes)
    for _ in range(MAX_ROUNDS):
        surrogate = surrogate_at(devices, phi, modes)
        density = log_marginal(devices, surrogate, phi, quadrature)

        def log_posterior(points: np.ndarray) -> np.ndarray:
            flat = points[:, 0]
            return (density(flat) + coordinates.log_prior(flat))[:, None]  # noqa: B023

        def expand(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
            value, gradient, curvature = central_differences(log_posterior, eta, steps)  # noqa: B023
            return value, gradient, curvature, np.zeros_like(eta)

        peak, curvature, _ = climb(expand, phi[None], SMALL_DECREMENT)
        covariance = covariance_of(curvature)[0]
        sd = np.sqrt(np.diag(covariance))
        shift = np.abs((peak[0] - phi) / sd).max()
        phi, steps = peak[0], _limited(STEP * sd[None], len(coordinates.varying))
        if shift < SMALL_SHIFT:
            break
    surrogate = surrogate_at(devices, phi, modes)
    return Settled(Proposal(phi, np.linalg.cholesky(covariance)), surrogate)


def _guess(devices: Devices, modes: Modes) -> tuple[np.ndarray, np.ndarray]:
    """Rough population from the devices' own peaks, and steps of the differences."""
    coordinates = devices.coordinates
    varying, shared = list(coordinates.varying), list(coordinates.shared)
    widest = [coordinates.priors[f"{coordinates.names[place]}_sd"].constants[0] for place in varying]
    guess = guess_population(modes.take(varying), np.asarray(widest))
    centre, error = common_values(modes)
    phi = np.concatenate([guess.mean, np.log(guess.sd), centre[shared]])
    scale = np.concatenate([guess.mean_sd, guess.log_sd_sd, error[shared]])
    return phi, _limited(STEP * scale[None], len(varying))


def _limited(steps: np.ndarray, num_varying: int) -> np.ndarray:
    """Keep steps of logarithms of spreads small where the spread is hardly known."""
    limited = steps.copy()
    spreads = slice(num_varying, 2 * num_varying)
    limited[:, spreads] = np.minimum(steps[:, spreads], LARGEST_LOG_SD_STEP)
    return limited
