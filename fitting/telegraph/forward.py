r"""Exact likelihood of a hidden Markov chain with Gaussian read-out, parallel in time.

The record :math:`y_1 \dots y_N` is cut into lanes. Over the samples of a lane the product of transfer matrices

.. math:: A = M_n \cdots M_1, \qquad (M_t)_{kj} = \frac{e_k(y_t)}{e_0(y_t)}\, P_{jk}, \qquad
          \ln\frac{e_k(y_t)}{e_0(y_t)} = a_k y_t + b_k + c_k t

is propagated for all lanes at once (P: transition probabilities of one step, e: Gaussian density of a level); the lanes
are then joined by a short recursion from the stationary distribution, which is the forward algorithm (Rabiner, Proc.
IEEE 77, 257 (1989)) with blocks in place of samples. A missing sample has no emission, only the transition; as the
rows of P sum to one, padding at the end changes nothing.

Every matrix is brought to a sum of one and the logarithm of what was taken out is summed in double precision: in single
precision that sum is off by hundreds of nats after 1e7 samples. The density of the lowest level does not depend on the
state: it leaves the recursion and needs only sums over a lane.

For the way back of a derivative only the matrices between stretches of a lane are kept and each stretch is propagated
again: memory beside the record grows with the square root of its length.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

MAX_LANES = 2048
# Lanes of fewer steps than this are kept whole for the way back.
WHOLE_BELOW = 128

Matrix = tuple[tuple[Array, ...], ...]


class Emission(NamedTuple):
    r"""Log density of each level above the lowest relative to it, :math:`a_k y + b_k + c_k t`.

    Parameters
    ----------
    slope, offset, trend : tuple of array ()
        For standardised signal and time, dimensionless; trend is None where the levels do not drift.
    """

    slope: tuple[Array, ...]
    offset: tuple[Array, ...]
    trend: tuple[Array, ...] | None = None


class Lanes(NamedTuple):
    """A record cut into lanes, steps along the leading axis.

    Parameters
    ----------
    signal : array (step, lane)
        Standardised; 0 where missing.
    seen : array of bool (step, lane)
    time : array (step, lane)
        Share of the record that has passed, less a half; None where no level drifts.
    moves : array of bool (step, lane), optional
        Whether a transition precedes the sample: not the first one, nor what lies beyond the end of the record.
        Without it time runs on, which is the same for rows of a transition matrix that sum to one.
    """

    signal: Float[Array, "step lane"]
    seen: Bool[Array, "step lane"]
    time: Float[Array, "step lane"] | None = None
    moves: Bool[Array, "step lane"] | None = None


def num_lanes(num_samples: int) -> int:
    """Lanes of a record: about four times as many as steps in each, so that both recursions are short."""
    return int(max(1, min(MAX_LANES, round(2 * num_samples**0.5))))


def steps_of(num_samples: int) -> int:
    """Samples of one lane, and of one block of the likelihood."""
    return -(-num_samples // num_lanes(num_samples))


def cut(values: Array) -> Array:
    """Cut a record (time,) into lanes (step, lane); what is missing at the end is 0 or False."""
    steps = steps_of(values.size)
    lanes = num_lanes(values.size)
    return jnp.pad(values, (0, lanes * steps - values.size)).reshape(lanes, steps).T


def lane_products(emission: Emission, transition: Matrix, lanes: Lanes) -> tuple[Array, Array]:
    """Product of the transfer matrices of every lane.

    Parameters
    ----------
    emission : Emission
    transition : tuple of tuple of array ()
        Probability from (row) to (column) in one step, in the type of the lanes' signal.
    lanes : Lanes

    Returns
    -------
    matrix : array (lane, to, from)
        Its entries sum to one.
    log_scale : array (lane,)
        Double precision, in nats; the product is ``exp(log_scale) * matrix``.
    """
    states = range(len(transition))
    num_steps, width = lanes.signal.shape
    dtype, wide = lanes.signal.dtype, jnp.result_type(float)

    def step(carry: tuple[Matrix, Array], sample: Lanes) -> tuple[tuple[Matrix, Array], None]:
        matrix, log_scale = carry
        weights, largest = _weights(emission, sample)
        moved = [[sum(transition[j][k] * matrix[j][i] for j in states) for i in states] for k in states]
        if sample.moves is not None:
            moved = [[jnp.where(sample.moves, moved[k][i], matrix[k][i]) for i in states] for k in states]
        heavy = [[weights[k] * entry for entry in moved[k]] for k in states]
        total = sum(entry for row in heavy for entry in row)
        inverse = 1 / total
        scaled = tuple(tuple(entry * inverse for entry in row) for row in heavy)
        return (scaled, log_scale + (jnp.log(total) + largest).astype(wide)), None

    def stretch(carry: tuple[Matrix, Array], samples: Lanes) -> tuple[tuple[Matrix, Array], None]:
        return jax.lax.scan(step, carry, samples)

    one, none = jnp.ones(width, dtype), jnp.zeros(width, dtype)
    start = (tuple(tuple(one if i == k else none for i in states) for k in states), jnp.zeros(width, wide))
    if num_steps < WHOLE_BELOW:
        (matrix, log_scale), _ = stretch(start, lanes)
    else:
        size = round(num_steps**0.5)
        count = -(-num_steps // size)
        # No time passes in the steps that fill up the last stretch: the next lane follows at once.
        moves = jnp.ones((num_steps, 1), bool) if lanes.moves is None else lanes.moves
        stretches = jax.tree.map(
            lambda x: jnp.pad(x, ((0, count * size - num_steps), (0, 0))).reshape(count, size, -1),
            lanes._replace(moves=moves),
        )
        (matrix, log_scale), _ = jax.lax.scan(jax.checkpoint(stretch), start, stretches)
    stacked = jnp.stack([jnp.stack(row, -1) for row in matrix], -2)
    return stacked.astype(wide), log_scale


def _weights(emission: Emission, sample: Lanes) -> tuple[list[Array], Array]:
    """Densities of the levels over the largest of them, and the logarithm of the largest over that of the lowest."""
    logs = [a * sample.signal + b for a, b in zip(emission.slope, emission.offset, strict=True)]
    if emission.trend is not None and sample.time is not None:
        logs = [log + c * sample.time for log, c in zip(logs, emission.trend, strict=True)]
    logs = [jnp.where(sample.seen, log, 0) for log in logs]
    if len(logs) == 1:  # one exponential, that of the less likely level
        above = logs[0] > 0
        lesser = jnp.exp(jnp.where(above, -logs[0], logs[0]))
        return [jnp.where(above, lesser, 1), jnp.where(above, 1, lesser)], jnp.where(above, logs[0], 0)
    largest = jnp.zeros_like(logs[0])
    for log in logs:
        largest = jnp.where(log > largest, log, largest)
    return [jnp.exp(log - largest) for log in (jnp.zeros_like(largest), *logs)], largest


def chained_terms(matrix: Array, log_scale: Array, stationary: Array) -> Array:
    """Log density of every lane given all lanes before it, (lane,), in nats; they sum to that of the record."""

    def join(share: Array, lane: tuple[Array, Array]) -> tuple[Array, Array]:
        after = lane[0] @ share
        total = after.sum()
        return after / total, jnp.log(total) + lane[1]

    return jax.lax.scan(join, stationary, (matrix, log_scale))[1]


def left_out_terms(matrix: Array, log_scale: Array, stationary: Array, unseen: Array) -> Array:
    r"""Log density of every lane given all other lanes, before and after it, (lane,), in nats.

    .. math:: \ln\frac{\beta^T A \alpha}{\beta^T (P^n)^T \alpha}

    with the shares :math:`\alpha` of the states before, and the likelihoods :math:`\beta` of what comes after.

    Parameters
    ----------
    matrix, log_scale : array
        Of `lane_products`.
    stationary : array (state,)
    unseen : array (to, from)
        Product over a lane of which nothing was seen.
    """

    def forth(share: Array, lane: Array) -> tuple[Array, Array]:
        after = lane @ share
        return after / after.sum(), share

    def back(weight: Array, lane: Array) -> tuple[Array, Array]:
        before = weight @ lane
        return before / before.sum(), weight

    before = jax.lax.scan(forth, stationary, matrix)[1]
    after = jax.lax.scan(back, jnp.ones_like(stationary), matrix, reverse=True)[1]
    seen = jnp.einsum("lk,lkj,lj->l", after, matrix, before)
    return jnp.log(seen) + log_scale - jnp.log(jnp.einsum("lk,kj,lj->l", after, unseen, before))
