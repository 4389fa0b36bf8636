"""Gates in a material: found by measured gradients where the oracle says that the device can do them.

Write the table anew with
    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_gates.py
"""

import os
import platform
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from charz.datasets.logic import FUNCTIONS, gates, logic_voltages, truth_table
from charz.devices.material import synthetic_material
from charz.devices.material_record import RecordedMaterial
from charz.errors import TrainError
from charz.learning.gate_report import gate_success, gate_table, success_probability
from charz.learning.gates import Descent, GateTask, control_limits, solve_gates
from charz.learning.tones import Tones
from charz.learning.waveform import Waveform, Wiring

TABLE = Path(__file__).parents[1] / "results" / "gates.md"
RATE = 1e4
# The published XOR run, with the amplitudes of charz's reference run.
TONES = Tones((200.0, 360.0, 520.0, 760.0, 920.0), (0.03, 0.02, 0.02, 0.01, 0.01), 0.05, RATE)
WIRING = Wiring((0, 1), (2, 3, 4, 5, 6))
HOMODYNE = GateTask(Waveform(TONES), WIRING)
ORACLE = GateTask(Waveform(TONES), WIRING, "oracle")
BRIEF = GateTask(Waveform(replace(TONES, window=0.025), slope=0.001, ramp=0.001), WIRING)
NAMES = [gate.name for gate in gates()]
X, TARGETS = logic_voltages(), truth_table(gates())
KEY = jax.random.key(0)
# A device on which the oracle, from twenty other starts, reached each of the six gates at least eleven times.
CAPABLE = 46


@cache
def material(seed):
    return make_material(jax.random.key(seed))


# Compiled as a whole: operation by operation the first call takes twice as long.
make_material = jax.jit(synthetic_material)


def devices(seeds, clip=np.inf):
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(material, seeds))
    limits = jnp.full(len(seeds), clip)
    return RecordedMaterial(eqx.tree_at(lambda one: one.clip, stacked, limits), RATE)


def first(recorded):
    return jax.tree.map(lambda leaf: leaf[0], recorded)


@pytest.fixture(scope="module")
def one_device():
    """A device that can do all six gates, descended from the same starts by record and by oracle."""
    device = devices([CAPABLE])
    return solve_gates(KEY, device, BRIEF, X, TARGETS), solve_gates(KEY, device, ORACLE, X, TARGETS)


def test_six_gates_on_one_device(one_device):
    measured, oracle = one_device
    assert gate_success(oracle).all()
    assert gate_success(measured).sum() >= 0.9 * gate_success(oracle).sum()
    assert gate_success(measured).all()


def test_solved_means_what_the_criterion_says(one_device):
    for runs in one_device:
        expected = (
            (runs.correlation >= 0.95) & (runs.separation >= 3e-9) & (runs.separation >= 5 * runs.noise)
        )
        np.testing.assert_array_equal(runs.solved, expected)
    measured, oracle = one_device
    # One record without tones on top of one an iteration.
    num_samples = BRIEF.waveform.num_samples(4)
    np.testing.assert_allclose(measured.reads, (measured.iterations + 1) * num_samples, rtol=1e-6)
    assert (oracle.reads == 0).all()
    assert (measured.iterations[~measured.solved] == 150).all()
    assert measured.iterations.min() < 150


def test_the_controls_really_make_the_gate(one_device):
    """Asked again without noise, through the formula: every solved gate is one, within what noise allows."""
    measured, _ = one_device
    device = first(devices([CAPABLE]))
    for gate, restart in np.argwhere(measured.solved[0]):
        theta = jnp.asarray(measured.theta[0, gate, restart])
        current = np.asarray(device.material.current(WIRING.levels(jnp.asarray(X, jnp.float32), theta)))
        high, low = current[TARGETS[gate] == 1], current[TARGETS[gate] == 0]
        assert high.min() - low.max() > 2.9e-9
        assert np.corrcoef(current, TARGETS[gate])[0, 1] > 0.94


def test_controls_stay_within_their_ranges_and_leave_room_for_the_tones(one_device):
    device = first(devices([CAPABLE]))
    low, high = control_limits(device, BRIEF)
    np.testing.assert_allclose(low, -0.9 + np.asarray(TONES.amplitudes), rtol=1e-6)
    for runs in one_device:
        assert np.all(runs.theta >= np.asarray(low))
        assert np.all(runs.theta <= np.asarray(high))


@pytest.fixture(scope="module")
def short_runs():
    """A few iterations of six starts, on an amplifier with or without a limit."""
    short = Descent(restarts=6, iterations=12)

    def run(task, clip=np.inf, chunk_size=6):
        return solve_gates(KEY, devices([CAPABLE], clip=clip), task, X, TARGETS[4:5], short, chunk_size)

    return run


def test_a_start_does_not_depend_on_its_companions(short_runs):
    together, apart = short_runs(ORACLE), short_runs(ORACLE, chunk_size=4)
    np.testing.assert_allclose(together.theta, apart.theta, atol=1e-3)
    assert together.theta.shape == (1, 1, 6, 5)
    assert len(np.unique(together.theta[..., 0])) == 6


def test_clipping_draws_the_controls_anew(short_runs):
    limit = 6e-9
    limited, free = short_runs(BRIEF, limit), short_runs(BRIEF)
    assert free.redraws.sum() == 0
    assert limited.redraws.sum() > 0
    # A set that clips under tones is never kept where another did not.
    kept = limited.redraws < limited.iterations
    assert kept.any()
    device = first(devices([CAPABLE]))
    for where in np.argwhere(kept):
        levels = WIRING.levels(jnp.asarray(X, jnp.float32), jnp.asarray(limited.theta[tuple(where)]))
        assert float(jnp.abs(device.material.current(levels)).max()) < limit


def test_a_device_that_cannot_is_told_by_the_oracle():
    # Linear: no threshold of a plane separates XOR, whatever the controls.
    linear = eqx.tree_at(
        lambda recorded: (recorded.material.output_weight, recorded.material.slope),
        devices([CAPABLE]),
        (jnp.zeros((1, 40)), jnp.full((1, 7), 5e-9)),
    )
    runs = solve_gates(KEY, linear, ORACLE, X, TARGETS, Descent(restarts=3, iterations=60))
    # Currents of -9, 0, 0, 9 nA for AND, in the mean: ρ = 2/√6 = 0.816 at best, and the sign is fixed.
    assert not gate_success(runs).any()
    assert float(runs.correlation.max()) == pytest.approx(2 / np.sqrt(6), abs=1e-3)
    assert "0 of 3" in gate_table(NAMES, runs, runs)


def test_the_table_has_a_line_for_each_gate(one_device):
    measured, oracle = one_device
    lines = gate_table(NAMES, measured, oracle).splitlines()
    assert len(lines) == 2 + 6 + 2
    for name, gate, line in zip(NAMES, range(6), lines[2:], strict=False):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        assert cells[:3] == ["0", name, f"{measured.solved[0, gate].sum()} of 5"]
        assert float(cells[4]) >= 0.95
    with pytest.raises(TrainError, match="2 names for 6 gates"):
        gate_table(["a", "b"], measured)


def test_jeffreys_intervals_are_the_published_ones():
    # Brown, Cai and DasGupta (2001), table 5: n = 10, nominal 95 %.
    for count, low, high in ((0, 0.0, 0.217), (1, 0.011, 0.381), (5, 0.224, 0.776), (10, 0.783, 1.0)):
        solved = (np.arange(10) < count)[:, None]
        found = success_probability(solved, 0.95)
        assert found.mean[0] == pytest.approx(count / 10)
        np.testing.assert_allclose([found.low[0], found.high[0]], [low, high], atol=6e-4)


def test_jeffreys_intervals_cover():
    generator = np.random.default_rng(0)
    truth = generator.uniform(0, 1, 4000)
    found = success_probability(generator.random((30, 4000)) < truth)
    covered = np.mean((found.low <= truth) & (truth <= found.high))
    # Exact on average over its prior; over uniform truths within a percent of it.
    assert abs(covered - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 4000) + 0.01


@pytest.mark.parametrize(
    ("solved", "probability", "words"),
    [
        (np.zeros((0, 6)), 0.9, "needs at least one draw"),
        (np.ones((3, 6)), 1.0, r"interval_probability is 1\.0"),
    ],
)
def test_impossible_probabilities_are_refused(solved, probability, words):
    with pytest.raises(TrainError, match=words):
        success_probability(solved, probability)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"restarts": 0}, "restarts is 0"),
        ({"iterations": 0}, "iterations is 0"),
        ({"rate": -0.1}, r"rate is -0\.1 V²"),
        ({"max_step": 0.0}, r"max_step is 0\.0 V"),
        ({"stop_margin": 0.9}, r"stop_margin is 0\.9"),
    ],
)
def test_impossible_descents_are_refused(options, words):
    with pytest.raises(TrainError, match=words):
        Descent(**options)


def test_impossible_tasks_are_refused():
    with pytest.raises(TrainError, match="gradient 'magic' is not known"):
        GateTask(Waveform(TONES), WIRING, "magic")
    with pytest.raises(TrainError, match="5 tones, the wiring 4 controls"):
        GateTask(Waveform(TONES), Wiring((0, 1, 6), (2, 3, 4, 5)))


def narrow(recorded, electrodes, scale=1.0):
    """The same with ranges of fewer electrodes, or smaller ones."""
    return eqx.tree_at(
        lambda one: (one.material.lowest, one.material.highest),
        recorded,
        tuple(scale * end[:, :electrodes] for end in (recorded.material.lowest, recorded.material.highest)),
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"change": lambda one: narrow(one, 6)}, r"ranges of shape \(1, 6\), the wiring 7"),
        ({"change": first}, r"ranges of shape \(7,\)"),
        (
            {"change": lambda one: RecordedMaterial(one.material, 2e4)},
            "sampled at 20000 Hz, the waveform at 10000 Hz",
        ),
        ({"targets": TARGETS[:, :3]}, r"targets \(6, 3\) and data voltages \(4, 2\)"),
        ({"x": X[:, :1]}, r"must be \(gate, case\) and \(case, 2\)"),
        ({"targets": truth_table(FUNCTIONS)}, "a constant output has no correlation"),
        ({"targets": 2 * TARGETS}, "must be 0 and 1"),
        ({"x": 2 * X}, "leave the range of their electrodes"),
        ({"change": lambda one: narrow(one, 7, 0.02), "x": X / 90}, "fill the whole range"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_device_is_refused(changes, words):
    arguments = {"change": lambda one: one, "x": X, "targets": TARGETS} | changes
    device = arguments["change"](devices([CAPABLE]))
    with pytest.raises(TrainError, match=words):
        solve_gates(KEY, device, BRIEF, arguments["x"], arguments["targets"])


SCANNED = 24
CAPABLE_RESTARTS = 20


def fitted_draws(seed, num_samples, num_draws):
    """Posterior draws of a surrogate, fitted to a simulated transfer record of one device."""
    from charz.fitting.run import fit  # only this test fits

    device = first(devices([seed]))
    voltage = np.random.default_rng(seed).uniform(-0.95, 1.25, (num_samples, 7))
    current = np.asarray(device.material.read(jax.random.key(1), jnp.asarray(voltage, jnp.float32)), float)
    record = xr.Dataset(
        {
            "voltage": (("sample", "electrode"), voltage, {"units": "V", "long_name": "control voltage"}),
            "current": ("sample", current, {"units": "A", "long_name": "output current"}),
        },
        attrs={"experiment": "transfer", "source_file": "simulated"},
    )
    posterior = fit(record, "surrogate", key=jax.random.key(0))
    drawn = posterior.devices(jax.random.key(2), num_draws)
    return RecordedMaterial(jax.tree.map(lambda leaf: leaf[:, 0] if leaf.ndim > 1 else leaf, drawn), RATE)


@pytest.mark.slow
def test_gates_on_simulated_devices_and_fitted_draws():
    began = time.perf_counter()
    seeds = np.arange(SCANNED)
    scanned = solve_gates(
        jax.random.key(7), devices(seeds), ORACLE, X, TARGETS, Descent(restarts=CAPABLE_RESTARTS)
    )
    capable = seeds[gate_success(scanned).all(1)]
    assert capable.size >= 3
    chosen = devices(capable[:3])
    measured, oracle = (solve_gates(KEY, chosen, task, X, TARGETS) for task in (HOMODYNE, ORACLE))
    everywhere, everywhere_oracle = (
        solve_gates(KEY, devices(seeds), task, X, TARGETS) for task in (HOMODYNE, ORACLE)
    )
    silent = eqx.tree_at(lambda one: one.material.noise, devices(seeds), jnp.zeros(SCANNED))
    quiet = solve_gates(KEY, silent, HOMODYNE, X, TARGETS)
    functions = [function for function in FUNCTIONS if not function.is_constant]
    sixteen = solve_gates(KEY, devices(capable[:1]), HOMODYNE, X, truth_table(tuple(functions)))
    simulated_seconds = time.perf_counter() - began
    draws = fitted_draws(int(capable[0]), 400, 8)
    on_draws = solve_gates(KEY, draws, BRIEF, X, TARGETS, chunk_size=4)
    probability = success_probability(gate_success(on_draws))
    seconds = time.perf_counter() - began

    assert gate_success(measured).all(1).sum() >= 2
    assert gate_success(measured).mean() >= 0.9 * gate_success(oracle).mean()
    assert gate_success(everywhere).mean() >= 0.9 * gate_success(everywhere_oracle).mean()
    # Without noise both follow the same gradients, from the same starts.
    assert gate_success(quiet).mean() >= 0.9 * gate_success(everywhere_oracle).mean()
    assert np.all((probability.low <= probability.mean) & (probability.mean <= probability.high))
    if os.environ.get("CHARZ_WRITE_RESULTS") != "1":
        return
    reached, reached_oracle = gate_success(everywhere), gate_success(everywhere_oracle)
    shares = [
        f"| {name} | {reached[:, gate].mean():.2f} | {reached_oracle[:, gate].mean():.2f} "
        f"| {everywhere.solved[:, gate].mean():.2f} | {everywhere_oracle.solved[:, gate].mean():.2f} |"
        for gate, name in enumerate(NAMES)
    ]
    rows = [
        f"| {name} | {probability.mean[gate]:.2f} | {probability.low[gate]:.2f} to {probability.high[gate]:.2f} |"
        for gate, name in enumerate(NAMES)
    ]
    text = f"""# Gates in a simulated material, by homodyne gradients (Boon et al., arXiv:2105.11233)

Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_gates.py` on {platform.machine()},
{os.cpu_count()} CPUs; simulated devices {simulated_seconds:.0f} s, with fit and draws {seconds:.0f} s.
Device: `synthetic_material(jax.random.key(seed))`, 7 electrodes, two layers of 40 tanh, 0.3 nA noise a
sample at 10 kHz. Inputs ±0.9 V; five controls in [-0.9, 1.2] V less the tone's amplitude; 50 ms a case,
slopes and ramps 20 ms; tones 40 Hz × (5, 9, 13, 19, 23), 30, 20, 20, 10, 10 mV; loss cor_sigmoid with the
corrected derivative on case means; step 0.4 V² × gradient, at most 0.1 V; at most 5 starts of 150 iterations,
all in one program. A start counts when its best controls, measured again without tones, have ρ ≥ 0.95,
Δ ≥ 3 nA and Δ ≥ 5σ. The oracle descends from the same starts with exact, noise-free gradients and is
judged without noise.

## Three devices that can do all six gates

The first three seeds of {SCANNED} on which the oracle, with {CAPABLE_RESTARTS} other starts, reaches all six
({capable.size} of {SCANNED} do): seeds {capable[0]}, {capable[1]}, {capable[2]}, called 0, 1, 2 below.

{gate_table(NAMES, measured, oracle)}

Devices with all six gates: {gate_success(measured).all(1).sum()} of 3, oracle {gate_success(oracle).all(1).sum()}.
Gates reached: homodyne {gate_success(measured).mean():.2f}, oracle {gate_success(oracle).mean():.2f}.

## All {SCANNED} devices, capable or not

| gate | devices, homodyne | devices, oracle | starts, homodyne | starts, oracle |
|---|---|---|---|---|
{chr(10).join(shares)}

Gates reached: homodyne {reached.mean():.3f}, oracle {reached_oracle.mean():.3f}; starts: homodyne
{everywhere.solved.mean():.3f}, oracle {everywhere_oracle.solved.mean():.3f}. With the noise switched off,
homodyne descent reaches {gate_success(quiet).mean():.3f} of the gates in {quiet.solved.mean():.3f} of the starts,
so where it does better than the oracle, it is the noise that leads it on.
The oracle is a descent, too, and no upper bound.

## The sixteen functions on the first of these devices

FALSE and TRUE are constant: nothing separates, and they are left out.

{gate_table([function.name for function in functions], sixteen)}

## Under uncertainty of the device

A surrogate fitted to 400 simulated reads of the first device; {draws.material.noise.size} posterior draws; slopes
and ramps 1 ms, windows 25 ms. Share of draws on which the gate is reached, with its 90 % Jeffreys interval.

| gate | probability | interval |
|---|---|---|
{chr(10).join(rows)}
"""
    TABLE.write_text(text, encoding="utf-8")
