"""Stored arrays read and pulsed by blocks of rows, for learning from one sample at a time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from charz.learning.active_rows import LEAST_NUMBERS
from charz.learning.memristor_weights import ArrayDevices, Coding, Digits, on_arrays
from charz.learning.writes.stepwise import pulse_once

# A pulse costs a hundred times what adding a number does: blocks are smaller, so that few pulses are drawn in vain.
LEAST_PULSES = 256


class RowStore(NamedTuple):
    """How one array of parameters is read and written.

    ``read(stored) -> values``; ``read_rows(stored, start, size) -> (size, outputs)``;
    ``pulse(key, stored, polarity) -> stored`` with one pulse or none for each number;
    ``pulse_rows(key, stored, start, polarity) -> stored`` for polarities (size, outputs); ``least`` numbers are
    best pulsed at once.
    """

    read: Callable[[Any], Array]
    read_rows: Callable[[Any, Int[Array, ""], int], Float[Array, "size outputs"]]
    pulse: Callable[[PRNGKeyArray, Any, Array], Any]
    pulse_rows: Callable[[PRNGKeyArray, Any, Int[Array, ""], Float[Array, "size outputs"]], Any]
    least: int = LEAST_NUMBERS


def ideal_rows(step: float, limit: float) -> RowStore:
    """Numbers that each pulse moves by one step, within ± limit: `fixed_step`."""

    def pulse(key: PRNGKeyArray, stored: Array, polarity: Array) -> Array:
        return jnp.clip(stored + step * polarity, -limit, limit)

    def read_rows(stored: Array, start: Array, size: int) -> Array:
        return jax.lax.dynamic_slice_in_dim(stored, start, size)

    def pulse_rows(key: PRNGKeyArray, stored: Array, start: Array, polarity: Array) -> Array:
        moved = pulse(key, read_rows(stored, start, len(polarity)), polarity)
        return jax.lax.dynamic_update_slice_in_dim(stored, moved, start, 0)

    return RowStore(lambda stored: stored, read_rows, pulse, pulse_rows)


def memristor_rows(devices: ArrayDevices, coding: Coding) -> RowStore:
    """Conductances: `stepwise`."""

    def cut(tree: Any, start: Array, size: int) -> Any:
        return on_arrays(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size, axis=1), tree)

    def read(stored: Digits) -> Array:
        return coding.weight(devices.believed, stored)

    def read_rows(stored: Digits, start: Array, size: int) -> Array:
        return coding.weight(cut(devices.believed, start, size), cut(stored, start, size))

    def pulse(key: PRNGKeyArray, stored: Digits, polarity: Array) -> Digits:
        return (jnp.stack(pulse_once(key, devices.actual[0], stored[0], polarity)), *stored[1:])

    def pulse_rows(key: PRNGKeyArray, stored: Digits, start: Array, polarity: Array) -> Digits:
        size = len(polarity)
        device, wires = cut(devices.actual[0], start, size), cut(stored[0], start, size)
        # A branch of its own keeps XLA from fusing pulses into the write of the slice, number by number.
        moved = jax.lax.cond(
            (polarity != 0).any(),
            lambda: pulse_once(key, device, wires, polarity),
            lambda: [wires[wire] for wire in range(coding.wires)],
        )
        written = stored[0]
        for wire, conductance in enumerate(moved):
            written = jax.lax.dynamic_update_slice(written, conductance[None], (wire, start, 0))
        return (written, *stored[1:])

    return RowStore(read, read_rows, pulse, pulse_rows, LEAST_PULSES)
