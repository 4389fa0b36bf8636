"""Stepwise write: every wanted step of a weight is a programming pulse on a memristor."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from charz.devices.memristor import AbstractMemristor
from charz.devices.random_words import offset_key, random_words
from charz.errors import TrainError
from charz.learning.grid import is_weight
from charz.learning.memristor_weights import (
    ArrayDevices,
    Coding,
    Memristors,
    join_arrays,
    lay_out_stored,
)
from charz.learning.rule import WriteScheme
from charz.learning.writes.carry import carry_some
from charz.learning.writes.programming import one_wire, program_weights, pulse
from charz.learning.writes.whole_steps import Rounding, check_steps, whole_steps

# Pulses of one device when an array is programmed, at most: from the middle to the edge of a window of 500 steps.
MOST_PROGRAMMING_PULSES = 256


class Conductances(NamedTuple):
    """What the hardware stores, and the number of updates so far.

    ``arrays`` has one entry a parameter array: its digits, each (wires, *shape) in S; or its values where it does not
    lie on devices.
    """

    arrays: tuple[Any, ...]
    updates: Int[Array, ""]


def stepwise(
    devices: Memristors,
    shapes: PyTree,
    coding: Coding,
    *,
    carry_period: int | None = None,
    most: int = 1,
    rounding: Rounding = "stochastic",
    is_stored: Callable[[tuple[Any, ...]], bool] = is_weight,
) -> WriteScheme:
    r"""Write to conductances by pulses of the actual devices; what is read is what the controller believes of them.

    A wanted change becomes n pulses of digit 0 (`whole_steps`), potentiating for positive n. A pair is pulsed at one
    of its devices, by a fair coin: g⁺ with the polarity of the change or g⁻ with the opposite one, so that both stay
    near their symmetry points and both polarities share the work. What a pulse does is up to the actual device, its
    bounds, noise and defects. Initial parameters are programmed with verification, from the actual symmetry points,
    where alternating pulses lead.

    Multiplication by the array is taken as exact: the noise of its reads adds to that of the neurons, which a scheme
    has of its own. Reads of verification have the devices' read noise.

    Parameters
    ----------
    devices : Memristors
        Of one network, leaves (device,) or scalar, `coding.devices` for each stored number, in the order of the
        arrays, digit 0 first.
    shapes : pytree
        Parameters of the network, or anything with their shapes.
    coding : Coding
        How conductances make a weight.
    carry_period : int, optional
        N_c of `carry_some`; without it nothing is carried. It needs two digits or more.
    most : int
        Pulses of a weight in one write, at most.
    rounding : {"stochastic", "nearest"}
    is_stored : callable
        Whether the array at a place in the parameters lies on devices; by default those called ``weight``. Others
        are real numbers, written exactly.

    Returns
    -------
    WriteScheme
        ``info``: ``pulses`` of training, ``carry_pulses``.

    Raises
    ------
    TrainError
        When a number cannot be, or a carry has no digit to go to.
    """
    check_steps(coding.step, most, rounding)
    check_carry(coding, carry_period)
    laid_out = lay_out_stored(devices, shapes, coding, is_stored)
    structure = jax.tree.structure(shapes)

    def init(key: PRNGKeyArray, theta: PyTree) -> Conductances:
        return Conductances(program_all(key, laid_out, coding, jax.tree.leaves(theta)), jnp.asarray(0))

    def apply(
        key: PRNGKeyArray, weights: Conductances, change: PyTree
    ) -> tuple[Conductances, dict[str, Array]]:
        stored, trained = [], jnp.zeros(())
        key_train, key_carry = jax.random.split(key)
        for number, (mine, leaf, wanted) in enumerate(
            zip(laid_out, weights.arrays, jax.tree.leaves(change), strict=True)
        ):
            if mine is None:
                stored.append(leaf + wanted)
                continue
            key_round, key_pulse = jax.random.split(jax.random.fold_in(key_train, number))
            steps = whole_steps(key_round, wanted, coding.step, most, rounding)
            stored.append((train_digit(key_pulse, mine.actual[0], leaf[0], steps), *leaf[1:]))
            trained += jnp.abs(steps).sum()
        weights, carried = carry_all(
            key_carry, Conductances(tuple(stored), weights.updates), laid_out, coding, carry_period
        )
        return weights, {"pulses": trained, "carry_pulses": carried}

    def read(weights: Conductances) -> PyTree:
        values = [
            leaf if mine is None else coding.weight(mine.believed, leaf)
            for mine, leaf in zip(laid_out, weights.arrays, strict=True)
        ]
        return jax.tree.unflatten(structure, values)

    return WriteScheme(init, apply, read)


def check_carry(coding: Coding, carry_period: int | None) -> None:
    """Refuse a carry that cannot be.

    Raises
    ------
    TrainError
        For a period below 1, or one digit.
    """
    if carry_period is None:
        return
    if carry_period < 1:
        raise TrainError(f"carry_period is {carry_period}; it must be 1 update or more")
    if coding.digits == 1:
        raise TrainError(
            f"carry_period is {carry_period} and digits 1; a carry needs a second digit to go to"
        )


def carry_all(
    key: PRNGKeyArray,
    weights: Conductances,
    laid_out: list[ArrayDevices | None],
    coding: Coding,
    carry_period: int | None,
) -> tuple[Conductances, Float[Array, ""]]:
    """Count the update, carry in the part of every array whose turn it is, and count the pulses of that."""
    arrays, pulses = list(weights.arrays), jnp.zeros(())
    stored = [number for number, mine in enumerate(laid_out) if mine is not None]
    if carry_period is not None:
        devices = [mine for mine in laid_out if mine is not None]
        digits = [arrays[number] for number in stored]
        carried, pulses = carry_some(key, weights.updates, carry_period, devices, coding, digits)
        for number, after in zip(stored, carried, strict=True):
            arrays[number] = after
    return Conductances(tuple(arrays), weights.updates + 1), pulses


def train_digit(
    key: PRNGKeyArray,
    device: AbstractMemristor,
    wires: Float[Array, "wires ..."],
    steps: Float[Array, "..."],
) -> Float[Array, "wires ..."]:
    """Apply `steps` pulses to each weight's working device.

    The loop makes as many rounds as the weight with most pulses needs: none where no weight changes.
    """
    size = jnp.abs(steps)

    def one_round(index: Array, wires: Array) -> Array:
        polarity = jnp.where(size > index, jnp.sign(steps), 0)
        return jnp.stack(pulse_once(jax.random.fold_in(key, index), device, wires, polarity))

    return jax.lax.fori_loop(0, size.max().astype(int), one_round, wires)


def pulse_once(
    key: PRNGKeyArray,
    device: AbstractMemristor,
    wires: Float[Array, "wires ..."],
    polarity: Float[Array, "..."],
) -> list[Float[Array, "..."]]:
    """One pulse for each weight: of its device, or by a fair coin of either device of its pair.

    Returns
    -------
    list of array
        Conductances of each wire, in S.
    """
    if wires.shape[0] == 1:
        return [pulse(key, one_wire(device, 0), wires[0], polarity)]
    first = random_words(offset_key(key, 1), polarity.shape)[0] >> jnp.uint32(31) == 0
    chosen = (jnp.where(first, polarity, 0), jnp.where(first, 0, -polarity))
    return [
        pulse(offset_key(key, 2 + wire), one_wire(device, wire), wires[wire], own)
        for wire, own in enumerate(chosen)
    ]


def program_all(
    key: PRNGKeyArray, laid_out: list[ArrayDevices | None], coding: Coding, values: list[Array]
) -> tuple[Any, ...]:
    """Program fresh devices to stand for these parameters, all in one loop; others stay as they are."""
    pairs = [(mine, value) for mine, value in zip(laid_out, values, strict=True) if mine is not None]
    if not pairs:
        return tuple(values)
    fresh = [
        tuple(_fresh(*both, coding, value.shape) for both in zip(*mine, strict=True)) for mine, value in pairs
    ]

    def flat(leaf: Array) -> Array:
        return leaf.reshape(coding.wires, -1)

    devices = ArrayDevices(
        *(join_arrays(part, flat) for part in zip(*(mine for mine, _ in pairs), strict=True))
    )
    target = jnp.concatenate([value.ravel() for _, value in pairs]) / coding.step
    everywhere = jnp.ones(target.shape, bool)
    digits, _ = program_weights(
        key, devices, coding, join_arrays(fresh, flat), target, everywhere, MOST_PROGRAMMING_PULSES
    )
    programmed, start = list[Any](), 0
    for mine, value in zip(laid_out, values, strict=True):
        if mine is None:
            programmed.append(value)
            continue
        shape, stop = (coding.wires, *value.shape), start + value.size
        programmed.append(tuple(digit[:, start:stop].reshape(shape) for digit in digits))
        start = stop
    return tuple(programmed)


def _fresh(
    actual: AbstractMemristor, believed: AbstractMemristor, coding: Coding, shape: tuple[int, ...]
) -> Float[Array, "wires ..."]:
    """Conductance of devices before they are programmed: their symmetry points, else the believed reference."""
    symmetric = actual.symmetry_point()
    start = jnp.where(jnp.isfinite(symmetric), symmetric, coding.reference(believed))
    return jnp.broadcast_to(start, (coding.wires, *shape)).astype(jnp.float32)
