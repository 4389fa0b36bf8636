"""Ternary networks whose weights are pairs of tunnel junctions, written by pulses that switch them by chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from charz.devices.directions import TwoDirections
from charz.devices.junction_pair import JunctionPairs
from charz.errors import TrainError
from charz.learning.cost import Count, inference_count
from charz.learning.inference import SINGLE_SHOT, Inference
from charz.learning.network import lay_out_shapes
from charz.learning.pulse_code import Coding, PulseCode, check_law
from charz.learning.rule import Batch, RuleState, UpdateRule, WriteScheme
from charz.learning.schemes.contract import DeviceRole
from charz.learning.schemes.quantized import QuantizedScheme
from charz.learning.writes.junction_pairs import Addressing, junction_pairs


@dataclass(frozen=True)
class GxnorMtj(QuantizedScheme):
    r"""GXNOR on two junctions a weight: the discrete transition is what the junctions make of a pulse.

    Parameters
    ----------
    network, learning_rate, final_rate, threshold, window
        As of every quantized scheme.
    transition_gain : float
        m, of the inverse code.
    coding : {"inverse", "linear"}
        Pulse width through the inverse of the believed switching curve, or proportional to the wanted share of a step.
    addressing : {"both", "first", "unswitched"}
        Junctions of a pair that a pulse reaches, see `charz.learning.writes.junction_pairs`.
    overdrive : float or None
        Amplitude of the pulses in units of the believed critical drive; None: 2, thermal activation 0.9.
    full_width : float or None
        Width, in s, of the pulse of a whole step; None: that by which the believed junction switches in 99.9 %.
    """

    name: ClassVar[str] = "gxnor-mtj"
    source: ClassVar[str] = "Greenberg et al., Semicond. Sci. Technol. 36, 114003 (2021)"
    devices: ClassVar[DeviceRole | None] = "switch"

    states: Literal["ternary"] = "ternary"
    transition_gain: float = 3.0
    coding: Coding = "inverse"
    addressing: Addressing = "both"
    overdrive: float | None = None
    full_width: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.states != "ternary":
            raise TrainError(f"states {self.states!r}: a pair of junctions has three, choose 'ternary'")
        self.code  # noqa: B018 - checks the choices

    @property
    def code(self) -> PulseCode:
        """Choices of the pulse code."""
        return PulseCode(self.coding, self.transition_gain, self.overdrive, self.full_width)

    @property
    def num_devices(self) -> int:
        """Two junctions a weight."""
        return 2 * self.architecture.num_weights

    def hardware(self, actual: TwoDirections, believed: TwoDirections) -> JunctionPairs:
        """Junctions that are `actual` and are thought to be `believed`.

        Raises
        ------
        TrainError
            For laws that do not know the width of a pulse.
        """
        for law in (actual.set, actual.reset, believed.set, believed.reset):
            check_law(law)
        return JunctionPairs(actual, believed)

    def inference_count(self, inference: Inference) -> Count:
        """One pass, in which both junctions of each weight are read; ternary signals on lines and comparators.

        The inputs of the first layer are not ternary: they are converted.
        """
        passes = inference.votes if inference.mode == "votes" else 1
        return inference_count(self.architecture, passes=passes, binary=True, devices=2, analog_inputs=True)

    def training_count(self, counts: Mapping[str, float]) -> Count:
        """Pulses by their own widths, which were counted."""
        return super().training_count(counts)._replace(pulses=0.0)

    def rule(self, hardware: JunctionPairs | None = None, num_steps: int = 1) -> UpdateRule:
        """As of every quantized scheme; each weight is read twice a sample, forward and backward."""
        joined = super().rule(hardware, num_steps)
        reads = 2 * self.inference_count(SINGLE_SHOT).reads

        def step(key: PRNGKeyArray, state: RuleState, batch: Batch) -> tuple[RuleState, dict[str, Array]]:
            state, info = joined.step(key, state, batch)
            return state, {**info, "reads": jnp.asarray(reads * len(batch.y), jnp.float32)}

        return joined._replace(step=step)

    def write(self, hardware: JunctionPairs | None) -> WriteScheme:
        """Pulses on pairs of junctions.

        Raises
        ------
        TrainError
            Without devices.
        """
        if hardware is None:
            raise TrainError(
                f"scheme {self.name!r} needs devices: its weights are written by pulses; give a posterior of"
                " pulse_switching data (--device)"
            )
        shapes = [(2, *shape) for shape in self.architecture.weight_shapes]
        actual = lay_out_shapes(hardware.actual, shapes)
        layers = [JunctionPairs(one, hardware.believed) for one in actual]
        return junction_pairs(layers, self.code, self.addressing)
