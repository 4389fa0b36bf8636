"""What two noisy passes of a batch teach: direction, decorrelation, and the numbers to watch, simulated or measured."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from charz.learning.decorrelation import Decorrelation, coupling, update_decorrelation
from charz.learning.network import Theta
from charz.learning.perturbation import Pass, activity_direction


def learn_from_passes(
    first: Pass,
    second: Pass,
    decorrelation: Sequence[Decorrelation] | None,
    rate: Float[Array, ""] | float | None,
    smallest: Float[Array, ""] | float = 0.0,
) -> tuple[Theta, tuple[Decorrelation, ...] | None, dict[str, Array]]:
    """Apply (K2) and (K3) of Koenders et al. (2025) to what was read.

    Parameters
    ----------
    first, second : Pass
        Of the same batch, with independent noise.
    decorrelation : sequence of Decorrelation or None
        R, d with which the passes were made; None without.
    rate : float or None
        Of the descent on R and d, dimensionless.
    smallest : float
        As of `activity_direction`, in V².

    Returns
    -------
    direction : tuple of Layer
    decorrelation : tuple of Decorrelation or None
        After the step.
    info : dict
        ``loss`` of pass 1, ``reads`` of nodes, ``skipped`` share of samples without a change, ``coupling`` (layers,).
    """
    direction, used = activity_direction(first, second, smallest)
    samples = first.loss.shape[0]
    nodes = sum(activity.shape[-1] for activity in first.activities)
    info = {
        "loss": first.loss.mean(),
        "reads": jnp.asarray(2.0 * samples * nodes),
        "skipped": 1 - used.mean(),
        "coupling": jnp.stack([coupling(x_hat) for x_hat in first.inputs]),
    }
    if decorrelation is None or rate is None:
        return direction, None, info
    pairs = zip(decorrelation, first.inputs, strict=True)
    return direction, tuple(update_decorrelation(layer, x_hat, rate) for layer, x_hat in pairs), info
