"""What a network is made of, in one description: ``32C5-MP2-64C5-MP2-512-10``."""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from charz.errors import TrainError


class Dense(NamedTuple):
    """A layer in which every input meets every neuron."""

    units: int

    def __str__(self) -> str:
        return str(self.units)


class Conv(NamedTuple):
    """A convolution of stride 1, ``padding`` zeros around the image, then the largest of each ``pool`` × ``pool``."""

    channels: int
    kernel: int
    padding: int = 0
    pool: int = 1

    def __str__(self) -> str:
        padding = f"P{self.padding}" if self.padding else ""
        pool = f"-MP{self.pool}" if self.pool > 1 else ""
        return f"{self.channels}C{self.kernel}{padding}{pool}"


LayerSpec = Dense | Conv
_PART = re.compile(r"(?P<channels>\d+)C(?P<kernel>\d+)(P(?P<padding>\d+))?|MP(?P<pool>\d+)|(?P<units>\d+)")
GRAMMAR = (
    "parts joined by -: a number of neurons (512), channels C kernel (32C5), the same with zeros around the image"
    " (128C3P1), or MP and a size after a convolution (MP2: max-pooling)"
)


@dataclass(frozen=True)
class Architecture:
    """Layers with weights, in order; hashable.

    Parameters
    ----------
    inputs : tuple of int
        Shape of a sample: (features,), or (height, width, channels).
    layers : tuple of Dense or Conv
        The last one has a neuron a class.

    Raises
    ------
    TrainError
        When a layer cannot follow the one before.
    """

    inputs: tuple[int, ...]
    layers: tuple[LayerSpec, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise TrainError("a network has at least one layer: its outputs")
        if not self.inputs or min(self.inputs) < 1:
            raise TrainError(f"inputs of shape {self.inputs}: each axis needs 1 or more")
        before = self.inputs
        for layer in self.layers:
            _check_layer(layer, before)
            before = _shape_after(layer, before)
        if not isinstance(self.layers[-1], Dense):
            raise TrainError(f"network {self} ends in a convolution; its last part is the number of classes")

    @property
    def num_inputs(self) -> int:
        """Inputs a sample."""
        return math.prod(self.inputs)

    @property
    def num_outputs(self) -> int:
        """Neurons of the last layer."""
        return self.shapes[-1][-1]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of a sample before the first layer, and after each one."""
        shapes = [self.inputs]
        for layer in self.layers:
            shapes.append(_shape_after(layer, shapes[-1]))
        return shapes

    @property
    def weight_shapes(self) -> list[tuple[int, int]]:
        """Weights (inputs of a neuron, neurons) of each layer; a convolution's kernel is (row, column, channel)."""
        return [
            (layer.kernel**2 * before[-1], layer.channels)
            if isinstance(layer, Conv)
            else (math.prod(before), layer.units)
            for layer, before in zip(self.layers, self.shapes, strict=False)
        ]

    @property
    def positions(self) -> list[int]:
        """How often each layer's weights are used for a sample: places of the image, 1 for a dense layer."""
        return [
            (before[0] + 2 * layer.padding - layer.kernel + 1)
            * (before[1] + 2 * layer.padding - layer.kernel + 1)
            if isinstance(layer, Conv)
            else 1
            for layer, before in zip(self.layers, self.shapes, strict=False)
        ]

    @property
    def num_weights(self) -> int:
        """Weights of all layers, biases apart."""
        return sum(inputs * outputs for inputs, outputs in self.weight_shapes)

    def sizes(self, scheme: str) -> tuple[int, ...]:
        """Neurons a layer, inputs first, for a scheme whose layers are all dense.

        Raises
        ------
        TrainError
            When there is a convolution.
        """
        if any(isinstance(layer, Conv) for layer in self.layers):
            raise TrainError(
                f"network {self} has convolutions; scheme {scheme!r} is defined for dense layers, for example"
                " --network 64-10"
            )
        return (self.num_inputs, *(layer.units for layer in self.layers if isinstance(layer, Dense)))

    def __str__(self) -> str:
        return "-".join(map(str, self.layers))


def dense(*sizes: int) -> Architecture:
    """Dense layers of these sizes, inputs first: ``dense(784, 300, 10)``.

    Raises
    ------
    TrainError
        For fewer than two sizes, or one below 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise TrainError(f"sizes {sizes} must be at least inputs and outputs, each 1 or more neurons")
    return Architecture(sizes[:1], tuple(map(Dense, sizes[1:])))


def parse_architecture(text: str, inputs: tuple[int, ...]) -> Architecture:
    """Read a description such as ``32C5-MP2-64C5-MP2-512-10``.

    Parameters
    ----------
    text : str
        Layers after the inputs, the outputs last.
    inputs : tuple of int
        Shape of a sample: (features,), or (height, width, channels).

    Raises
    ------
    TrainError
        Names the part that cannot be read, or cannot stand where it does.
    """
    layers: list[LayerSpec] = []
    for part in text.split("-"):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise TrainError(f"network {text!r}: {part!r} is no layer; it is made of {GRAMMAR}")
        found = {name: int(number) for name, number in match.groupdict(default="0").items()}
        if part.strip().startswith("MP"):
            last = layers[-1] if layers else None
            if not isinstance(last, Conv) or last.pool > 1 or found["pool"] < 1:
                raise TrainError(
                    f"network {text!r}: {part!r} must follow a convolution, and pool 1 or more pixels"
                )
            layers[-1] = last._replace(pool=found["pool"])
        elif found["kernel"] or "C" in part:
            layers.append(Conv(found["channels"], found["kernel"], found["padding"]))
        else:
            layers.append(Dense(found["units"]))
    return Architecture(inputs, tuple(layers))


def _shape_after(layer: LayerSpec, before: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(layer, Dense):
        return (layer.units,)
    height, width = (
        (side + 2 * layer.padding - layer.kernel + 1) // max(layer.pool, 1) for side in before[:2]
    )
    return (height, width, layer.channels)


def _check_layer(layer: LayerSpec, before: tuple[int, ...]) -> None:
    if isinstance(layer, Dense):
        if layer.units < 1:
            raise TrainError(f"a layer of {layer.units} neurons; each needs 1 or more")
        return
    if len(before) != 3:
        raise TrainError(
            f"convolution {layer} needs an image (height, width, channels), and gets inputs of shape {before}: it must"
            " come before all dense layers, and the data must be images"
        )
    if min(layer.channels, layer.kernel, layer.pool) < 1 or layer.padding < 0:
        raise TrainError(f"convolution {layer}: channels, kernel and pool are 1 or more")
    if min(_shape_after(layer, before)) < 1:
        raise TrainError(
            f"convolution {layer} leaves nothing of an image of {before[0]} × {before[1]} pixels"
        )
