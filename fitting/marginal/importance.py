r"""The population by importance sampling: a multivariate t that learns where the posterior is, then weighs its draws.

.. math:: w_i = \frac{p(y \mid \phi_i)\,p(\phi_i)}{q(\phi_i)}

Pilot rounds move q to the weighted mean and covariance of the round before (adaptive importance sampling, Cappé,
Guillin, Marin & Robert, J. Comput. Graph. Stat. 13, 907 (2004)); only the last round's draws are kept, so its weights
are those of one fixed density.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charz.fitting.pareto_smoothing import smoothed_weights

DEGREES_OF_FREEDOM = 8.0
PILOT = 256
MAX_PILOTS = 5
GOOD_EFFICIENCY = 0.5
# Proposals beyond the draws that are wanted: what is left after weighing must not be fewer.
SURPLUS = 1.25
MAX_PROPOSALS = 20_000
NUM_KERNELS, SHARE_OF_WHOLE = 200, 0.2

LogDensity = Callable[[np.ndarray], np.ndarray]


class Proposal(NamedTuple):
    """Multivariate t: centre (size,) and lower Cholesky factor (size, size) of its scale."""

    centre: np.ndarray
    root: np.ndarray

    def draw(self, generator: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws (number, size), and the logarithm of their density up to a constant."""
        size = len(self.centre)
        normal = generator.standard_normal((number, size))
        shrink = np.sqrt(generator.chisquare(DEGREES_OF_FREEDOM, (number, 1)) / DEGREES_OF_FREEDOM)
        scaled = normal / shrink
        return self.centre + scaled @ self.root.T, log_density_of_standard_t(scaled)


class Kernels(NamedTuple):
    """Mixture of a proposal and small multivariate t around points of the posterior: it has the posterior's own shape.

    Parameters
    ----------
    whole : Proposal
        Drawn from with chance `SHARE_OF_WHOLE`, so that no weight is larger than its own by more than that factor.
    centres : array (kernel, size)
    root : array (size, size)
        Lower Cholesky factor of the scale of every kernel.
    """

    whole: Proposal
    centres: np.ndarray
    root: np.ndarray

    def draw(self, generator: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws (number, size), and the logarithm of their density up to a constant."""
        points, _ = self.whole.draw(generator, number)
        near = generator.uniform(size=number) >= SHARE_OF_WHOLE
        offsets, _ = Proposal(np.zeros_like(self.whole.centre), self.root).draw(generator, number)
        chosen = self.centres[generator.integers(len(self.centres), size=number)]
        points[near] = (chosen + offsets)[near]
        kernels = np.stack([log_density_of_t(points - centre, self.root) for centre in self.centres])
        among = np.logaddexp.reduce(kernels, axis=0) - np.log(len(self.centres))
        whole = log_density_of_t(points - self.whole.centre, self.whole.root)
        return points, np.logaddexp(np.log(SHARE_OF_WHOLE) + whole, np.log1p(-SHARE_OF_WHOLE) + among)


def log_density_of_t(offsets: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Log density (point,) of a multivariate t at offsets (point, size) from its centre, up to a constant."""
    scaled = np.linalg.solve(root, offsets.T).T
    return log_density_of_standard_t(scaled) - np.log(np.diagonal(root)).sum()


def log_density_of_standard_t(scaled: np.ndarray) -> np.ndarray:
    """Log density (point,) of a multivariate t of unit scale at points (point, size), up to a constant."""
    half = (DEGREES_OF_FREEDOM + scaled.shape[1]) / 2
    return -half * np.log1p((scaled**2).sum(1) / DEGREES_OF_FREEDOM)


class Weighed(NamedTuple):
    """Draws of a proposal with their weights.

    Parameters
    ----------
    points : array (point, size)
    log_weights : array (point,)
        Smoothed, normalised to sum 1.
    pareto_k : float
    effective : float
        Effective number of draws.
    """

    points: np.ndarray
    log_weights: np.ndarray
    pareto_k: float
    effective: float


def weighed(points: np.ndarray, log_ratios: np.ndarray) -> Weighed:
    """Smooth importance ratios by a generalised Pareto distribution."""
    return Weighed(points, *smoothed_weights(log_ratios))


def piloted(
    generator: np.random.Generator, log_density: LogDensity, proposal: Proposal
) -> tuple[Proposal, Weighed]:
    """Adapt a proposal; returns it with the weighed draws of the last pilot round."""
    for _ in range(MAX_PILOTS):
        points, log_q = proposal.draw(generator, PILOT)
        found = weighed(points, log_density(points) - log_q)
        if found.effective >= GOOD_EFFICIENCY * PILOT:
            break
        proposal = adapted(proposal, found)
    return proposal, found


def adapted(proposal: Proposal, found: Weighed) -> Proposal:
    """Move a proposal to the weighted moments, by as much as the effective number of draws supports."""
    share = np.exp(found.log_weights)
    centre = share @ found.points
    off = found.points - centre
    trust = found.effective / (found.effective + 2 * len(centre))
    covariance = trust * (off.T * share) @ off + (1 - trust) * proposal.root @ proposal.root.T
    return Proposal(centre, np.linalg.cholesky(covariance))


def sampled(
    generator: np.random.Generator,
    log_density: LogDensity,
    proposal: Proposal | Kernels,
    pilot: Weighed,
    wanted: int,
) -> Weighed:
    """Draw so many proposals that about `wanted` effective ones are left."""
    efficiency = max(pilot.effective / len(pilot.points), 0.05)
    number = int(min(SURPLUS * wanted / efficiency, MAX_PROPOSALS))
    points, log_q = proposal.draw(generator, number)
    return weighed(points, log_density(points) - log_q)


def kernels_around(generator: np.random.Generator, proposal: Proposal, found: Weighed) -> Kernels:
    """Put kernels where the draws of a first round weigh, as wide as so many of them should be (Silverman's rule)."""
    size = len(proposal.centre)
    centres, _ = resampled(generator, found, NUM_KERNELS)
    width = (4 / (NUM_KERNELS * (size + 2))) ** (1 / (size + 4))
    return Kernels(proposal, centres, width * adapted(proposal, found).root)


def resampled(generator: np.random.Generator, found: Weighed, number: int) -> tuple[np.ndarray, float]:
    """Pick draws (number, size) by their weights, systematic, then shuffled; and their effective number.

    Where proposals outnumber the draws nearly every draw is another one, as in rejection sampling.
    """
    share = np.cumsum(np.exp(found.log_weights))
    places = np.searchsorted(share / share[-1], (np.arange(number) + generator.uniform()) / number)
    places = np.minimum(places, len(share) - 1)
    copies = np.bincount(places)
    effective = min(number**2 / float((copies**2).sum()), found.effective)
    return found.points[generator.permutation(places)], effective
