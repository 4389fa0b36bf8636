"""Stepwise write: every wanted step of a weight is a programming pulse on a memristor."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from charz.devices.memristor import AbstractMemristor
from charz.devices.random_words import random_words
from charz.errors import TrainError
from charz.learning.grid import is_weight
from charz.learning.memristor_weights import Coding, Memristors, lay_out_stored
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
    if carry_period is not None and carry_period < 1:
        raise TrainError(f"carry_period is {carry_period}; it must be 1 update or more")
    if carry_period is not None and coding.digits == 1:
        raise TrainError(
            f"carry_period is {carry_period} and digits 1; a carry needs a second digit to go to"
        )
    places, structure = jax.tree_util.tree_flatten_with_path(shapes)
    on_devices = [is_stored(path) for path, _ in places]
    laid_out = [structure.flatten_up_to(lay_out_stored(part, shapes, coding, is_stored)) for part in devices]
    arrays = list(enumerate(zip(on_devices, *laid_out, strict=True)))

    def init(key: PRNGKeyArray, theta: PyTree) -> Conductances:
        stored = []
        for (number, (lies, actual, believed)), leaf in zip(arrays, jax.tree.leaves(theta), strict=True):
            if lies:
                fresh = tuple(
                    _fresh(*both, coding, leaf.shape) for both in zip(actual, believed, strict=True)
                )
                everywhere = jnp.ones(leaf.shape, bool)
                leaf, _ = program_weights(
                    jax.random.fold_in(key, number), actual, believed, coding, fresh, leaf / coding.step,
                    everywhere, MOST_PROGRAMMING_PULSES,
                )  # fmt: skip
            stored.append(leaf)
        return Conductances(tuple(stored), jnp.asarray(0))

    def apply(
        key: PRNGKeyArray, weights: Conductances, change: PyTree
    ) -> tuple[Conductances, dict[str, Array]]:
        stored, trained, carried = [], jnp.zeros(()), jnp.zeros(())
        for (number, (lies, actual, believed)), leaf, wanted in zip(
            arrays, weights.arrays, jax.tree.leaves(change), strict=True
        ):
            if not lies:
                stored.append(leaf + wanted)
                continue
            key_round, key_pulse, key_carry = jax.random.split(jax.random.fold_in(key, number), 3)
            steps = whole_steps(key_round, wanted, coding.step, most, rounding)
            digits = (train_digit(key_pulse, actual[0], leaf[0], steps), *leaf[1:])
            trained += jnp.abs(steps).sum()
            if carry_period is not None:
                digits, pulses = carry_some(
                    key_carry, weights.updates, carry_period, actual, believed, coding, digits
                )
                carried += pulses
            stored.append(digits)
        info = {"pulses": trained, "carry_pulses": carried}
        return Conductances(tuple(stored), weights.updates + 1), info

    def read(weights: Conductances) -> PyTree:
        values = [
            coding.weight(believed, leaf) if lies else leaf
            for (_, (lies, _, believed)), leaf in zip(arrays, weights.arrays, strict=True)
        ]
        return jax.tree.unflatten(structure, values)

    return WriteScheme(init, apply, read)


def train_digit(
    key: PRNGKeyArray,
    device: AbstractMemristor,
    wires: Float[Array, "wires ..."],
    steps: Float[Array, "..."],
) -> Float[Array, "wires ..."]:
    """Apply `steps` pulses to each weight's working device, or by a fair coin to either device of its pair.

    The loop makes as many rounds as the weight with most pulses needs: none where no weight changes.
    """
    size = jnp.abs(steps)

    def one_round(index: Array, wires: Array) -> Array:
        now = jax.random.fold_in(key, index)
        polarity = jnp.where(size > index, jnp.sign(steps), 0)
        if wires.shape[0] == 1:
            return pulse(now, one_wire(device, 0), wires[0], polarity)[None]
        key_coin, key_noise = jax.random.split(now)
        first = random_words(key_coin, steps.shape)[0] >> jnp.uint32(31) == 0
        chosen = jax.tree.map(
            lambda leaf: leaf if jnp.ndim(leaf) == 0 else jnp.where(first, leaf[0], leaf[1]), device
        )
        moved = pulse(
            key_noise, chosen, jnp.where(first, wires[0], wires[1]), jnp.where(first, polarity, -polarity)
        )
        return jnp.stack([jnp.where(first, moved, wires[0]), jnp.where(first, wires[1], moved)])

    return jax.lax.fori_loop(0, size.max().astype(int), one_round, wires)


def _fresh(
    actual: AbstractMemristor, believed: AbstractMemristor, coding: Coding, shape: tuple[int, ...]
) -> Float[Array, "wires ..."]:
    """Conductance of devices before they are programmed: their symmetry points, else the believed reference."""
    symmetric = actual.symmetry_point()
    start = jnp.where(jnp.isfinite(symmetric), symmetric, coding.reference(believed))
    return jnp.broadcast_to(start, (coding.wires, *shape)).astype(jnp.float32)
