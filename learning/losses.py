"""Losses of labelled samples, by name."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from charz.errors import TrainError

Loss = Callable[[Float[Array, "batch classes"], Int[Array, "batch"]], Float[Array, "batch"]]


def cross_entropy(
    logits: Float[Array, "batch classes"], labels: Int[Array, "batch"]
) -> Float[Array, "batch"]:
    r"""Softmax cross-entropy in nats, :math:`-\log \mathrm{softmax}(y)_{label}`."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def squared_hinge(
    logits: Float[Array, "batch classes"], labels: Int[Array, "batch"]
) -> Float[Array, "batch"]:
    r"""Mean over the classes of :math:`\max(0, 1 - t\,y)^2`, with t = 1 for the label and -1 for the others.

    Loss of quantized networks (authors' code of Deng et al., arXiv:1705.09283): once an output is beyond ±1, a sample
    asks for no change.
    """
    target = 2 * jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype) - 1
    return jnp.square(jnp.maximum(0, 1 - target * logits)).mean(-1)


LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy, "squared-hinge": squared_hinge}


def find_loss(name: str) -> Loss:
    """The loss of that name.

    Raises
    ------
    TrainError
        For an unknown name.
    """
    if name not in LOSSES:
        raise TrainError(f"loss {name!r} is not known; choose one of {', '.join(LOSSES)}")
    return LOSSES[name]
