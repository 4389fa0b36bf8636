r"""Log marginal likelihood of populations, by nodes that follow the population, or by nodes that stay.

.. math:: \ln m_d(\phi) = \ln G_d(\phi) + \ln \sum_n w_n \exp R_d(\mu_d(\phi) + A_d(\phi)^{-T/2} z_n)

with the parabola's evidence G, mean and precision (`charz.fitting.marginal.surrogate`), and R what the parabola leaves
of the likelihood: nodes move with the population, every population costs a likelihood at each node. Where populations
lie near one another, nodes laid once, for one of them, serve all:

.. math:: m_d(\phi) = \sum_n w_n \frac{L_d(\theta_n)}{g_d(\theta_n)} \mathrm{Normal}(\theta_n \mid \phi),

one exponential a node. Which is good enough is measured, not assumed (`charz.fitting.marginal.accuracy`).
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.ascent import covariance_of
from charz.fitting.contract import Model
from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.marginal.calls import ahead, chunks
from charz.fitting.marginal.devices import Devices, log_likelihood_of
from charz.fitting.marginal.grid import NODES_PER_CALL, nodes_of
from charz.fitting.marginal.surrogate import Surrogate, conditional, merged, parabola

# A remainder larger than this would overflow; it is far beyond what any sum of importance survives.
LARGEST_REMAINDER = 600.0
NODES_AT_ONCE = 8_000_000
NODES_OF_A_SUM = 32
# Relative to the population for which nodes were laid; single precision overflows at 88.
LARGEST_LOG_PRECISION = 60.0


class Nodes(NamedTuple):
    """Nodes laid once.

    Parameters
    ----------
    theta : array (device, node, varying)
        On the linked scales.
    log_weight : array (device, node)
        Weight of the node times likelihood over density of the nodes, nats.
    log_density : array (device, node)
        Of the nodes over their weight: what `log_weight` holds beside the likelihood, with the other sign.
    """

    theta: np.ndarray
    log_weight: np.ndarray
    log_density: np.ndarray


def moving(devices: Devices, surrogate: Surrogate, phis: np.ndarray, per_axis: int) -> np.ndarray:
    """Log marginal likelihood (population,) of all devices, in nats, by nodes that follow each population.

    Parameters
    ----------
    devices : Devices
    surrogate : Surrogate
    phis : array (population, size)
    per_axis : int
        Nodes along each axis.
    """
    result = np.zeros(len(phis))
    for part, _, terms in _moving_parts(devices, surrogate, phis, per_axis):
        result[part] += terms.sum(1)
    return result


def moving_by_device(devices: Devices, surrogate: Surrogate, phis: np.ndarray, per_axis: int) -> np.ndarray:
    """As `moving`, of each device by itself, (population, device): the memory of that many numbers."""
    result = np.zeros((len(phis), devices.number))
    for part, here, terms in _moving_parts(devices, surrogate, phis, per_axis):
        result[part, here] = terms
    return result


def _moving_parts(
    devices: Devices, surrogate: Surrogate, phis: np.ndarray, per_axis: int
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Go through parts of the populations and of the devices: log marginal likelihoods (population, device)."""
    coordinates = devices.coordinates
    nodes, weights = nodes_of(len(coordinates.varying), per_axis)
    program = _moving(devices.model, coordinates.varying, coordinates.shared)
    for here, arrays, block in devices.split(surrogate):
        number = here.stop - here.start
        for part, chosen in chunks(phis, devices.draws_per_call(NODES_PER_CALL)):
            total = np.zeros(())
            for start in range(0, len(nodes), NODES_PER_CALL):
                calls = slice(start, start + NODES_PER_CALL)
                log_evidence, share = program(chosen, block, arrays, nodes[calls], weights[calls])
                total = total + np.asarray(share)
            with np.errstate(divide="ignore"):
                log_terms = np.asarray(log_evidence) + np.log(total)
            yield part, here, log_terms[: part.stop - part.start, :number]


def laid(devices: Devices, surrogate: Surrogate, phi: np.ndarray, per_axis: int) -> Nodes:
    """Lay nodes for one population phi (size,); for models without shared parameters."""
    nodes, weights = nodes_of(len(devices.coordinates.varying), per_axis)
    nodes, weights = nodes[weights > 0], weights[weights > 0]
    centre, root = normal_given(devices, surrogate, phi)
    theta = centre[:, None] + nodes @ np.linalg.inv(root)
    log_density = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1)[:, None] - (nodes**2).sum(1) / 2
    log_density = log_density - np.log(weights)
    return Nodes(theta, devices.log_likelihoods(theta) - log_density, log_density)


def normal_given(devices: Devices, surrogate: Surrogate, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Devices by their parabolas under population phi: centres (device, varying), lower roots of their precisions.

    For models without shared parameters; `charz.fitting.marginal.surrogate.conditional` is for one device and traced.
    """
    mean, log_sd, _ = devices.coordinates.parts(phi)
    precision = np.exp(-2 * log_sd)
    matrix = np.asarray(surrogate.curvature) + np.diag(precision)
    slope = surrogate.gradient - np.einsum("dij,dj->di", surrogate.curvature, mean - surrogate.at)
    centre = np.asarray(mean + np.einsum("dij,dj->di", covariance_of(matrix), slope))
    return centre, np.linalg.cholesky(matrix)


def staying(devices: Devices, nodes: Nodes, centre: np.ndarray, phis: np.ndarray) -> np.ndarray:
    """Log marginal likelihood (population,) of all devices, in nats, by nodes that were laid once.

    Parameters
    ----------
    devices : Devices
    nodes : Nodes
    centre : array (size,)
        Population for which they were laid. In its units, and relative to it, single precision is exact enough: a
        device's error is some 1e-6 nats, with either sign.
    phis : array (population, size)
    """
    p, result = nodes.theta.shape[-1], np.zeros(len(phis))
    mean, log_sd, _ = devices.coordinates.parts(centre)
    heights = log_shares(nodes, mean, log_sd)
    top = heights.max(1)
    u = (nodes.theta - mean) * np.exp(-log_sd)
    base = (nodes.log_weight - (top + log_sd.sum())[:, None]).astype(np.float32)
    shifted = np.concatenate([(phis[:, :p] - mean) * np.exp(-log_sd), phis[:, p : 2 * p] - log_sd], axis=1)
    missing = -nodes.theta.shape[1] % NODES_OF_A_SUM
    u = np.pad(u, ((0, 0), (0, missing), (0, 0))).astype(np.float32)
    base = np.pad(base, ((0, 0), (0, missing)), constant_values=-np.inf)
    size = int(np.clip(NODES_AT_ONCE // (devices.block * NODES_OF_A_SUM), 1, 256))

    def sums() -> Iterator[tuple[slice, slice, bool, Array]]:
        for here, _, (places, heights) in devices.split((u, base)):
            for part, chosen in chunks(shifted, size):
                for first in range(0, u.shape[1], NODES_OF_A_SUM):
                    some = slice(first, first + NODES_OF_A_SUM)
                    last = some.stop == u.shape[1]
                    yield part, here, last, _staying(p)(chosen, places[:, some], heights[:, some])

    total = np.zeros((size, devices.block))
    for part, here, last, found in ahead(sums()):
        total += np.asarray(found)
        if last:
            terms = np.log(np.maximum(total, np.finfo(float).tiny))
            result[part] += terms[: part.stop - part.start, : here.stop - here.start].sum(1)
            total[:] = 0
    # A population between all nodes sums to nothing: very small, not infinitely so, for what takes differences.
    return result + top.sum() - devices.number * shifted[:, p:].sum(1)


def log_shares(nodes: Nodes, mean: np.ndarray, log_sd: np.ndarray) -> np.ndarray:
    """Log of each node's share in its device's marginal likelihood, times that likelihood, (device, node)."""
    off = (nodes.theta - mean) * np.exp(-log_sd)
    return nodes.log_weight - (off**2).sum(-1) / 2 - log_sd.sum()


@lru_cache(maxsize=32)
def _moving(
    model: Model, varying: tuple[int, ...], common: tuple[int, ...]
) -> Callable[..., tuple[Array, Array]]:
    function, p = log_likelihood_of(model), len(varying)

    def one(phi: Array, device: Surrogate, arrays: Any, nodes: Array, weights: Array) -> tuple[Array, Array]:
        mean, log_sd, shared = phi[:p], phi[p : 2 * p], phi[2 * p :]
        given = conditional(device, mean, log_sd, shared, varying, common)

        def remainder(z: Array) -> Array:
            eta = merged(given.point(z), shared, varying, common)
            return jnp.minimum(function(eta, arrays) - parabola(device, eta), LARGEST_REMAINDER)

        return given.log_evidence, (weights * jnp.exp(jax.vmap(remainder)(nodes))).sum()

    each = jax.vmap(one, (None, 0, 0, None, None))
    return jax.jit(jax.vmap(each, (0, None, None, None, None)), compiler_options=COMPILER_OPTIONS)


@lru_cache(maxsize=32)
def _staying(p: int) -> Callable[..., Array]:
    def one(phi: Array, u: Array, base: Array) -> Array:
        centre = phi[:p].astype(jnp.float32)
        precision = jnp.exp(jnp.minimum(-2 * phi[p:], LARGEST_LOG_PRECISION)).astype(jnp.float32)
        height = base
        for i in range(p):
            height = height - precision[i] / 2 * (u[:, i] - centre[i]) ** 2
        return jnp.exp(height).sum()

    each = jax.vmap(one, (None, 0, 0))
    return jax.jit(jax.vmap(each, (0, None, None)), compiler_options=COMPILER_OPTIONS)
