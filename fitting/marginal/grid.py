"""Tensor grids of Gauss-Hermite nodes for a standard normal weight."""

from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

# Corners of the grid whose weight is below this share of the largest one are left out.
SMALLEST_WEIGHT = 1e-5
# Nodes of one call of a compiled program: any grid is a few such calls, so that none needs a program of its own.
NODES_PER_CALL = 27


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
    nodes, weight = nodes[kept], weight[kept] / weight[kept].sum()
    missing = -len(nodes) % NODES_PER_CALL
    return np.pad(nodes, ((0, missing), (0, 0))), np.pad(weight, (0, missing))
