"""Work on the rows of a weight matrix that a signal goes through, and on no others.

Most signals of an image are 0. A loop over small blocks of rows, as many as hold a signal, costs a fraction of a pass
over the whole matrix, and keeps the arithmetic within a block vectorised. Under `vmap` the loop remains right and loses
its advantage; map over runs with `jax.lax.map`.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

# Numbers in a block, at least, so that the work in it outweighs the turn of the loop. Measured on 784 × 300 at the
# activity of handwritten digits.
LEAST_NUMBERS = 2048
Carried = TypeVar("Carried", bound=PyTree)


def block_rows(num_rows: int, width: int, least: int = LEAST_NUMBERS) -> int:
    """Rows of a block: the smallest divisor of all rows that makes it hold `least` numbers, or all rows."""
    return next(
        (size for size in range(1, num_rows) if num_rows % size == 0 and size * width >= least), num_rows
    )


def over_active(
    signal: Float[Array, " rows"],
    body: Callable[[Int[Array, ""], Float[Array, " block"], Carried], Carried],
    carried: Carried,
    rows: int,
    wanted: Array | bool = True,
) -> Carried:
    """Call ``carried = body(start, signal[start:start + block], carried)`` for every block that holds a signal.

    Parameters
    ----------
    signal : array (rows,)
    body : callable
        Gets the first row of a block, the signal of its rows, and what the calls pass on.
    carried : pytree
        What the first call gets.
    rows : int
        Rows of a block, a divisor of all: `block_rows`.
    wanted : bool, scalar
        Where false, nothing is called.

    Returns
    -------
    pytree
        What the last call gave.
    """
    blocks = signal.shape[0] // rows

    def visit(carried: Carried) -> Carried:
        active = (signal.reshape(blocks, rows) != 0).any(1)
        # Active blocks first, in order; the others after them, never reached.
        order = jnp.sort(jnp.arange(blocks) + jnp.where(active, 0, blocks))

        def one(index: Array, carried: Carried) -> Carried:
            start = order[index] * rows
            return body(start, jax.lax.dynamic_slice(signal, (start,), (rows,)), carried)

        return jax.lax.fori_loop(0, active.sum(), one, carried)

    return jax.lax.cond(wanted, visit, lambda carried: carried, carried)
