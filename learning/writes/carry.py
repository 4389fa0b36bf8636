"""Periodic carry: what the working device has gathered moves to the more significant digits."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from charz.learning.memristor_weights import ArrayDevices, Coding, Digits, join_arrays
from charz.learning.writes.programming import program_weights

# Pulses of one device in one carry, at most. More than any carry needs; only stuck devices use them all.
MOST_PULSES = 64


def carry_some(
    key: PRNGKeyArray,
    updates: Int[Array, ""],
    period: int,
    devices: Sequence[ArrayDevices],
    coding: Coding,
    arrays: Sequence[Digits],
) -> tuple[list[Digits], Float[Array, ""]]:
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
    devices : sequence of ArrayDevices
        One an array of weights, leaves (wires, *shape) or scalar.
    coding : Coding
    arrays : sequence of tuple of array (wires, *shape)
        Conductances, in S.

    Returns
    -------
    arrays : list of tuple of array
    pulses : float
        Programming pulses used.
    """
    sizes = [digits[0][0].size for digits in arrays]
    parts = [-(-size // period) for size in sizes]
    turn = updates % period

    def cut(leaf: Array) -> Array:
        flat = leaf.reshape(coding.wires, -1)
        part = -(-flat.shape[1] // period)
        return jax.lax.dynamic_slice_in_dim(flat, turn * part, part, axis=1)

    mine = join_arrays(arrays, cut)
    own = ArrayDevices(*(join_arrays(part, cut) for part in zip(*devices, strict=True)))
    # The last parts of the period may find nothing left to visit: slices then stay where they end.
    in_turn = jnp.concatenate(
        [jnp.full(part, turn * part < size) for part, size in zip(parts, sizes, strict=True)]
    )
    key_read, key_program = jax.random.split(key)
    counts = [
        coding.count(believed, actual.read(jax.random.fold_in(key_read, power), digit))
        for power, (actual, believed, digit) in enumerate(zip(*own, mine, strict=True))
    ]
    total = jnp.asarray(sum(coding.base**power * count for power, count in enumerate(counts)))
    carries = jnp.stack([jnp.round(count / coding.base) != 0 for count in counts[:-1]]).any(0)
    mine, pulses = program_weights(key_program, own, coding, mine, total, carries & in_turn, MOST_PULSES)
    ends = [sum(parts[: index + 1]) for index in range(len(parts) - 1)]
    pieces = zip(*(jnp.split(digit, ends, axis=1) for digit in mine), strict=True)
    return [
        tuple(_put(*each, turn, coding.wires) for each in zip(digits, piece, strict=True))
        for digits, piece in zip(arrays, pieces, strict=True)
    ], pulses


def _put(digit: Array, piece: Array, turn: Array, wires: int) -> Array:
    flat = digit.reshape(wires, -1)
    put = jax.lax.dynamic_update_slice_in_dim(flat, piece, turn * piece.shape[1], axis=1)
    return put.reshape(digit.shape)
