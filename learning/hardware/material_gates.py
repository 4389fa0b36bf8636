"""Gates in a real material: the descent of `solve_gates`, around an instrument instead of inside a compiled program."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from charz.devices.material_record import Measure
from charz.errors import TrainError
from charz.learning.estimators.homodyne import homodyne, window_means
from charz.learning.gate_checks import check_gates
from charz.learning.gate_descent import DescentState, advance, begin, goes_on, key_without_tones
from charz.learning.gate_reading import GateReading, read_gate
from charz.learning.gates import Descent, GateRuns, GateTask, step_rule
from charz.learning.hardware.black_box import ElectrodeLimits, MeasureCurrent, as_measure
from charz.learning.rule import Batch, UpdateRule, join
from charz.learning.run_state import fingerprint, load_run, save_run
from charz.learning.writes.electrodes import electrodes

# Columns beside the controls: margin, correlation, separation, noise, iterations, redraws, reads.
NUM_NUMBERS = 7
# Currents in A at which a loss, which is a function, is told from another one.
PROBE = np.asarray([-9e-9, 4e-9, 1e-9, 7e-9], np.float32)


DEFAULT_DESCENT = Descent()


class _Run(NamedTuple):
    """``columns`` (start, column), NaN where not done yet; ``row`` is the start in progress, ``descent`` its state."""

    columns: Float[np.ndarray, "start column"]
    row: np.ndarray
    descent: DescentState


class _Start(NamedTuple):
    key: PRNGKeyArray
    rule: UpdateRule
    draw: Callable[[PRNGKeyArray], Array]
    batch: Batch


def solve_gates_measured(
    key: PRNGKeyArray,
    measure: MeasureCurrent,
    limits: ElectrodeLimits,
    task: GateTask,
    x: Float[np.ndarray, "case data"],
    targets: Float[np.ndarray, "gate case"],
    descent: Descent = DEFAULT_DESCENT,
    *,
    until_solved: bool = False,
    resume: Path | str | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> GateRuns:
    """Descend from every start for every gate on one measured device, start after start.

    Waveform, demodulation, loss, step, projection and criterion are those of `solve_gates`, and so are the keys: with
    a simulated device behind `measure` that gives the same records, the numbers are the same.

    Parameters
    ----------
    key : PRNG key
        Of the starts.
    measure : callable
        ``measure(voltage (time, electrode) in V) -> current (time,) in A``, for example a `Bench`.
    limits : ElectrodeLimits
        Ranges that controls and data must keep, the amplifier's limit, and the sampling rate.
    task : GateTask
        With the gradient "homodyne".
    x : array (case, data)
        Data voltages, in V.
    targets : array (gate, case)
        Outputs, 0 or 1.
    descent : Descent
    until_solved : bool
        Leave out the remaining starts of a gate once one solved it: their numbers are NaN.
    resume : path, optional
        File for the state of the run, written whole after each iteration. Where it exists the run goes on from
        there; the record that was being measured is measured again.
    on_progress : callable, optional
        ``on_progress(done, total, text)`` iterations, `total` at most; after each.

    Returns
    -------
    GateRuns
        With one device.

    Raises
    ------
    TrainError
        For the gradient "oracle", where the task does not fit the limits (`check_gates`), or where the file belongs
        to another run.
    HardwareError
        When a record is not one finite current a sample, and whatever `measure` raises.
    """
    x, targets = np.asarray(x, np.float32), np.asarray(targets)
    _check(limits, task, x, targets)
    total, num_controls = targets.shape[0] * descent.restarts, len(task.wiring.controls)
    black_box = as_measure(measure)

    def start_of(row: int) -> _Start:
        batch = Batch(jnp.asarray(x), jnp.asarray(targets[row // descent.restarts]))
        return _start(jax.random.fold_in(key, row), black_box, limits, task, descent, batch)

    columns = np.full((total, num_controls + NUM_NUMBERS), np.nan, np.float32)
    run = _Run(columns, np.asarray(0), begin(key, start_of(0).rule))
    identity = _identity(key, limits, task, x, targets, descent, until_solved)
    if resume is not None and Path(resume).exists():
        run = load_run(resume, identity, run)

    def keep(run: _Run) -> None:
        if resume is not None:
            save_run(resume, identity, run)
        if on_progress is not None:
            row = int(run.row)
            done = row * descent.iterations + (int(run.descent.iteration) if row < total else 0)
            gate, restart = divmod(min(row, total - 1), descent.restarts)
            on_progress(done, total * descent.iterations, f"gate {gate + 1}, start {restart + 1}")

    for row in range(int(run.row), total):
        start = start_of(row)
        if row > run.row:
            run = _Run(run.columns, np.asarray(row), begin(start.key, start.rule))
        elif run.descent.iteration == 0:
            run = run._replace(descent=begin(start.key, start.rule))
        if until_solved and _is_solved(run.columns, row, descent.restarts, num_controls):
            continue
        while goes_on(run.descent, descent.iterations, descent.stop_margin):
            state = advance(start.key, start.rule, start.draw, start.batch, descent.criterion, run.descent)
            run = run._replace(descent=state)
            keep(run)
        run.columns[row] = _finish(start, run.descent, black_box, task, descent)
    run = run._replace(row=np.asarray(total))
    keep(run)
    return _as_runs(run.columns, targets.shape[0], descent.restarts, num_controls)


def _start(
    key: PRNGKeyArray,
    measure: Measure,
    limits: ElectrodeLimits,
    task: GateTask,
    descent: Descent,
    batch: Batch,
) -> _Start:
    low, high = (jnp.asarray(end) for end in limits.of_controls(task.waveform, task.wiring))

    def draw(key: PRNGKeyArray) -> Array:
        return jax.random.uniform(key, low.shape, minval=low, maxval=high)

    estimator = homodyne(measure, task.waveform, task.wiring, task.loss, clip=limits.clip)
    rule = join(estimator, step_rule(descent.rate, descent.max_step), electrodes(low, high), draw)
    return _Start(key, rule, draw, batch)


def _finish(
    start: _Start, state: DescentState, measure: Measure, task: GateTask, descent: Descent
) -> Float[np.ndarray, " column"]:
    """Measure the best controls without tones: these numbers count."""
    levels = task.wiring.levels(start.batch.x, state.best)
    voltage = task.waveform.voltage(levels, task.wiring.controls, perturbed=False)
    record = measure(key_without_tones(start.key), voltage)
    current, noise = window_means(task.waveform.windows(record, start.batch.x.shape[0]))
    reading: GateReading = read_gate(jnp.asarray(current), jnp.asarray(noise), start.batch.y)
    numbers = [
        descent.criterion.margin(reading), reading.correlation, reading.separation, reading.noise,
        state.iteration, state.redraws, state.reads + voltage.shape[0],
    ]  # fmt: skip
    return np.concatenate([np.asarray(state.best), np.asarray(numbers, np.float32)])


def _is_solved(columns: np.ndarray, row: int, restarts: int, num_controls: int) -> bool:
    """Whether an earlier start of the same gate met the criterion."""
    return bool((columns[row - row % restarts : row, num_controls] >= 1).any())


def _as_runs(columns: np.ndarray, gates: int, restarts: int, num_controls: int) -> GateRuns:
    shaped = columns.reshape(1, gates, restarts, -1)
    return GateRuns(shaped[..., :num_controls], *np.moveaxis(shaped[..., num_controls:], -1, 0))


def _identity(
    key: PRNGKeyArray,
    limits: ElectrodeLimits,
    task: GateTask,
    x: np.ndarray,
    targets: np.ndarray,
    descent: Descent,
    until_solved: bool,
) -> str:
    value, slope = task.loss(jnp.asarray(np.resize(PROBE, targets.shape[1])), jnp.asarray(targets[0]))
    what = (jax.random.key_data(key), limits, task.waveform, task.wiring, x, targets, descent, until_solved)
    return fingerprint([*what, value, slope])


def _check(limits: ElectrodeLimits, task: GateTask, x: np.ndarray, targets: np.ndarray) -> None:
    if task.gradient != "homodyne":
        raise TrainError(
            f"gradient {task.gradient!r} needs the formula of a simulated device; an instrument has none: use "
            "'homodyne'"
        )
    lowest, highest = np.asarray(limits.lowest)[None], np.asarray(limits.highest)[None]
    check_gates(lowest, highest, limits.sampling_rate, task.waveform, task.wiring, x, targets)
