"""Accuracy of the mean/variance rule against the energy of an inference, over the reads N of a synapse (slow).

Write the table anew with
    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_energy_over_reads.py

What one pulse and one read of a wire cost is not published: the inputs are ours and stand in the table. What does not
depend on them is the ratio of two energies, N to N, and so where more reads no longer pay.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

from charz.learning import Inference, MeanVariance, TrainOptions, evaluate, train
from charz.learning.cost import energy, interval, tops_per_watt
from charz.learning.cost_inputs import cost_inputs

pytestmark = pytest.mark.slow
TABLE = Path(__file__).parents[1] / "results" / "energy-mean-variance.md"
READS = (1, 4, 16, 64)
NUM_SEEDS, NUM_REPEATS, NUM_DRAWS = 8, 16, 4000
OPTIONS = TrainOptions(epochs=100, patience=20)
NANO = 1e-9
INPUTS = """
[cell]
conductance = ["0.5 mS", "2 mS"]
read_voltage = "10 mV"
read_time = "10 ns"
write_voltage = "1 V"
pulse_width = "1 ns"
[periphery]
adc = "2 pJ"
dac = "0.5 pJ"
"""


class Row(NamedTuple):
    accuracy: np.ndarray  # (seed, repeat)
    inference: np.ndarray  # J, (draw,)
    training: np.ndarray  # J, (draw,), mean over seeds
    macs: float
    epochs: float


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    path = tmp_path_factory.mktemp("cost") / "inputs.toml"
    path.write_text(INPUTS, encoding="utf-8")
    return cost_inputs(path, num_draws=NUM_DRAWS)


@pytest.fixture(scope="module")
def rows(digits, wires, inputs):
    found = {num_reads: measure(num_reads, *digits, wires(NUM_SEEDS), inputs) for num_reads in READS}
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        TABLE.write_text(as_markdown(found, inputs), encoding="utf-8")
    return found


def measure(num_reads, data, test, hardware, inputs):
    scheme = MeanVariance((64, 10), num_reads=num_reads)
    trained = train(jax.random.split(jax.random.key(0), NUM_SEEDS), scheme, hardware, data, OPTIONS)
    keys = jax.random.split(jax.random.key(1), NUM_SEEDS)
    accuracy = evaluate(keys, scheme, hardware, trained.state, test, NUM_REPEATS)
    count = scheme.inference_count(Inference())
    learnt = scheme.training_count({name: float(number.mean()) for name, number in trained.counts.items()})
    return Row(
        np.asarray(accuracy),
        energy(count, inputs.cell, inputs.periphery),
        energy(learnt, inputs.cell, inputs.periphery),
        count.macs,
        float(trained.num_epochs.mean()),
    )


def as_markdown(found, inputs):
    lines = [
        "# Accuracy against energy: mean/variance rule on 8×8 digits, 64-10, published mean wire",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_energy_over_reads.py`.",
        f"{NUM_SEEDS} seeds × {NUM_REPEATS} readings of 360 test images, ± is the standard deviation over seeds;",
        f"Adam 0.02, batch 64, at most {OPTIONS.epochs} epochs, patience {OPTIONS.patience}. Energies are counted",
        "events times the inputs below, never measured; brackets hold the central 90 % of draws of the inputs. Each of",
        "the N measurements is a pulse and a read of all 640 wires (also of those whose input is 0: the most it can",
        "cost), 64 conversions in and 10 out; one operation is half a multiply-accumulate, and N measurements are one.",
        "",
        "| input (ours; none is published) | value | from |",
        "|---|---|---|",
    ]
    for row in inputs.table:
        if row.name not in ("driver", "comparator"):
            low, high = interval(row.values)
            value = f"{low:.3g} {row.unit}" if low == high else f"{low:.3g} to {high:.3g} {row.unit}"
            lines.append(f"| {row.name} | {value} | {row.origin} |")
    lines += [
        "",
        "| N | test accuracy | an inference (nJ) | TOPs/W | training (mJ) | epochs | points gained per nJ more |",
        "|---|---|---|---|---|---|---|",
    ]
    gains = ["", *(f"{gain:.2g}" for gain in gains_per_nanojoule(found))]
    for (num_reads, row), gain in zip(found.items(), gains, strict=True):
        seeds = row.accuracy.mean(1)
        lines.append(
            f"| {num_reads} | {seeds.mean():.4f} ± {seeds.std(ddof=1):.4f} | {bracketed(row.inference / NANO)} |"
            f" {bracketed(tops_per_watt(row.inference / row.macs))} | {bracketed(row.training * 1e3)} |"
            f" {row.epochs:.0f} | {gain} |"
        )
    return "\n".join(lines) + "\n"


def bracketed(values):
    low, high = interval(values)
    return f"{np.mean(values):.3g} ({low:.3g} to {high:.3g})"


def gains_per_nanojoule(found):
    """Percentage points of accuracy that a nJ more an inference buys, between neighbouring N."""
    return [
        100
        * (more.accuracy.mean() - less.accuracy.mean())
        / ((more.inference - less.inference).mean() / NANO)
        for less, more in pairwise(found.values())
    ]


def test_energy_is_proportional_to_the_reads(rows):
    for num_reads, row in rows.items():
        np.testing.assert_allclose(row.inference, num_reads * rows[1].inference, rtol=1e-6)


def test_more_reads_are_more_accurate_and_pay_less_and_less(rows):
    """Means over 8 seeds have a standard error of some 0.2 points; between N = 1 and 64 lie several points."""
    accuracy = [row.accuracy.mean() for row in rows.values()]
    gains = gains_per_nanojoule(rows)
    assert accuracy[-1] > accuracy[0] + 0.02
    assert gains[0] > gains[1] > gains[2]


def test_the_interval_is_that_of_the_inputs(rows, inputs):
    """Devices cost in proportion to their conductance, converters the same in every draw."""
    read_and_pulse = 640 * (1e-4 * 1e-8 + 1e-9) * np.asarray(inputs.cell.conductance)
    np.testing.assert_allclose(rows[4].inference, 4 * (read_and_pulse + 64 * 0.5e-12 + 10 * 2e-12), rtol=1e-6)
