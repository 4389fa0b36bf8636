r"""Coordinates in which the population's posterior is nearly normal: it is no funnel in them.

The narrower a population, the better its centre is known: with devices measured to :math:`\pm e_d`,

.. math:: \mu \mid s \;\text{has standard deviation}\; \tau(s) = \Big(\sum_d \frac{1}{s^2 + e_d^2}\Big)^{-1/2},

so that :math:`(\mu, \ln s)` is a funnel, which no multivariate t fits. In
:math:`u = \hat\mu + (\mu - \hat\mu)\,\tau(\hat s) / \tau(s)` it is straight. Only the proposal is made in these
coordinates; weights are those of the posterior, with the determinant of the change.
"""

from typing import NamedTuple

import numpy as np

from charz.fitting.ascent import covariance_of
from charz.fitting.marginal.coordinates import Coordinates
from charz.fitting.marginal.surrogate import Surrogate

# Quantiles that stand for the errors of all devices.
NUM_ERRORS = 64
# Of a device that says nothing: errors in units of the population's spread, and of one that says all.
LARGEST_ERROR, SMALLEST_ERROR = 1e3, 1e-3
LARGEST_LOG_SD = 300.0


class Funnel(NamedTuple):
    r"""Change of coordinates around one population.

    Parameters
    ----------
    centre : array (size,)
        Population :math:`\hat\phi`.
    errors : array (quantile, varying)
        Quantiles of the devices' errors :math:`e_d`, linked scales.
    """

    centre: np.ndarray
    errors: np.ndarray

    def populations(self, straight: np.ndarray) -> np.ndarray:
        """Vectors (point, size) of populations, from their straight coordinates."""
        p = self.errors.shape[1]
        phis, centre = straight.copy(), self.centre[:p]
        phis[:, :p] = centre + (straight[:, :p] - centre) * np.exp(self._log_ratio(straight))
        return phis

    def log_volume(self, straight: np.ndarray) -> np.ndarray:
        """Log determinant (point,) of the change from straight coordinates to populations."""
        return self._log_ratio(straight).sum(1)

    def _log_ratio(self, points: np.ndarray) -> np.ndarray:
        r""":math:`\ln \tau(s) / \tau(\hat s)`, (point, varying)."""
        p = self.errors.shape[1]
        return self._log_tau(points[:, p : 2 * p]) - self._log_tau(self.centre[None, p : 2 * p])

    def _log_tau(self, log_sd: np.ndarray) -> np.ndarray:
        variance = np.exp(2 * np.minimum(log_sd, LARGEST_LOG_SD))
        return -np.log((1 / (variance[:, None] + self.errors**2)).mean(1)) / 2


def funnel_at(coordinates: Coordinates, surrogate: Surrogate, phi: np.ndarray) -> Funnel:
    """Coordinates around population phi (size,), for devices with these parabolas there."""
    _, log_sd, _ = coordinates.parts(phi)
    rows = np.asarray(coordinates.varying)
    precision = np.exp(-2 * log_sd)
    matrix = np.asarray(surrogate.curvature)[:, rows[:, None], rows] + np.diag(precision)
    variance = np.diagonal(covariance_of(matrix), axis1=1, axis2=2)
    # What a device itself says of a parameter: all that is known of it, less what the population says.
    own = np.clip(1 / (variance * precision) - 1, LARGEST_ERROR**-2, SMALLEST_ERROR**-2)
    quantiles = (np.arange(NUM_ERRORS) + 0.5) / NUM_ERRORS
    return Funnel(phi, np.exp(log_sd) * np.quantile(own**-0.5, quantiles, axis=0))
