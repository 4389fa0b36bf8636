r"""The population as one vector: centres, logarithms of the spreads, and what all devices share.

.. math:: \phi = (\mu_1, \dots, \mu_p, \ln s_1, \dots, \ln s_p, \sigma_1, \dots, \sigma_r)
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from charz.fitting.contract import Model
from charz.fitting.population import varies
from charz.fitting.priors import Prior


@dataclass(frozen=True)
class Coordinates:
    """Which parameters of a model vary from device to device, which are shared, and their priors.

    Parameters
    ----------
    names : tuple of str
        Linked names of all parameters, in the order of the model.
    varying, shared : tuple of int
        Their places in `names`.
    priors : mapping
        By linked name and ``{linked}_sd``.
    """

    names: tuple[str, ...]
    varying: tuple[int, ...]
    shared: tuple[int, ...]
    priors: Mapping[str, Prior]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return 2 * len(self.varying) + len(self.shared)

    def parts(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take centres, logarithms of spreads and shared values out of vectors (..., size)."""
        p = len(self.varying)
        return phi[..., :p], phi[..., p : 2 * p], phi[..., 2 * p :]

    def log_prior(self, phi: np.ndarray) -> np.ndarray:
        r"""Log density of vectors (point, size) up to a constant, in nats.

        A half-normal spread with scale a has, for :math:`\ln s`, the density :math:`s\,e^{-s^2/2a^2}`.
        """
        mean, log_sd, shared = self.parts(phi)
        total = log_sd.sum(-1)
        for column, place in enumerate(self.varying):
            name = self.names[place]
            total = total + self.priors[name].expand(mean[:, column])[0]
            scale = self.priors[f"{name}_sd"].constants[0]
            total = total - (np.exp(np.minimum(log_sd[:, column], 300.0)) / scale) ** 2 / 2
        for column, place in enumerate(self.shared):
            total = total + self.priors[self.names[place]].expand(shared[:, column])[0]
        return total


def coordinates_of(model: Model, priors: Mapping[str, Prior]) -> Coordinates:
    """Coordinates of a hierarchical fit."""
    varying = [i for i, p in enumerate(model.free) if varies(p, "hierarchical")]
    shared = [i for i in range(len(model.free)) if i not in varying]
    return Coordinates(tuple(p.linked_name for p in model.free), tuple(varying), tuple(shared), priors)
