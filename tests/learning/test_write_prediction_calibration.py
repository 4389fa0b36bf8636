"""Predicted accuracy of networks whose weights are written into fitted devices covers that on the true population.

Each simulated truth is a population: of memristors, or of tunnel junctions. Some of its devices are measured and
fitted; from the posterior the accuracy of a network is predicted that learns on unmeasured devices (in situ), and
compared with one network on devices of the *true* population, which its controller believes to be the posterior's
typical one. The plug-in prediction puts that device at every place: no spread, no uncertainty.

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_write_prediction_calibration.py

writes the table, a scheme at a time.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from design_pulse_switching import skeleton
from design_pulse_train import train_dataset, up_and_down
from scipy.stats import binom

from charz.devices import SoftBoundsMemristor, ThermalActivation, TwoDirections
from charz.fitting import fit
from charz.learning import (
    BinaryStochastic,
    Design,
    GxnorMtj,
    Inference,
    Scheme,
    TrainOptions,
    predict_accuracy,
)

TABLE = Path(__file__).parents[1] / "results" / "write-prediction-calibration.md"
NUM_TRUTHS = 60
FIT = {"draws": 500, "warmup": 400, "chains": 2}
# One network a draw: 39 exchangeable readings, of which the interval spans the 2nd to the 38th.
MANY, ONE = Design(draws=39, arrays=1, seeds=1, repeats=1), Design(1, 1, 1, 1)
NUM_MEMRISTORS, POLARITY = 12, up_and_down(30)
NUM_JUNCTIONS, NUM_TRIALS, WIDTH, ATTEMPT_TIME = 24, 100, 1e-6, 1e-9
AMPLITUDE = np.linspace(0.2, 1.4, 13)


class Lognormal(NamedTuple):
    """Population of positive parameters: means and standard deviations of their logarithms."""

    centre: jax.Array
    spread: jax.Array

    def sample(self, key, shape):
        """Parameters, each of `shape`."""
        normal = jax.random.normal(key, (len(self.centre), *shape))
        column = (slice(None),) + (None,) * len(shape)
        return jnp.exp(self.centre[column] + self.spread[column] * normal)


def population(key, centre, away, least, most):
    """A population as different from the next as those of laboratories might be (our choice)."""
    key_centre, key_spread = jax.random.split(key)
    moved = jnp.log(jnp.asarray(centre)) + jnp.asarray(away) * jax.random.normal(key_centre, (len(centre),))
    low, high = jnp.asarray(least), jnp.asarray(most)
    return Lognormal(moved, low + (high - low) * jax.random.uniform(key_spread, (len(centre),)))


def memristor_truth(key):
    """Lower end, window and both steps (S), noise of a step relative to it; some additive noise, the same for all."""
    return population(
        key, (2e-6, 18e-6, 1e-6, 1e-6, 0.2), (0.1, 0.1, 0.2, 0.2, 0.2), (0.05,) * 5, (0.2, 0.2, 0.3, 0.3, 0.2)
    )  # fmt: skip


def memristors(truth, key, shape):
    parameters = truth.sample(key, shape)
    return SoftBoundsMemristor(*parameters, additive_noise=jnp.full(shape, 5e-8))


@jax.jit
def pulse_trains(key, devices):
    def pulse(conductance, step):
        key, polarity = step
        after = devices.pulse(key, conductance, jnp.broadcast_to(polarity, conductance.shape))
        conductance = jnp.where(polarity == 0, conductance, after)
        return conductance, conductance

    start = devices.conductance_min + 0.15 * devices.window
    keys = jax.random.split(key, len(POLARITY))
    return jax.lax.scan(pulse, start, (keys, jnp.asarray(POLARITY)))[1].T


def memristor_data(key, truth):
    key_device, key_pulse = jax.random.split(key)
    reads = pulse_trains(key_pulse, memristors(truth, key_device, (NUM_MEMRISTORS,)))
    return train_dataset(np.asarray(reads, float)[:, None, :], POLARITY)


def junction_truth(key):
    """Barrier over kT, critical voltage (V)."""
    return population(key, (40.0, 1.0), (0.1, 0.05), (0.02, 0.02), (0.15, 0.25))


def junctions(truth, key, shape):
    """Set and reset are passages over barriers of their own."""

    def law(key):
        stability, critical = truth.sample(key, shape)
        return ThermalActivation(stability, critical, jnp.full(shape, ATTEMPT_TIME), jnp.full(shape, jnp.nan))

    return TwoDirections(*map(law, jax.random.split(key)))


def junction_data(key, truth):
    key_device, key_count = jax.random.split(key)
    law = junctions(truth, key_device, (NUM_JUNCTIONS, 1)).set.for_width(jnp.asarray(WIDTH))
    chance = np.clip(np.asarray(law.probability(jnp.asarray(AMPLITUDE)), float), 0, 1)
    switched = np.asarray(jax.random.binomial(key_count, NUM_TRIALS, chance))
    return skeleton(NUM_JUNCTIONS, AMPLITUDE, NUM_TRIALS, switched, width=WIDTH)


def both_directions(sample, key, num_draws, shape):
    return TwoDirections(*(sample(one, num_draws, shape) for one in jax.random.split(key)))


class Task(NamedTuple):
    """How truths are drawn, measured, fitted, and what learns on them."""

    truth: Callable[[Any], Lognormal]
    data: Callable[[Any, Lognormal], Any]
    devices: Callable[[Lognormal, Any, tuple[int, ...]], Any]
    model: str
    pair: bool
    scheme: Scheme
    options: TrainOptions
    preprocess: str
    said: str


TASKS = {
    "binary-stochastic": Task(
        memristor_truth, memristor_data, memristors, "soft-bounds", False,
        BinaryStochastic((64, 10), learning_rate=0.1, carry_digits=1), TrainOptions(10, 1, 10), "gray",
        f"{NUM_MEMRISTORS} memristors, {len(POLARITY) - 1} pulses each, `soft-bounds`",
    ),
    "gxnor-mtj": Task(
        junction_truth, junction_data, junctions, "thermal", True,
        GxnorMtj((64, 32, 10), learning_rate=0.05, final_rate=0.01), TrainOptions(20, 100, 20), "signed",
        f"{NUM_JUNCTIONS} junctions, {len(AMPLITUDE)} voltages × {NUM_TRIALS} pulses, `thermal`",
    ),
}  # fmt: skip


class Row(NamedTuple):
    """Ends of both intervals, the accuracy on the true population, and whether the fit converged."""

    low: float
    high: float
    plug_low: float
    plug_high: float
    accuracy: float
    converged: float


def predict_one(key, task, data, test):
    key_truth, key_data, key_fit, key_predict, key_plug_in, key_check = jax.random.split(key, 6)
    truth = task.truth(key_truth)
    posterior = fit(task.data(key_data, truth), task.model, key=key_fit, pool="hierarchical", **FIT)
    typical = posterior.believed()
    believed = TwoDirections(typical, typical) if task.pair else typical

    def predict(key, sample, design):
        return predict_accuracy(
            key, task.scheme, sample, believed, data, test, design=design, options=task.options,
            inference=Inference("deterministic"),
        )  # fmt: skip

    def from_truth(key, num_draws, shape):
        return task.devices(truth, key, (num_draws, *shape))

    def without_spread(key, num_draws, shape):
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_draws, *shape)), believed)

    drawn = partial(both_directions, posterior.new_devices) if task.pair else posterior.new_devices
    prediction, plug_in = predict(key_predict, drawn, MANY), predict(key_plug_in, without_spread, MANY)
    ends = [p.attrs[f"accuracy_{name}"] for p in (prediction, plug_in) for name in ("q05", "q95")]
    return Row(*ends, predict(key_check, from_truth, ONE)["accuracy"].item(), posterior.converged)


def run(name, problem, num_truths, seed=0):
    """Columns over the truths."""
    task = TASKS[name]
    rows = []
    for index, key in enumerate(jax.random.split(jax.random.key(seed), num_truths)):
        rows.append(predict_one(key, task, *problem))
        print(name, index, np.round(rows[-1], 3), flush=True)  # noqa: T201
    return Row(*np.array(rows, float).T)


def covered(low, high, accuracy):
    return int(((low <= accuracy) & (accuracy <= high)).sum())


HEADING = """# Coverage of predicted accuracy of networks whose weights are written by pulses (90 %), simulated truths

Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_write_prediction_calibration.py`.
Each truth is a population of devices, of which some are measured and fitted (hierarchical, NUTS). Networks learn 8×8
digits in situ on 39 posterior draws; compared with one network on the true population; read without noise. The plug-in
puts the typical device of the posterior at every place. No fit is left out. `below / above`: accuracies outside the
interval; `width`: mean, in points; `calibrated`: what a 90 % interval covers with 99 % probability; `converged`: fits
within charz's limits.

| scheme | network | measured | prediction | truths | covered | below / above | width | calibrated | converged |
|---|---|---|---|---|---|---|---|---|---|
"""


def write(name, rows):
    task, number = TASKS[name], len(rows.accuracy)
    low, high = binom.ppf([0.005, 0.995], number, 0.9)
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.is_file() else HEADING.splitlines()
    lines = [line for line in lines if not line.startswith(f"| {name} |")]
    for said, ends in (("posterior", (rows.low, rows.high)), ("plug-in", (rows.plug_low, rows.plug_high))):
        below, above = int((rows.accuracy < ends[0]).sum()), int((rows.accuracy > ends[1]).sum())
        width = 100 * (ends[1] - ends[0]).mean()
        lines.append(
            f"| {name} | {'-'.join(map(str, task.scheme.architecture.sizes(name)))} | {task.said} | {said} | {number} |"
            f" {covered(*ends, rows.accuracy)} | {below} / {above} | {width:.1f} | {low:.0f} to {high:.0f} |"
            f" {int(rows.converged.sum())} |"
        )
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_intervals_are_calibrated(name, load_digits):
    rows = run(name, load_digits(preprocess=TASKS[name].preprocess), NUM_TRUTHS)
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        write(name, rows)
    low, high = binom.ppf([0.005, 0.995], NUM_TRUTHS, 0.9)
    assert low <= covered(rows.low, rows.high, rows.accuracy) <= high
