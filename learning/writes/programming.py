"""Program-and-verify: pulses and reads in turn until weights stand where they should, or a limit is reached."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from charz.devices.memristor import AbstractMemristor
from charz.devices.random_words import normal, student_t
from charz.learning.memristor_weights import ArrayDevices, Coding, Digits, on_arrays


def pulse(
    key: PRNGKeyArray,
    device: AbstractMemristor,
    conductance: Float[Array, "..."],
    polarity: Float[Array, "..."],
) -> Float[Array, "..."]:
    """`AbstractMemristor.pulse` with noise that compiled loops draw fast; float32."""
    nu = device.degrees_of_freedom
    noise = normal(key, conductance.shape) if nu is None else student_t(key, conductance.shape, nu)
    return device.after(conductance, polarity, noise)


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

    def goes_on(carry: tuple[Array, ...]) -> Array:
        index, _, polarity, _ = carry
        return (index < most) & (polarity != 0).any()

    def round_of_pulses(carry: tuple[Array, ...]) -> tuple[Array, ...]:
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
    target: Float[Array, "..."],
    active: Bool[Array, "..."],
    most: int,
) -> tuple[Digits, Float[Array, ""]]:
    """Program weights, the most significant device first; each further one makes up for what those before it missed.

    What is left at the end is the miss of the last device alone: half a step of digit 0, and its noise.

    Parameters
    ----------
    key : PRNG key
    devices : ArrayDevices
    coding : Coding
    digits : tuple of array (wires, *shape)
        Conductances before, in S.
    target : array (*shape)
        Wanted weight, in steps of digit 0 from zero.
    active : array of bool (*shape)
        Weights to be programmed.
    most : int
        Pulses a device at most.
    """
    after, left, total = list(digits), target, jnp.zeros(())
    for power in range(coding.digits - 1, -1, -1):
        step = jnp.asarray(coding.conductance_step(devices.believed[power]))
        middle = jnp.asarray(coding.reference(devices.believed[power]))
        count = left if power == 0 else jnp.round(left / coding.base**power)
        wires, stands = list(after[power]), []
        for wire in range(coding.wires):
            own_step, own_middle = (one_wire(value, wire) for value in (step, middle))
            share = count / coding.wires if wire == 0 else stands[0] - count
            wires[wire], pulses = program_conductance(
                jax.random.fold_in(key, 2 * power + wire),
                one_wire(devices.actual[power], wire),
                wires[wire], own_middle + share * own_step, own_step, active, most,
            )  # fmt: skip
            stands.append((wires[wire] - own_middle) / own_step)
            total = total + pulses
        after[power] = jnp.stack(wires)
        left = left - coding.base**power * (stands[0] - stands[1] if coding.wires == 2 else stands[0])
    return tuple(after), total
