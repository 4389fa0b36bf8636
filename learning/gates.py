"""Gates in a material: descent on control voltages with restarts, measured or by the oracle, in one program."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.material_record import RecordedMaterial
from charz.errors import TrainError
from charz.learning.chunks import CHUNK_SIZE, in_chunks
from charz.learning.estimators.homodyne import homodyne, window_means
from charz.learning.estimators.material_oracle import material_oracle
from charz.learning.gate_checks import check_gates
from charz.learning.gate_descent import DescentState, advance, begin, goes_on, key_without_tones
from charz.learning.gate_reading import GateCriterion, GateReading, read_gate
from charz.learning.rule import Batch, GradientEstimator, UpdateRule, join
from charz.learning.set_losses import SetLoss, cor_sigmoid
from charz.learning.waveform import Waveform, Wiring
from charz.learning.writes.electrodes import electrodes

Gradient = Literal["homodyne", "oracle"]


@dataclass(frozen=True)
class Descent:
    """How long and how far to descend; the step is that of charz's reference run, not the published one.

    Parameters
    ----------
    restarts : int
        Independent random starts of each gate.
    iterations : int
        Measurements of each start, at most.
    rate : float
        Step over gradient, in V² (a loss has no unit, its gradient 1/V). η = 0.02 of the authors' code belongs to
        another scale of the gradient and does not transfer.
    max_step : float
        Largest change of a control in one iteration, in V.
    criterion : GateCriterion
        When a gate is solved.
    stop_margin : float
        A start ends early when a perturbed record exceeds the criterion by this factor; what counts is the
        measurement without tones afterwards.

    Raises
    ------
    TrainError
        When a number is not positive, or the early stop lies below success.
    """

    restarts: int = 5
    iterations: int = 150
    rate: float = 0.4
    max_step: float = 0.1
    criterion: GateCriterion = field(default_factory=GateCriterion)
    stop_margin: float = 1.01

    def __post_init__(self) -> None:
        for name, unit in (("restarts", ""), ("iterations", ""), ("rate", " V²"), ("max_step", " V")):
            if not getattr(self, name) > 0:
                raise TrainError(f"{name} is {getattr(self, name)}{unit}; it must be positive")
        if self.stop_margin < 1:
            raise TrainError(
                f"stop_margin is {self.stop_margin}; below 1 the descent would stop before the gate is solved"
            )


@dataclass(frozen=True)
class GateTask:
    """The bench: timing and tones, wiring, loss, and how the gradient is found.

    Parameters
    ----------
    waveform : Waveform
    wiring : Wiring
    gradient : {"homodyne", "oracle"}
        Measured, or exact through the formula of a simulated device: what the device could do at all.
    loss : SetLoss

    Raises
    ------
    TrainError
        For an unknown gradient, or another number of tones than controls.
    """

    waveform: Waveform
    wiring: Wiring
    gradient: Gradient = "homodyne"
    loss: SetLoss = field(default_factory=cor_sigmoid)

    def __post_init__(self) -> None:
        if self.gradient not in ("homodyne", "oracle"):
            raise TrainError(f"gradient {self.gradient!r} is not known; it must be 'homodyne' or 'oracle'")
        tones = len(self.waveform.tones.frequencies)
        if tones != len(self.wiring.controls):
            raise TrainError(
                f"the waveform has {tones} tones, the wiring {len(self.wiring.controls)} controls; a control without "
                "a tone has no measured derivative"
            )


class GateRuns(NamedTuple):
    """All starts, NumPy arrays (device, gate, restart) and ``theta`` (device, gate, restart, control) in V.

    ``theta`` are the controls that satisfied the criterion best; ``margin``, ``correlation``, ``separation`` (A) and
    ``noise`` (A) are of their measurement without tones, ``solved`` whether it meets the criterion. ``iterations``
    were used, ``redraws`` of the controls were forced by clipping, ``reads`` samples were recorded.
    """

    theta: Float[np.ndarray, "device gate restart control"]
    margin: Float[np.ndarray, "device gate restart"]
    correlation: Float[np.ndarray, "device gate restart"]
    separation: Float[np.ndarray, "device gate restart"]
    noise: Float[np.ndarray, "device gate restart"]
    iterations: Float[np.ndarray, "device gate restart"]
    redraws: Float[np.ndarray, "device gate restart"]
    reads: Float[np.ndarray, "device gate restart"]

    @property
    def solved(self) -> np.ndarray:
        """Starts that ended in success, (device, gate, restart)."""
        return self.margin >= 1


def step_rule(rate: float = 0.4, max_step: float = 0.1) -> optax.GradientTransformation:
    """Plain descent with bounded steps: change = clip(-rate × gradient, ±max_step), in V."""
    return optax.chain(optax.scale(-rate), optax.clip(max_step))


def solve_gates(
    key: PRNGKeyArray,
    devices: RecordedMaterial,
    task: GateTask,
    x: Float[np.ndarray, "case data"],
    targets: Float[np.ndarray, "gate case"],
    descent: Descent = Descent(),
    chunk_size: int = CHUNK_SIZE,
    on_progress: Callable[[int, int], None] | None = None,
) -> GateRuns:
    """Descend from every start for every gate on every device, all in one compiled program.

    Parameters
    ----------
    key : PRNG key
        The same key gives the same starts, whatever the gradient.
    devices : RecordedMaterial
        Leaves with a leading axis: devices, or posterior draws of one.
    task : GateTask
    x : array (case, data)
        Data voltages, in V.
    targets : array (gate, case)
        Outputs, 0 or 1.
    descent : Descent
    chunk_size : int
        Starts together; memory is that of their records and of the material's hidden units over them.
    on_progress : callable, optional
        ``on_progress(done, total)`` starts.

    Returns
    -------
    GateRuns

    Raises
    ------
    TrainError
        When targets are constant or not 0 and 1, or voltages do not fit the device.
    """
    x, targets = np.asarray(x, np.float32), np.asarray(targets)
    lowest, highest = np.asarray(devices.material.lowest), np.asarray(devices.material.highest)
    check_gates(lowest, highest, devices.sampling_rate, task.waveform, task.wiring, x, targets)
    num_devices, num_gates = devices.material.lowest.shape[0], targets.shape[0]
    shape = (num_devices, num_gates, descent.restarts)

    def one_chunk(rows: Array) -> Array:
        device, gate, _ = jnp.unravel_index(rows, shape)
        chosen = jax.tree.map(lambda leaf: leaf[device], devices)
        return _run_chunk(key, rows, chosen, jnp.asarray(x), jnp.asarray(targets)[gate], task, descent)

    found = in_chunks(one_chunk, int(np.prod(shape)), chunk_size, on_progress)
    columns = found.reshape(*shape, -1)
    controls = len(task.wiring.controls)
    return GateRuns(columns[..., :controls], *np.moveaxis(columns[..., controls:], -1, 0))


@partial(jax.jit, static_argnames=("task", "descent"))
def _run_chunk(
    key: PRNGKeyArray,
    rows: Array,
    devices: RecordedMaterial,
    x: Array,
    targets: Array,
    task: GateTask,
    descent: Descent,
) -> Float[Array, "row column"]:
    def one(row: Array, device: RecordedMaterial, target: Array) -> Array:
        return _one_start(jax.random.fold_in(key, row), device, Batch(x, target), task, descent)

    return jax.vmap(one)(rows, devices, targets)


def _one_start(
    key: PRNGKeyArray, device: RecordedMaterial, batch: Batch, task: GateTask, descent: Descent
) -> Float[Array, " column"]:
    low, high = control_limits(device, task)

    def start(key: PRNGKeyArray) -> Array:
        return jax.random.uniform(key, low.shape, minval=low, maxval=high)

    rule = join(
        _estimator(device, task), step_rule(descent.rate, descent.max_step), electrodes(low, high), start
    )
    carry = _descend(key, rule, start, batch, descent)
    reading, reads = _without_tones(key_without_tones(key), device, carry.best, batch, task)
    numbers = [
        descent.criterion.margin(reading), reading.correlation, reading.separation, reading.noise,
        carry.iteration.astype(low.dtype), carry.redraws, carry.reads + reads,
    ]  # fmt: skip
    return jnp.concatenate([carry.best, jnp.stack(numbers)])


def _descend(
    key: PRNGKeyArray,
    rule: UpdateRule,
    start: Callable[[PRNGKeyArray], Array],
    batch: Batch,
    descent: Descent,
) -> DescentState:
    return jax.lax.while_loop(
        lambda state: goes_on(state, descent.iterations, descent.stop_margin),
        lambda state: advance(key, rule, start, batch, descent.criterion, state),
        begin(key, rule),
    )


def _estimator(device: RecordedMaterial, task: GateTask) -> GradientEstimator:
    if task.gradient == "oracle":
        return material_oracle(device.material, task.wiring, task.loss)
    return homodyne(device.measure, task.waveform, task.wiring, task.loss, clip=device.material.clip)


def _without_tones(
    key: PRNGKeyArray, device: RecordedMaterial, theta: Array, batch: Batch, task: GateTask
) -> tuple[GateReading, Array]:
    """Read the gate at the best controls: measured for the homodyne gradient, noise-free for the oracle."""
    levels = task.wiring.levels(batch.x, theta)
    if task.gradient == "oracle":
        limit = device.material.clip
        current = jnp.clip(device.material.current(levels), -limit, limit)
        return read_gate(current, device.material.noise, batch.y), jnp.zeros(())
    voltage = task.waveform.voltage(levels, task.wiring.controls, perturbed=False)
    windows = task.waveform.windows(device.measure(key, voltage), batch.x.shape[0])
    return read_gate(*window_means(windows), batch.y), jnp.asarray(float(voltage.shape[0]))


def control_limits(device: RecordedMaterial, task: GateTask) -> tuple[Array, Array]:
    """Range of each control in V, narrowed by the amplitude of its tone, so that no sine leaves the electrode's."""
    controls = np.asarray(task.wiring.controls)
    room = jnp.asarray(task.waveform.tones.amplitudes, device.material.lowest.dtype)
    return device.material.lowest[controls] + room, device.material.highest[controls] - room
