r"""Scores that wander slowly under fresh noise: predictions of a Kalman filter, parallel in time.

With :math:`z_t = x_t + e_t`, :math:`x_t = a_t x_{t-1} + n_t` of stationary variance q and :math:`e_t` of variance
:math:`w = 1 - q`, the predicted variance P and mean m of x obey

.. math:: P_{t+1} = a^2\frac{P_t w}{P_t + w} + q(1 - a^2), \qquad m_{t+1} = a\,[(1 - K_t)\,m_t + K_t z_t],
          \qquad K_t = \frac{P_t}{P_t + w}

One pass over the cycles (`jax.lax.scan`); composing the maps in parallel compiles for minutes and gains nothing on a
CPU for records of a thousand cycles.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Below this much fresh noise or chain a filter would divide by nothing.
LEAST_SHARE = 1e-9


def predictions(
    score: Float[Array, " cycle"],
    present: Bool[Array, " cycle"],
    decay: Float[Array, " cycle"],
    chain_share: Float[Array, ""],
) -> tuple[Float[Array, " cycle"], Float[Array, " cycle"]]:
    """Mean and variance of the chain's part of each score, given the recorded scores before it.

    Parameters
    ----------
    score : array (cycle,)
        Normal scores; of no consequence where not present.
    present : array of bool (cycle,)
    decay : array (cycle,)
        Correlation of the chain since the recorded cycle before, 0 for the first.
    chain_share : array
        q, the stationary variance of the chain.
    """
    share = jnp.clip(chain_share, LEAST_SHARE, 1 - LEAST_SHARE)

    def step(
        known: tuple[Array, Array], cycle: tuple[Array, Array, Array]
    ) -> tuple[tuple[Array, Array], tuple]:
        mean, variance = known
        z, weighs, a = cycle
        mean, variance = a * mean, a**2 * variance + share * (1 - a**2)
        weight = jnp.where(weighs, variance / (variance + 1 - share), 0.0)
        return (mean + weight * (z - mean), (1 - weight) * variance), (mean, variance)

    cycles = (score, present, jnp.where(present, decay, 1.0))
    _, predicted = jax.lax.scan(step, (jnp.zeros_like(share), share), cycles)
    return predicted


def around(
    score: Float[Array, " cycle"],
    present: Bool[Array, " cycle"],
    decay: Float[Array, " cycle"],
    decay_after: Float[Array, " cycle"],
    chain_share: Float[Array, ""],
) -> tuple[Float[Array, " cycle"], Float[Array, " cycle"]]:
    """Mean and variance of each score given all others: predictions from both sides, joined.

    The chain is reversible, so the future predicts as the past does; its stationary distribution, which both know,
    counts once.
    """
    share = jnp.clip(chain_share, LEAST_SHARE, 1 - LEAST_SHARE)
    past_mean, past = predictions(score, present, decay, share)
    future_mean, future = (
        array[::-1] for array in predictions(score[::-1], present[::-1], decay_after[::-1], share)
    )
    precision = 1 / past + 1 / future - 1 / share
    mean = (past_mean / past + future_mean / future) / precision
    return mean, 1 / precision + 1 - share
