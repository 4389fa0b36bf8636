r"""Which quadrature is good enough: measured at populations of the posterior, against a finer one.

What matters is not the error of the log marginal likelihood but how it differs between populations: an error that is
the same everywhere changes nothing, one that varies by :math:`\epsilon` nats over the posterior moves a parameter by
up to :math:`\epsilon` of its standard deviation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from charz.fitting.marginal.devices import BLOCK, Devices
from charz.fitting.marginal.funnel import Funnel
from charz.fitting.marginal.grid import ON_A_SPHERE
from charz.fitting.marginal.importance import Proposal
from charz.fitting.marginal.quadrature import Nodes, laid, moving, staying
from charz.fitting.marginal.steadied import steadied
from charz.fitting.marginal.surrogate import Surrogate

LARGEST_ERROR = 0.02
NUM_POPULATIONS = 128
# Nodes an axis, each judged by the next; an even number has none in the middle, and errs more.
STAYING = (5, 7, 9, 11)
MOVING = (3, 5, 7)
# Of five axes, where five nodes each are two thousand already.
STAYING_OF_MANY, MANY_AXES = (ON_A_SPHERE, 3, 5, 7), 5


@dataclass(frozen=True)
class Quadrature:
    """A way to integrate devices out.

    Parameters
    ----------
    moves : bool
        Whether nodes follow the population.
    per_axis : int
        Nodes along each axis, or `charz.fitting.marginal.grid.ON_A_SPHERE`.
    error : float
        Standard deviation over the posterior of the difference to the finer grid, nats.
    """

    moves: bool
    per_axis: int
    error: float

    @property
    def good(self) -> bool:
        """Whether the error is within its limit."""
        return self.error <= LARGEST_ERROR

    def describe(self) -> str:
        """Say it in words, for the attributes of a file."""
        kind = "nodes that follow the population" if self.moves else "nodes laid once"
        rule = "of degree 5" if self.per_axis == ON_A_SPHERE else f"{self.per_axis} nodes an axis"
        return (
            f"adaptive Gauss-Hermite quadrature, {rule}, {kind}; its error varies by"
            f" {self.error:.2g} nats over the posterior (limit {LARGEST_ERROR:g})"
        )


def log_marginal(
    devices: Devices, surrogate: Surrogate, phi: np.ndarray, quadrature: Quadrature
) -> Callable[[np.ndarray], np.ndarray]:
    """Log marginal likelihood of populations (point, size), by a quadrature around the population phi."""
    if quadrature.moves:
        return lambda phis: moving(devices, surrogate, phis, quadrature.per_axis)
    nodes: Nodes = laid(devices, surrogate, phi, quadrature.per_axis)
    if len(devices.coordinates.varying) >= MANY_AXES:
        return lambda phis: steadied(devices, surrogate, nodes, phis)
    return lambda phis: staying(devices, nodes, phi, phis)


def chosen_quadrature(
    generator: np.random.Generator,
    devices: Devices,
    surrogate: Surrogate,
    proposal: Proposal,
    funnel: Funnel,
    *,
    follow: bool,
    may_follow: bool = True,
) -> Quadrature:
    """Find the cheapest quadrature that is good; the finest one where none is; only nodes that `follow` where asked.

    They have to where something is shared: nodes laid once hold the likelihood of one value of it. Where they may not,
    a grid that is laid once has to do, or none does.

    Judged at draws of the proposal, by their weights: where a spread may be next to nothing, the posterior reaches to
    populations far narrower than the one that nodes were laid for. Of many devices, evenly spaced ones stand for all:
    their error is taken times the number that each stands for.
    """
    axes = len(devices.coordinates.varying)
    straight, log_q = proposal.draw(generator, NUM_POPULATIONS)
    points = funnel.populations(straight)
    log_prior = devices.coordinates.log_prior(points) + funnel.log_volume(straight)
    stride = -(-devices.number // BLOCK)
    few = devices.only(np.arange(0, devices.number, stride))
    part = Surrogate(*(leaf[::stride] for leaf in surrogate))

    def values(moves: bool, per_axis: int) -> np.ndarray:
        return log_marginal(few, part, proposal.centre, Quadrature(moves, per_axis, 0.0))(points)

    def tried(moves: bool) -> Quadrature:
        orders = MOVING if moves else STAYING_OF_MANY if axes >= MANY_AXES else STAYING
        coarse = values(moves, orders[0])
        for order, finer in pairwise(orders):
            fine = values(moves, finer)
            with np.errstate(invalid="ignore"):  # both infinite: weighs nothing
                off = coarse - fine
            error = stride * _weighted_sd(off, stride * fine + log_prior - log_q)
            found = Quadrature(moves, order, error if np.isfinite(error) else np.inf)
            if found.good:
                break
            coarse = fine
        return found

    # Nodes laid once cost less, and fail where some populations of the posterior are much narrower than others.
    laid_once = None if follow else tried(moves=False)
    if laid_once is not None and not may_follow:
        return laid_once
    return laid_once if laid_once is not None and laid_once.good else tried(moves=True)


def _weighted_sd(values: np.ndarray, log_weights: np.ndarray) -> float:
    """Spread over the populations that have any weight: of others the likelihood, and its error, may be no number."""
    counted = np.isfinite(log_weights)
    if not counted.any():
        return np.inf
    weights = np.exp(log_weights[counted] - np.max(log_weights[counted]))
    weights, values = weights / weights.sum(), values[counted]
    # An infinite difference is no number in the end, and no quadrature is good.
    with np.errstate(invalid="ignore"):
        return float(np.sqrt(weights @ (values - weights @ values) ** 2))
