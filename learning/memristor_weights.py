"""Weights that are conductances: how many devices a weight has, and what their conductances say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from charz.devices.memristor import AbstractMemristor, LinearMemristor
from charz.errors import TrainError

# Conductances of one array of weights, least significant digit first, each (wires, *shape), in S.
Digits = tuple[Float[Array, "wires ..."], ...]


class Memristors(NamedTuple):
    """Devices of a network: what they are, and what the controller believes of them."""

    actual: AbstractMemristor
    believed: AbstractMemristor


@dataclass(frozen=True)
class Coding:
    r"""A weight in K digits of base B, each one device against a reference or a pair of devices.

    .. math:: w = \eta \sum_{k=0}^{K-1} B^k\,\frac{g_k - g_{ref}}{\Delta g}, \qquad
              w = \eta \sum_{k=0}^{K-1} B^k\,\frac{g_k^+ - g_k^-}{\Delta g}

    (L6), with g_ref the believed symmetry point and Δg the believed step there: one training pulse at the symmetry
    point, which goes to digit 0, changes a weight by η.

    Parameters
    ----------
    step : float
        η > 0, in units of the weight.
    wires : int
        1: a device against the reference; 2: a differential pair.
    digits, base : int
        K ≥ 1 and B ≥ 2.
    span : float
        Weight up to which devices with an open window are to reach down: their reference then lies span/η steps above
        the lowest conductance. Devices with a symmetry point do not need it.

    Raises
    ------
    TrainError
        When a number cannot be.
    """

    step: float
    wires: int = 1
    digits: int = 1
    base: int = 4
    span: float = 8.0

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise TrainError(f"step is {self.step}; it must be positive: the weight change of one pulse")
        if self.wires not in (1, 2):
            raise TrainError(f"wires is {self.wires}; it must be 1 (against a reference) or 2 (a pair)")
        if self.digits < 1:
            raise TrainError(f"digits is {self.digits}; it must be 1 or more: a weight has a working device")
        if self.base < 2:
            raise TrainError(f"base is {self.base}; it must be 2 or more, or a carry would change nothing")

    @property
    def devices(self) -> int:
        """Devices a weight."""
        return self.digits * self.wires

    def reference(self, believed: AbstractMemristor) -> Float[Array, "..."]:
        """Conductance of weight 0, in S: symmetry point, else the middle of the window, else as far up as needed."""
        if not isinstance(believed, LinearMemristor):
            return believed.symmetry_point()
        low, high = jnp.asarray(believed.conductance_min), jnp.asarray(believed.conductance_max)
        above = low + self.span / self.step * self.conductance_step(believed)
        return jnp.where(jnp.isfinite(high), (low + high) / 2, above)

    def conductance_step(self, believed: AbstractMemristor) -> Float[Array, "..."]:
        """Mean size of a step up and a step down at the reference, in S."""
        if isinstance(believed, LinearMemristor):
            return (believed.step_potentiation + believed.step_depression) / 2
        middle = believed.symmetry_point()
        return (believed.potentiation(middle) - believed.depression(middle)) / 2

    def count(self, believed: AbstractMemristor, wires: Float[Array, "wires ..."]) -> Float[Array, "..."]:
        """Steps, with sign, from zero that a digit stands at: (g - g_ref)/Δg, of a pair the difference of two such."""
        steps = (wires - self.reference(believed)) / self.conductance_step(believed)
        return steps[0] - steps[1] if self.wires == 2 else steps[0]

    def weight(self, believed: tuple[AbstractMemristor, ...], digits: Digits) -> Float[Array, "..."]:
        """The weight that conductances stand for, by what is believed of the devices of each digit."""
        counts = (self.count(*both) for both in zip(believed, digits, strict=True))
        total = sum(self.base**power * count for power, count in enumerate(counts))
        return self.step * jnp.asarray(total)


class ArrayDevices(NamedTuple):
    """Devices that store one array of parameters, one pytree a digit, leaves (wires, *shape) or scalar."""

    actual: tuple[AbstractMemristor, ...]
    believed: tuple[AbstractMemristor, ...]


def lay_out_stored(
    devices: Memristors, shapes: PyTree, coding: Coding, is_stored: Callable[[tuple[Any, ...]], bool]
) -> list[ArrayDevices | None]:
    """Cut devices with one axis over all of them into those of each stored array.

    Parameters
    ----------
    devices : Memristors
        Leaves (device,), or scalars, which all weights share.
    shapes : pytree
        Parameters of the network, or anything with their shapes.
    coding : Coding
        Devices a weight.
    is_stored : callable
        Whether the array at this place of `shapes` lies on devices.

    Returns
    -------
    list
        For every array of `shapes`, in order, its devices; None where it does not lie on devices. Devices are taken
        in that order, digit 0 of an array first.
    """
    start, found = 0, list[ArrayDevices | None]()
    for path, leaf in jax.tree_util.tree_leaves_with_path(shapes):
        if not is_stored(path):
            found.append(None)
            continue
        size, shape = coding.wires * leaf.size, (coding.wires, *leaf.shape)
        places = [(start + digit * size, size, shape) for digit in range(coding.digits)]
        found.append(ArrayDevices(*(tuple(_cut(part, *place) for place in places) for part in devices)))
        start += coding.digits * size
    return found


def _cut(devices: PyTree, start: int, size: int, shape: tuple[int, ...]) -> PyTree:
    return on_arrays(lambda leaf: leaf[start : start + size].reshape(shape), devices)


def on_arrays(function: Callable[[Array], Array], devices: PyTree) -> PyTree:
    """Apply to the leaves that differ between devices, and leave alone those that all devices share."""
    return jax.tree.map(lambda leaf: leaf if jnp.ndim(leaf) == 0 else function(leaf), devices)


def join_arrays(pieces: Sequence[PyTree], cut: Callable[[Array], Array]) -> PyTree:
    """Join devices, or conductances, of several arrays in one: `cut` makes (wires, n) of a leaf (wires, *shape)."""

    def join(*leaves: Array) -> Array:
        return leaves[0] if jnp.ndim(leaves[0]) == 0 else jnp.concatenate(list(map(cut, leaves)), axis=1)

    return jax.tree.map(join, *pieces)
