"""Decorrelation of a layer's inputs: a linear map, trained beside the weights, that makes them independent.

Perturbation tells a node that its change mattered; correlated inputs then share the credit that belongs to one of
them. Decorrelated, each weight's share is its own: what decides whether perturbation of many nodes learns at all.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.learning.network import Theta


class Decorrelation(NamedTuple):
    r"""Map :math:`\hat x = R x + d` of one layer: ``mixing`` R (inputs, inputs) and ``shift`` d (inputs,)."""

    mixing: Float[Array, "inputs inputs"]
    shift: Float[Array, "inputs"]


def no_decorrelation(theta: Theta) -> tuple[Decorrelation, ...]:
    """R = I, d = 0 for every layer, where training starts."""
    sizes = [layer.weight.shape[-2] for layer in theta]
    return tuple(Decorrelation(jnp.eye(size), jnp.zeros(size)) for size in sizes)


def decorrelate(decorrelation: Decorrelation, x: Float[Array, "... inputs"]) -> Float[Array, "... inputs"]:
    """Map inputs of any leading shape."""
    return x @ decorrelation.mixing.T + decorrelation.shift


def update_decorrelation(
    decorrelation: Decorrelation, x_hat: Float[Array, "batch inputs"], rate: Float[Array, ""] | float
) -> Decorrelation:
    r"""One step of plain gradient descent on the correlations of a batch (Koenders et al. 2025, (K3)).

    .. math:: C = \tfrac1B \hat X^\top \hat X \odot (1 - I), \qquad R \leftarrow R - \eta\,C R, \qquad
              d \leftarrow d - \eta \sum_{batch} \hat x

    Second moments are not centred, and variances are left free (they shrink); d is stepped by the *sum* over the
    batch (the authors' code). C R is written as :math:`\hat X^\top(\hat X R)/B - \mathrm{diag}(C_{full})\,R`, the
    same in exact arithmetic, which costs :math:`4Bn^2` operations instead of :math:`2n^3`.

    Parameters
    ----------
    decorrelation : Decorrelation
    x_hat : array (batch, inputs)
        Mapped inputs :math:`\hat X` of pass 1.
    rate : float
        :math:`\eta`, dimensionless; stable while :math:`\eta\,\lambda_{max}(C) < 2`.
    """
    mixing, shift = decorrelation
    own = jnp.square(x_hat).mean(0)
    product = x_hat.T @ (x_hat @ mixing) / x_hat.shape[0] - own[:, None] * mixing
    return Decorrelation(mixing - rate * product, shift - rate * x_hat.sum(0))


def coupling(x_hat: Float[Array, "batch inputs"]) -> Float[Array, ""]:
    r"""Mean squared correlation :math:`\sum_{i \ne j} C_{ij}^2/n^2` of a batch: falls while decorrelation works.

    A sudden rise announces that R diverges. From the smaller of both products,
    :math:`\sum_{ij} C_{ij}^2 = \lVert \hat X^\top \hat X/B \rVert_F^2 = \lVert \hat X \hat X^\top/B \rVert_F^2`.
    """
    batch, size = x_hat.shape
    product = x_hat @ x_hat.T if batch < size else x_hat.T @ x_hat
    own = jnp.square(x_hat).mean(0)
    return (jnp.square(product / batch).sum() - jnp.square(own).sum()) / size**2
