"""Layered networks: the shape of theta, and how a flat array of devices is laid out over the layers."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

import jax
from jaxtyping import Array, Float, PyTree

DevicePytree = TypeVar("DevicePytree", bound=PyTree)


class Layer(NamedTuple):
    """One dense layer: ``weight`` (wires, inputs, outputs) or (inputs, outputs), and ``bias`` (outputs,).

    In a network of stochastic synapses `weight` is the *drive* of each wire, in the unit of the law's drive,
    and `wires` is 1, or 2 for a differential pair. In software networks it is the ordinary weight matrix.
    """

    weight: Float[Array, "..."]
    bias: Float[Array, "outputs"]


Theta = tuple[Layer, ...]


def layer_shapes(sizes: Sequence[int], wires: int) -> list[tuple[int, int, int]]:
    """Shapes (wires, inputs, outputs) of the layers between consecutive `sizes`."""
    return [(wires, inputs, outputs) for inputs, outputs in pairwise(sizes)]


def num_synapses(sizes: Sequence[int], wires: int) -> int:
    """Number of devices that a network of these sizes needs."""
    return sum(wires * inputs * outputs for wires, inputs, outputs in layer_shapes(sizes, wires))


def lay_out(devices: DevicePytree, sizes: Sequence[int], wires: int) -> list[DevicePytree]:
    """Cut device parameters with one axis over all synapses into one pytree a layer.

    Parameters
    ----------
    devices : pytree
        Leaves of shape (synapses,), or scalars, which every layer shares.
    sizes, wires
        The network; `num_synapses` devices are needed.

    Returns
    -------
    list of pytree
        One a layer, leaves of shape (wires, inputs, outputs) or scalar.
    """
    return lay_out_shapes(devices, layer_shapes(sizes, wires))


def lay_out_shapes(devices: DevicePytree, shapes: Sequence[tuple[int, ...]]) -> list[DevicePytree]:
    """Cut device parameters with one axis over all devices into one pytree a shape; scalars are shared."""
    layers, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape)

        def cut(leaf: Array, start: int = start, stop: int = stop, shape: tuple[int, ...] = shape) -> Array:
            return leaf if leaf.ndim == 0 else leaf[start:stop].reshape(shape)

        layers.append(jax.tree.map(cut, devices))
        start = stop
    return layers
