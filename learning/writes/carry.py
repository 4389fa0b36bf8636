"""Periodic carry: what the working device has gathered moves to the more significant digits."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from charz.learning.memristor_weights import ArrayDevices, Coding, Digits, on_arrays
from charz.learning.writes.programming import program_weights

# Pulses of one device in one carry, at most. More than any carry needs; only stuck devices use them all.
MOST_PULSES = 64


def carry_some(
    key: PRNGKeyArray,
    updates: Int[Array, ""],
    period: int,
    devices: ArrayDevices,
    coding: Coding,
    digits: Digits,
) -> tuple[Digits, Float[Array, ""]]:
    r"""Carry in one part of `period` of the weights, another part after each update (L6).

    .. math:: c = \mathrm{round}(q_k/B), \qquad q_k \leftarrow q_k - cB, \qquad q_{k+1} \leftarrow q_{k+1} + c

    in steps q_k from zero, for every weight where some c is not 0. Each weight is visited once every N_c updates as
    in a carry of all weights at once, at an N_c-th of the cost an update: under `vmap` a carry that is skipped costs
    as much as one that is made.

    The loop is closed: c steps of digit k + 1 are B^{k+1} steps of the weight, and a step that came out 30 % short,
    or was taken off the centre of its window, would change the weight by more than a training pulse does. So digits
    are programmed with verification, the most significant first, and digit 0 ends where the weight is what it was
    (`program_weights`).

    Parameters
    ----------
    key : PRNG key
    updates : int
        Updates made so far; decides whose turn it is.
    period : int
        N_c.
    devices : ArrayDevices
    coding : Coding
    digits : tuple of array (wires, *shape)
        Conductances, in S.

    Returns
    -------
    digits : tuple of array
    pulses : float
        Programming pulses used.
    """
    size = digits[0][0].size
    part = -(-size // period)
    start = (updates % period) * part
    # The last parts of the period may find nothing left to visit.
    in_turn = start < size

    def cut(leaf: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(leaf.reshape(coding.wires, -1), start, part, axis=1)

    mine, own = tuple(map(cut, digits)), on_arrays(cut, devices)
    key_read, key_program = jax.random.split(key)
    counts = [
        coding.count(believed, actual.read(jax.random.fold_in(key_read, power), digit))
        for power, (actual, believed, digit) in enumerate(zip(*own, mine, strict=True))
    ]
    total = jnp.asarray(sum(coding.base**power * count for power, count in enumerate(counts)))
    carries = jnp.stack([jnp.round(count / coding.base) != 0 for count in counts[:-1]]).any(0)
    mine, pulses = program_weights(key_program, own, coding, mine, total, carries & in_turn, MOST_PULSES)
    written = (
        jax.lax.dynamic_update_slice_in_dim(digit.reshape(coding.wires, -1), piece, start, axis=1).reshape(
            digit.shape
        )
        for piece, digit in zip(mine, digits, strict=True)
    )
    return tuple(written), pulses
