"""Program-and-verify: pulses and reads in turn until weights stand where they should, or a limit is reached."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from charz.devices.memristor import AbstractMemristor
from charz.devices.random_words import normal, student_t
from charz.learning.memristor_weights import ArrayDevices, Coding, Digits, on_arrays

# Rounds made, conductances, polarities of the next round, pulses so far.
Programming = tuple[Array, Array, Array, Array]


def pulse(
    key: PRNGKeyArray,
    device: AbstractMemristor,
    conductance: Float[Array, "..."],
    polarity: Float[Array, "..."],
) -> Float[Array, "..."]:
    """`AbstractMemristor.pulse` with noise that compiled loops draw fast; float32."""
    # In one row: loops over a short last axis are not vectorised.
    flat = on_arrays(lambda leaf: leaf.reshape(-1), device)
    nu, size = flat.degrees_of_freedom, (conductance.size,)
    noise = normal(key, size) if nu is None else student_t(key, size, nu)
    return flat.after(conductance.reshape(size), polarity.reshape(size), noise).reshape(conductance.shape)


def one_wire(device: Any, wire: int) -> Any:
    """Devices of one wire of every weight."""
    return on_arrays(lambda leaf: leaf[wire], device)


def program_conductance(
    key: PRNGKeyArray,
    device: AbstractMemristor,
    conductance: Float[Array, "..."],
    target: Float[Array, "..."],
    step: Float[Array, "..."],
    active: Bool[Array, "..."],
    most: int,
) -> tuple[Float[Array, "..."], Float[Array, ""]]:
    """Read, and pulse towards the target where it is more than half a step away; again until no device needs it.

    Parameters
    ----------
    key : PRNG key
    device : AbstractMemristor
        Actual devices; a read has their read noise.
    conductance, target : array
        In S.
    step : array
        Believed size of a step, in S.
    active : array of bool
        Devices to be programmed; the others are left alone.
    most : int
        Pulses a device at most: stuck ones, and targets beyond the window, never arrive.

    Returns
    -------
    conductance : array
        In S.
    pulses : float
        Number of pulses applied to all devices.
    """
    key_read, key_pulse = jax.random.split(key)

    def wanted(index: Array, conductance: Array) -> Array:
        error = target - device.read(jax.random.fold_in(key_read, index), conductance)
        return jnp.where(active & (jnp.abs(error) > step / 2), jnp.sign(error), 0.0)

    def goes_on(carry: Programming) -> Array:
        index, _, polarity, _ = carry
        return (index < most) & (polarity != 0).any()

    def round_of_pulses(carry: Programming) -> Programming:
        index, conductance, polarity, pulses = carry
        conductance = pulse(jax.random.fold_in(key_pulse, index), device, conductance, polarity)
        pulses = pulses + jnp.abs(polarity).sum()
        return index + 1, conductance, wanted(index + 1, conductance), pulses

    zero = jnp.asarray(0)
    start = (zero, conductance, wanted(zero, conductance), jnp.zeros(()))
    _, conductance, _, pulses = jax.lax.while_loop(goes_on, round_of_pulses, start)
    return conductance, pulses


def program_weights(
    key: PRNGKeyArray,
    devices: ArrayDevices,
    coding: Coding,
    digits: Digits,
    target: Float[Array, " weights"],
    active: Bool[Array, " weights"],
    most: int,
) -> tuple[Digits, Float[Array, ""]]:
    """Program weights, the most significant device first; each further one makes up for what those before it missed.

    What is left at the end is the miss of the last device alone: half a step of digit 0, and its noise.

    Parameters
    ----------
    key : PRNG key
    devices : ArrayDevices
        Leaves (wires, weights) or scalar.
    coding : Coding
    digits : tuple of array (wires, weights)
        Conductances before, in S.
    target : array (weights,)
        Wanted weight, in steps of digit 0 from zero.
    active : array of bool (weights,)
        Weights to be programmed.
    most : int
        Pulses a device at most.

    Returns
    -------
    digits : tuple of array (wires, weights)
    pulses : float
    """
    elements = coding.digits * coding.wires

    def stacked(*leaves: Array) -> Array:
        """A row an element: digits from the last to the first, and the wires of each."""
        if jnp.ndim(leaves[0]) == 0:
            return jnp.broadcast_to(leaves[0], elements)
        return jnp.concatenate(leaves[::-1])

    def one(
        carry: tuple[Array, Array, Array], element: tuple[Any, ...]
    ) -> tuple[tuple[Array, Array, Array], Array]:
        left, first, total = carry
        key, actual, believed, conductance, factor, wire = element
        step, middle = coding.conductance_step(believed), coding.reference(believed)
        count = jnp.where(factor == 1, left, jnp.round(left / factor))
        share = jnp.where(wire == 0, count / coding.wires, first - count)
        conductance, pulses = program_conductance(
            key, actual, conductance, middle + share * step, step, active, most
        )
        stands = (conductance - middle) / step
        made = stands if coding.wires == 1 else jnp.where(wire == 0, 0, first - stands)
        return (left - factor * made, stands, total + pulses), conductance

    rows = (
        jax.random.split(key, elements),
        *(jax.tree.map(stacked, *part) for part in devices),
        stacked(*digits),
        jnp.repeat(float(coding.base) ** jnp.arange(coding.digits - 1, -1, -1), coding.wires),
        jnp.tile(jnp.arange(coding.wires), coding.digits),
    )
    (_, _, pulses), written = jax.lax.scan(one, (target, jnp.zeros_like(target), jnp.zeros(())), rows)
    shape = (coding.digits, coding.wires, *target.shape)
    return tuple(written.reshape(shape)[::-1]), pulses
