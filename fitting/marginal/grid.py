"""Nodes for a standard normal weight: tensor grids of Gauss-Hermite nodes, and few on one sphere."""

from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

# Corners of the grid whose weight is below this share of the largest one are left out.
SMALLEST_WEIGHT = 1e-5
# Nodes of one call of a compiled program: any grid is a few such calls, so that none needs a program of its own.
NODES_PER_CALL = 27
# In place of a number of nodes along each axis.
ON_A_SPHERE = 0


def nodes_of(num_axes: int, per_axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (node, axis) and weights (node,) of a tensor grid, or `ON_A_SPHERE`."""
    return on_a_sphere(num_axes) if per_axis == ON_A_SPHERE else gauss_hermite(num_axes, per_axis)


@lru_cache(maxsize=32)
def gauss_hermite(num_axes: int, nodes_per_axis: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes and weights that integrate polynomials against a standard normal density.

    .. math:: \int f(z)\,\varphi_p(z)\,dz \approx \sum_n w_n f(z_n)

    Parameters
    ----------
    num_axes : int
        Dimension p.
    nodes_per_axis : int
        Exact for polynomials of degree ``2 nodes_per_axis - 1`` along each axis.

    Returns
    -------
    nodes : array (node, axis)
    weights : array (node,)
        Sum 1; the number of nodes is a multiple of `NODES_PER_CALL`, the last ones have weight 0.
    """
    points, weights = hermegauss(nodes_per_axis)
    axes = np.meshgrid(*[points] * num_axes, indexing="ij")
    shares = np.meshgrid(*[weights / weights.sum()] * num_axes, indexing="ij")
    nodes = np.stack([axis.ravel() for axis in axes], axis=-1)
    weight = np.prod([share.ravel() for share in shares], axis=0)
    kept = weight > SMALLEST_WEIGHT * weight.max()
    return _filled(nodes[kept], weight[kept] / weight[kept].sum())


@lru_cache(maxsize=32)
def on_a_sphere(num_axes: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes and weights exact to degree 5 that grow as :math:`2^p` where those of a grid do as :math:`3^p`.

    The origin with weight :math:`2/(p+2)`, and on the sphere of radius :math:`\sqrt{p+2}`, of weight
    :math:`p/(p+2)`, the :math:`2p` points of the axes, :math:`1/p(p+2)` of it each, and the :math:`2^p` corners of a
    cube, :math:`p/2^p(p+2)` each: all moments of a normal distribution up to the fifth, no weight negative.

    Parameters
    ----------
    num_axes : int
        Dimension p.
    """
    p = num_axes
    axes = np.concatenate([np.eye(p), -np.eye(p)])
    corners = np.stack([axis.ravel() for axis in np.meshgrid(*[[-1.0, 1.0]] * p, indexing="ij")], axis=-1)
    nodes = np.sqrt(p + 2) * np.concatenate([axes, corners / np.sqrt(p)])
    share = np.repeat([1 / (p * (p + 2)), p / (2**p * (p + 2))], [2 * p, 2**p])
    return _filled(np.pad(nodes, ((1, 0), (0, 0))), np.concatenate([[2 / (p + 2)], p / (p + 2) * share]))


def _filled(nodes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill up to whole calls with nodes of no weight."""
    missing = -len(nodes) % NODES_PER_CALL
    return np.pad(nodes, ((0, missing), (0, 0))), np.pad(weights, (0, missing))
