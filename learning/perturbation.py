"""What to do with a network's response to noise: a direction from activities and one scalar, without a derivative.

Pure functions of what was read, so that the same lines serve a simulated network and an instrument.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from charz.learning.network import Layer, Theta

# Changes smaller than this many roundings of the activities themselves are none.
ROUNDINGS = 8.0
# Standard deviations by which a change must exceed what the noise of reading gives by itself.
RESIDUAL_DEVIATIONS = 3.0


class Pass(NamedTuple):
    """What is read of one forward pass of a batch.

    ``inputs`` (batch, inputs) of each layer, after decorrelation; ``activities`` (batch, nodes) of each layer, with
    their noise, before the nonlinearity; ``loss`` (batch,).
    """

    inputs: Sequence[Float[Array, "batch inputs"]]
    activities: Sequence[Float[Array, "batch nodes"]]
    loss: Float[Array, "batch"]


def activity_direction(
    first: Pass, second: Pass, smallest: Float[Array, ""] | float = 0.0
) -> tuple[Theta, Bool[Array, "batch"]]:
    r"""Direction of (decorrelated) activity-based node perturbation (Koenders et al. 2025, (K2)).

    .. math:: \Delta a_l = a_l^1 - a_l^2, \quad \Delta L = L^1 - L^2, \quad
              c = \frac{N\,\Delta L}{\sum_l \lVert\Delta a_l\rVert^2}, \qquad
              G_{W,l} = \overline{\hat x^1_{l-1}\,(c\,\Delta a_l)^\top}, \quad G_{b,l} = \overline{c\,\Delta a_l}

    from two independently noisy passes of the same input; the noise itself is not needed. The bar is the *mean* over
    the batch (the paper's code sums; Adam does not mind, plain descent does). To first order
    :math:`E[\Delta L\,\Delta a_l] = 2\sigma^2 P_l g_l` with :math:`P_l = \sum_{k \le l} J_{l:k}J_{l:k}^\top`, positive
    definite: descent is certain, but beyond the first layer the direction is *not* that of backpropagation.

    Parameters
    ----------
    first, second : Pass
        Of the same batch. Only losses and activities of the second are used.
    smallest : float
        Samples with :math:`\sum_l\lVert\Delta a_l\rVert^2` up to this, in V², are left out (they count as 0 in the
        mean): where nothing switched the quotient is noise of reading, with heavy tails. So are changes within
        rounding.

    Returns
    -------
    direction : tuple of Layer
        Estimate of (preconditioned) :math:`+\partial L/\partial W`: descend along it.
    used : array of bool (batch,)
        Samples that were not left out.
    """
    changes = [one - other for one, other in zip(first.activities, second.activities, strict=True)]
    size = sum(jnp.square(change).sum(-1) for change in changes)
    resolution = (ROUNDINGS * jnp.finfo(first.loss.dtype).eps) ** 2
    rounding = resolution * sum(jnp.square(activity).sum(-1) for activity in first.activities)
    used = size > jnp.maximum(smallest, rounding)
    nodes = sum(change.shape[-1] for change in changes)
    scalar = jnp.where(used, nodes * (first.loss - second.loss) / jnp.where(used, size, 1.0), 0.0)
    return credit(first.inputs, [scalar[:, None] * change for change in changes]), used


def node_direction(
    inputs: Sequence[Float[Array, "batch inputs"]],
    noise: Sequence[Float[Array, "batch nodes"]],
    loss_change: Float[Array, "batch"],
    variance: Sequence[Float[Array, "..."]],
) -> Theta:
    r"""Direction of node perturbation: loss change times the *known* noise (Dalm et al., arXiv:2310.00965).

    .. math:: G_{W,l} = \overline{\hat x_{l-1}\left(\frac{\Delta L\,\xi_l}{\sigma_l^2}\right)^\top}

    Parameters
    ----------
    inputs : sequence of array (batch, inputs)
    noise : sequence of array (batch, nodes)
        :math:`\xi_l` in V, without its mean; the difference of both passes where two are noisy.
    loss_change : array (batch,)
        :math:`\Delta L`, the loss with this noise minus the loss without (or of the other pass).
    variance : sequence of array
        :math:`E[\xi_l^2]` in V², one a layer: () or (nodes,).

    Returns
    -------
    tuple of Layer
        To first order :math:`+\partial L/\partial W`, parallel to backpropagation; mean over the batch.
    """
    changes = [loss_change[:, None] * xi / sd2 for xi, sd2 in zip(noise, variance, strict=True)]
    return credit(inputs, changes)


def credit(
    inputs: Sequence[Float[Array, "batch inputs"]], signals: Sequence[Float[Array, "batch nodes"]]
) -> Theta:
    """Outer product of each layer's inputs with a signal at its nodes, averaged over the batch."""
    return tuple(
        Layer(x.T @ signal / signal.shape[0], signal.mean(0))
        for x, signal in zip(inputs, signals, strict=True)
    )


def smallest_change(residual: Float[Array, "..."], nodes: int) -> Float[Array, ""]:
    r"""Squared change that the noise of reading alone stays below, in V², for `activity_direction`.

    The sum over nodes of :math:`2\sigma^2\chi^2_1`: its mean and three standard deviations.

    Parameters
    ----------
    residual : array () or (nodes,)
        Standard deviation σ of a read while the device's state stays, in V.
    nodes : int
        Number of noisy nodes.
    """
    variance = 2 * jnp.broadcast_to(jnp.square(residual), (nodes,))
    return variance.sum() + RESIDUAL_DEVIATIONS * jnp.sqrt(2 * jnp.square(variance).sum())
