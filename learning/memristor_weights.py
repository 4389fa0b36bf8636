"""Weights that are conductances: how many devices a weight has, and what their conductances say."""

from collections.abc import Callable
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


def lay_out_stored(
    devices: PyTree, shapes: PyTree, coding: Coding, is_stored: Callable[[tuple[Any, ...]], bool]
) -> PyTree:
    """Cut devices with one axis over all of them into those of each stored array.

    Parameters
    ----------
    devices : pytree
        Leaves (device,), or scalars, which all weights share.
    shapes : pytree
        Parameters of the network, or anything with their shapes.
    coding : Coding
        Devices a weight.
    is_stored : callable
        Whether the array at this place of `shapes` lies on devices.

    Returns
    -------
    pytree
        That of `shapes`, with a tuple of device pytrees (one a digit, leaves (wires, *shape) or scalar) in place of
        every stored array and None in place of the others.
    """
    start = 0

    def one(path: tuple[Any, ...], leaf: Any) -> Any:
        nonlocal start
        if not is_stored(path):
            return None
        shape = (coding.wires, *leaf.shape)
        size = coding.wires * leaf.size
        digits = []
        for _ in range(coding.digits):
            digits.append(_cut(devices, start, size, shape))
            start += size
        return tuple(digits)

    return jax.tree_util.tree_map_with_path(one, shapes)


def _cut(devices: PyTree, start: int, size: int, shape: tuple[int, ...]) -> PyTree:
    return jax.tree.map(
        lambda leaf: leaf if jnp.ndim(leaf) == 0 else leaf[start : start + size].reshape(shape), devices
    )
