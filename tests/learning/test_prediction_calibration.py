"""Predicted accuracy intervals cover the accuracy of networks on the true population (T6).

Each simulated truth is a population of wires. 24 of its wires are measured and fitted; from the posterior the
accuracy of a network is predicted, and compared with one reading of one network on a fresh array of the *true*
population. The plug-in prediction uses the posterior mean for every wire: no spread, no uncertainty.

The full table is written by
    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_prediction_calibration.py
"""

import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from charz.datasets import WirePopulation, draw_wires
from charz.datasets.simulate import SimulatedWires, sweep_settings, wires_dataset
from charz.devices import mean_wire, sample_counts
from charz.fitting import fit
from charz.learning import Design, MeanVariance, TrainOptions, predict_accuracy

TABLE = Path(__file__).parents[1] / "results" / "prediction-calibration.md"
NUM_WIRES, NUM_TRIALS = 24, 100
NUM_TRUTHS = 100
OPTIONS = TrainOptions(epochs=25, patience=8)
DESIGNS = {"transfer": Design(draws=64, arrays=1, seeds=4, repeats=1), "in-situ": Design(24, 1, 1, 2)}
ONE = Design(1, 1, 1, 1)


def true_population(key):
    """Populations as different as laboratories might have: location spread 0.2 to 0.8 (our choice)."""
    wire = mean_wire()
    u = jax.random.uniform(key, (4,))
    return WirePopulation(
        location_mean=wire.location + 0.4 * (u[0] - 0.5),
        location_sd=0.2 * 4 ** u[1],
        log_width_mean=jnp.log(wire.width),
        log_width_sd=0.05 + 0.25 * u[2],
        logit_floor_mean=jnp.log(wire.floor) - jnp.log1p(-wire.floor),
        logit_floor_sd=0.2 + 0.6 * u[3],
    )


@jax.jit
def measure_wires(key, population, amplitude):
    key_wires, key_counts = jax.random.split(key)
    law = draw_wires(key_wires, population, (NUM_WIRES,))
    probability = jax.vmap(law.probability, in_axes=0, out_axes=1)(amplitude)
    return law, sample_counts(key_counts, probability, NUM_TRIALS).astype(jnp.int32)


def predict_one(key, digits, modes):
    """A mode: predicted interval, plug-in interval, accuracy on the true population, whether the fit converged."""
    data, test = digits
    key_truth, key_counts, key_fit, key_predict, key_plug_in, key_check = jax.random.split(key, 6)
    population = true_population(key_truth)
    amplitude = sweep_settings()
    law, counts = measure_wires(key_counts, population, jnp.asarray(amplitude, jnp.float32))
    wires = SimulatedWires(law, population, amplitude, NUM_TRIALS, np.asarray(counts))
    posterior = fit(wires_dataset(wires), "logistic", key=key_fit, pool="hierarchical")
    believed = posterior.believed()
    scheme = MeanVariance((64, 10), num_reads=64, drive_range=(float(amplitude[0]), float(amplitude[-1])))

    def predict(key, sample, mode, design):
        return predict_accuracy(
            key, scheme, sample, believed, data, test, mode=mode, design=design, options=OPTIONS
        )

    def without_spread(key, num_draws, shape):
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_draws, *shape)), believed)

    def from_truth(key, num_draws, shape):
        return draw_wires(key, population, (num_draws, *shape))

    rows = []
    for mode in modes:
        row = []
        for key, sample in ((key_predict, posterior.new_devices), (key_plug_in, without_spread)):
            attrs = predict(key, sample, mode, DESIGNS[mode]).attrs
            row += [attrs["accuracy_q05"], attrs["accuracy_q95"]]
        accuracy = predict(key_check, from_truth, mode, ONE)["accuracy"].item()
        rows.append([*row, accuracy, posterior.converged])
    return rows


def run(modes, digits, num_truths, seed):
    keys = jax.random.split(jax.random.key(seed), num_truths)
    results = np.array([predict_one(key, digits, modes) for key in keys], float)
    return {mode: count(rows) for mode, rows in zip(modes, results.swapaxes(0, 1), strict=True)}


def count(rows):
    low, high, plug_low, plug_high, accuracy, converged = rows.T
    return {
        "covered": int(((low <= accuracy) & (accuracy <= high)).sum()),
        "plug_in": int(((plug_low <= accuracy) & (accuracy <= plug_high)).sum()),
        "width": float((high - low).mean()),
        "plug_width": float((plug_high - plug_low).mean()),
        "converged": int(converged.sum()),
        "number": len(rows),
    }


def calibrated_range(number, probability=0.99):
    """Numbers of covered truths that a calibrated 90 % interval gives with this probability."""
    tail = (1 - probability) / 2
    return scipy.stats.binom.ppf(tail, number, 0.9), scipy.stats.binom.ppf(1 - tail, number, 0.9)


@pytest.mark.slow
def test_a_few_truths_are_covered(digits):
    """A small run first: too few coverages would be a gross error."""
    result = run(("transfer",), digits, num_truths=3, seed=1)["transfer"]
    assert result["covered"] >= calibrated_range(3)[0]
    assert result["width"] > 1.5 * result["plug_width"]


@pytest.mark.slow
def test_intervals_are_calibrated_and_plug_in_is_not(digits):
    began = time.perf_counter()
    results = run(("transfer", "in-situ"), digits, num_truths=NUM_TRUTHS, seed=0)
    seconds = time.perf_counter() - began
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        TABLE.write_text(as_markdown(results, seconds), encoding="utf-8")
    for result in results.values():
        low, high = calibrated_range(result["number"])
        assert low <= result["covered"] <= high
    assert results["transfer"]["plug_in"] < calibrated_range(results["transfer"]["number"])[0]


def as_markdown(results, seconds):
    lines = [
        "# Coverage of predicted accuracy intervals (90 %), simulated truths",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_prediction_calibration.py`.",
        f"Each truth: {NUM_WIRES} simulated wires × 13 settings × {NUM_TRIALS} trials, hierarchical fit, digits,",
        "64-10, mean/variance rule, N = 64; one reading of one network on a fresh array of the true population.",
        "A calibrated interval covers a number of truths in the stated binomial 99 % range.",
        "",
        "| mode | truths | covered by prediction | calibrated range | covered by plug-in | mean width (points) |"
        " plug-in width | fits converged |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for mode, result in results.items():
        number = result["number"]
        low, high = calibrated_range(number)
        lines.append(
            f"| {mode} | {number} | {result['covered']} ({result['covered'] / number:.1%})"
            f" | {low:.0f} to {high:.0f} | {result['plug_in']} ({result['plug_in'] / number:.1%})"
            f" | {100 * result['width']:.2f} | {100 * result['plug_width']:.2f} | {result['converged']}"
            " |"
        )
    lines += ["", f"Wall time {seconds:.0f} s on {os.cpu_count()} cores."]
    return "\n".join(lines) + "\n"
