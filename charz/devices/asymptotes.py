"""Logarithm of a curve between two asymptotes, down to where the curve itself is no longer a number."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def log_mixture(
    low: Float[Array, "..."],
    high: Float[Array, "..."],
    down: Float[Array, "..."],
    up: Float[Array, "..."],
    log_up: Float[Array, "..."],
) -> Float[Array, "..."]:
    r"""Give :math:`\ln[\ell\,(1 - F) + h\,F]` of a curve F between its asymptotes :math:`\ell` and h, in nats.

    Where the sum is below the cube root of the smallest number (1e-103 in double precision, 2e-13 in single)
    :math:`\ell` must be 0, and the logarithm is :math:`\ln h + \ln F`: the tail keeps its slope and curvature.
    The square of the reciprocal is still finite there, which a second derivative needs.

    Parameters
    ----------
    low, high : array
        Asymptotes, dimensionless.
    down, up : array
        1 - F and F, each with its own relative precision.
    log_up : array
        ln F where F is small; elsewhere any finite number.
    """
    share = low * down + high * up
    smallest = jnp.finfo(share.dtype).tiny ** (1 / 3)
    gone = share < smallest
    # Asymptotes that have met (a floor of 1, to rounding) leave a finite surprise. One logarithm serves both cases.
    inside = jnp.where(gone, jnp.maximum(high, smallest), share)
    return jnp.log(inside) + jnp.where(gone, log_up, 0)
