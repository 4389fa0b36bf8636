"""Homodyne gradients in a material: not a layered network, so the parts of its scheme are chosen here."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.material import MaterialSurrogate
from charz.errors import TrainError
from charz.learning.gates import Descent, GateTask
from charz.learning.tone_plan import TonePlan, plan_tones
from charz.learning.waveform import Waveform, Wiring

NAME = "homodyne"
SOURCE = "Boon et al., Nature Communications (2025), arXiv:2105.11233"
# Voltages of 0 and 1 where the electrodes allow them (charz's choice).
LOGIC_VOLTAGE = 0.9
NUM_CURVATURE_POINTS = 256


@dataclass(frozen=True)
class Bench:
    """How gates are measured in a material.

    Parameters
    ----------
    sampling_rate : float
        In Hz (authors' code: 10 kHz).
    window : float
        Time of one case, in s (authors' code: 50 ms).
    data : tuple of int
        The two electrodes that carry the inputs; all others are controls.
    restarts, iterations : int
        Starts of each gate, and measurements of each start, at most.

    Raises
    ------
    TrainError
        When the two data electrodes are not two different ones.
    """

    sampling_rate: float = 1e4
    window: float = 0.05
    data: tuple[int, int] = (0, 1)
    restarts: int = 5
    iterations: int = 150

    def __post_init__(self) -> None:
        if len(self.data) != 2 or len(set(self.data)) != 2 or min(self.data) < 0:
            raise TrainError(
                f"data electrodes {self.data} must be two different ones, counted from 0: a gate has two inputs"
            )

    def wiring(self, num_electrodes: int) -> Wiring:
        """Data and control electrodes of a device.

        Raises
        ------
        TrainError
            When the device has no such data electrode, or none left for control.
        """
        controls = tuple(e for e in range(num_electrodes) if e not in self.data)
        if max(self.data) >= num_electrodes or not controls:
            raise TrainError(
                f"data electrodes {self.data} on a device of {num_electrodes} electrodes: both must exist, and at least"
                " one other must be left as control"
            )
        return Wiring(self.data, controls)

    def descent(self) -> Descent:
        """Steps and stop of charz's reference run, with these restarts and iterations."""
        return Descent(restarts=self.restarts, iterations=self.iterations)

    def tones(self, key: PRNGKeyArray, believed: MaterialSurrogate) -> TonePlan:
        """Plan tones for the controls from what is believed of the device: its noise and its curvature."""
        wiring = self.wiring(believed.lowest.shape[-1])
        third = third_derivatives(key, believed)[np.asarray(wiring.controls)]
        return plan_tones(
            len(wiring.controls),
            window=self.window,
            sampling_rate=self.sampling_rate,
            noise_density=float(2 * believed.noise**2 / self.sampling_rate),
            curvature=[float(c) for c in third],
        )

    def task(self, plan: TonePlan, num_electrodes: int) -> GateTask:
        """The measurement of all gates with planned tones."""
        return GateTask(Waveform(plan.tones), self.wiring(num_electrodes))

    def logic_levels(self, believed: MaterialSurrogate) -> tuple[float, float]:
        """Voltages of 0 and 1 in V: ±0.9 V, or less where a data electrode's range is smaller."""
        low, high = (np.asarray(end)[list(self.data)] for end in (believed.lowest, believed.highest))
        return max(-LOGIC_VOLTAGE, float(low.max())), min(LOGIC_VOLTAGE, float(high.min()))


def third_derivatives(key: PRNGKeyArray, material: MaterialSurrogate) -> Float[Array, " electrode"]:
    """Root mean square of the third derivative along each electrode over its ranges, in A/V³."""
    shape = (NUM_CURVATURE_POINTS, material.lowest.shape[-1])
    points = jax.random.uniform(key, shape, minval=material.lowest, maxval=material.highest)

    def along(point: Array, direction: Array) -> Array:
        def line(step: Array) -> Array:
            return material.current(point + step * direction)

        return jax.grad(jax.grad(jax.grad(line)))(0.0)

    directions = jnp.eye(shape[1])
    each = jax.vmap(jax.vmap(along, (None, 0)), (0, None))(points, directions)
    return jnp.sqrt(jnp.square(each).mean(0))
