r"""The hidden layer of the surrogate: a fixed, evenly spread set of erf units whose scales are learnt.

With :math:`x_e` the voltage in shares of the range of electrode e (-1 to 1 inside), unit j is

.. math:: h_j = \operatorname{erf}\Bigl(\sum_e d_{je}\,\ell_e\,x_e + s\,b_j\Bigr), \qquad
          s^2 = 1 + \tfrac13 \sum_e \ell_e^2 ,

with standard normal :math:`d_{je}` and :math:`b_j`: the offsets spread as widely as the voltages move a unit. With
normal output weights and many units this is a Gaussian process whose kernel is known in closed form (Williams, Neural
Computation 10, 1203 (1998)): a smooth network of one infinitely wide hidden layer. Directions and offsets come from a
scrambled Sobol sequence with a fixed seed, so they depend on nothing but the numbers of electrodes and units: the same
record always has the same model. The relevances :math:`\ell_e` are learnt.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import erf, ndtri

SEED = 2025
# Units for a record of n samples: the next power of two above 2 n, between these.
MIN_UNITS, MAX_UNITS = 256, 1024


@dataclass(frozen=True)
class HiddenLayer:
    """Directions (unit, electrode) and offsets (unit,) of the units, dimensionless."""

    direction: np.ndarray
    offset: np.ndarray


def num_units(num_samples: int) -> int:
    """Units for a record: enough that its kernel stands for that of infinitely many."""
    return int(np.clip(2 ** int(np.ceil(np.log2(2 * num_samples))), MIN_UNITS, MAX_UNITS))


@lru_cache(maxsize=16)
def hidden_layer(num_electrodes: int, units: int) -> HiddenLayer:
    """Spread the units (see the module); `units` is a power of two, or 0 for the linear model."""
    if units == 0:
        return HiddenLayer(np.zeros((0, num_electrodes)), np.zeros(0))
    from scipy.stats import qmc  # takes long, and most fits need none of it

    sequence = qmc.Sobol(num_electrodes + 1, scramble=True, rng=np.random.default_rng(SEED))
    normal = ndtri(np.clip(sequence.random_base2(int(np.log2(units))), 1e-9, 1 - 1e-9))
    return HiddenLayer(normal[:, :-1], normal[:, -1])


def hidden_in_volts(
    direction: np.ndarray,
    offset: np.ndarray,
    relevance: np.ndarray,
    middle: np.ndarray,
    half_range: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and offsets of the units for voltages in V.

    Parameters
    ----------
    direction, offset : array (unit, electrode) and (unit,)
    relevance : array (..., electrode)
        In 1/V.
    middle, half_range : array (electrode,)
        In V.

    Returns
    -------
    weights : array (..., unit, electrode)
        In 1/V.
    offsets : array (..., unit)
    """
    weights = direction * relevance[..., None, :]
    spread = np.sqrt(1 + ((relevance * half_range) ** 2).sum(-1) / 3)
    return weights, spread[..., None] * offset - (weights * middle).sum(-1)


def hidden_values(voltage: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Outputs of the units at voltages (sample, electrode) in V: (..., sample, unit). NumPy alone, for simulation."""
    return erf(voltage @ np.swapaxes(weights, -1, -2) + offsets[..., None, :])
