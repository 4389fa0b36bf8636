r"""Which parametrization suits the data: centred where a device is well measured, else non-centred.

A device's value is drawn as (Papaspiliopoulos, Roberts & Sköld, Statist. Sci. 22, 59 (2007))

.. math:: u \sim \mathrm{Normal}\bigl(c\,\mu,\ s_0 (s/s_0)^c\bigr), \qquad
          x = \mu + (s/s_0)^{1-c} (u - c\,\mu)

which gives :math:`x \sim \mathrm{Normal}(\mu, s)` for every :math:`c`: 1 is the centred form, 0 the
non-centred one. :math:`s_0` is a fixed reference. For a normal likelihood of precision :math:`I` the best choice
is the share of the data in the device's posterior, :math:`c = I/(I + 1/s^2)`. It is taken for each device and
parameter from the curvature of its own likelihood (`charz.fitting.modes`) and a cautious estimate of the spread.
It changes how fast the sampler moves, never what it converges to.
"""

from dataclasses import dataclass

import numpy as np

from charz.fitting.modes import Modes

NUM_GRID = 61
# The centred form has its funnel where the spread is small, so c is chosen for this quantile of the spread's rough
# posterior: where the spread is well known it makes no difference.
CAUTIOUS_QUANTILE = 0.02
SMALLEST_SPREAD = 0.02  # of the prior's scale; below it the spread is as good as none


@dataclass(frozen=True)
class PopulationGuess:
    """Rough population of each parameter on its linked scale, and the centring that follows from it.

    Parameters
    ----------
    mean, sd : array (parameter,)
        Centre and spread, by a normal approximation of each device.
    mean_sd, log_sd_sd : array (parameter,)
        How well they are known; sizes of the jitter between chains.
    centring : array (device, parameter)
        Weight c between 0 (non-centred) and 1 (centred).
    """

    mean: np.ndarray
    sd: np.ndarray
    mean_sd: np.ndarray
    log_sd_sd: np.ndarray
    centring: np.ndarray


def guess_population(modes: Modes, sd_scale: np.ndarray) -> PopulationGuess:
    """Estimate each population from the devices' modes, integrating its spread on a grid.

    Parameters
    ----------
    modes : Modes
        One unit a device.
    sd_scale : array (parameter,)
        Scale of the half-normal prior of each spread.
    """
    variance = np.diagonal(modes.covariance, axis1=1, axis2=2)
    columns = [_one_parameter(*column) for column in zip(modes.mode.T, variance.T, sd_scale, strict=True)]
    mean, sd, mean_sd, log_sd_sd, small = np.asarray(columns).T
    centring = modes.information / (modes.information + 1 / small**2)
    return PopulationGuess(mean, sd, mean_sd, log_sd_sd, centring)


def _one_parameter(
    estimate: np.ndarray, variance: np.ndarray, scale: float
) -> tuple[float, float, float, float, float]:
    """Random-effects estimate: centre, spread, their errors, and a cautiously small spread."""
    sd = scale * np.geomspace(SMALLEST_SPREAD, 4.0, NUM_GRID)
    weight = 1 / (variance + sd[:, None] ** 2)
    total = weight.sum(1)
    mean = (weight * estimate).sum(1) / total
    misfit = (weight * (estimate - mean[:, None]) ** 2).sum(1)
    # Uniform in ln(sd) on the grid: the last term is the Jacobian.
    log_evidence = 0.5 * (np.log(weight).sum(1) - misfit - np.log(total) - (sd / scale) ** 2) + np.log(sd)
    share = np.exp(log_evidence - log_evidence.max())
    share /= share.sum()
    log_sd = share @ np.log(sd)
    # Of many devices the spread is known better than the grid can tell: then it is the grid's own resolution.
    resolution = np.log(sd[1] / sd[0]) / np.sqrt(12)
    spread = max(np.sqrt(share @ (np.log(sd) - log_sd) ** 2), resolution)
    small = np.interp(CAUTIOUS_QUANTILE, np.cumsum(share), sd)
    return share @ mean, np.exp(log_sd), share @ (1 / np.sqrt(total)), spread, small
