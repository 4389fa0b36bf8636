"""The paper's recipe on full MNIST: accuracy against the number of reads (slow; the table is committed).

Write the table anew with
    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_mnist_reference.py
"""

import dataclasses
import os
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.datasets import load_images
from charz.devices import DomainWallSynapses, mean_wire
from charz.learning import Backprop, Batch, MeanVariance, TrainingData, TrainOptions, evaluate, train

pytestmark = pytest.mark.slow
RESULTS = Path(__file__).parents[1] / "results"
NUM_REPEATS = 16
READS = (1, 2, 4, 16, 64, 128, None)


class Row(NamedTuple):
    label: str
    accuracy: np.ndarray  # (seed, repeat)
    mean_field: float
    near_binary: float
    spread: float
    epochs: float
    seconds: float


def load(root):
    images = load_images("mnist", root=root)

    def batch(x, y):
        return Batch(jnp.asarray(x), jnp.asarray(y))

    data = TrainingData(
        batch(images.train_x, images.train_y), batch(images.validation_x, images.validation_y)
    )
    return data, batch(images.test_x, images.test_y)


def measure_row(label, scheme, data, test, num_seeds, epochs):
    began = time.perf_counter()
    keys = jax.random.split(jax.random.key(0), num_seeds)
    hardware = None
    if scheme.devices:
        wire = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, num_seeds), mean_wire())
        hardware = DomainWallSynapses(actual=wire, believed=wire)
    trained = train(keys, scheme, hardware, data, TrainOptions(epochs=epochs, patience=20))
    accuracy = evaluate(
        jax.random.split(jax.random.key(1), num_seeds), scheme, hardware, trained.state, test, NUM_REPEATS
    )
    near_binary = spread = float("nan")
    mean_field = float(accuracy.mean())
    if scheme.devices:
        limit = dataclasses.replace(scheme, num_reads=None)
        mean_field = float(evaluate(keys, limit, hardware, trained.state, test, 1).mean())
        active = np.asarray(data.train.x.mean(0)) > 0.02
        p = np.asarray(mean_wire().probability(trained.state.weights[0].weight))[:, :, active]
        near_binary, spread = float(((p < 0.1) | (p > 0.9)).mean()), float((p * (1 - p)).mean())
    row = Row(
        label, np.asarray(accuracy), mean_field, near_binary, spread,
        float(trained.num_epochs.mean()), time.perf_counter() - began,
    )  # fmt: skip
    print(label, row.accuracy.mean(), near_binary, row.seconds, flush=True)  # noqa: T201
    return row


@pytest.fixture(scope="module")
def mnist(data_root):
    if not (data_root / "mnist").is_dir():
        pytest.skip(f"MNIST not found under {data_root}; set CHARZ_DATA")
    return load(data_root)


def measure_rows(mnist, table, file, num_seeds, epochs):
    data, test = mnist
    mean_input = round(float(data.train.x.mean()), 4)
    rows = {
        label: measure_row(
            label,
            dataclasses.replace(scheme, mean_input=mean_input) if scheme.devices else scheme,
            data, test, num_seeds, epochs,
        )
        for label, scheme in table.items()
    }  # fmt: skip
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        (RESULTS / file).write_text(as_markdown(rows.values(), num_seeds, epochs), encoding="utf-8")
    return rows


@pytest.fixture(scope="module")
def rows(mnist):
    table = {
        f"N = {num_reads or '∞ (mean field)'}": MeanVariance((196, 10), num_reads=num_reads)
        for num_reads in READS
    }
    table["perceptron 196-10 (software)"] = Backprop((196, 10))
    return measure_rows(mnist, table, "mnist-mean-variance.md", num_seeds=5, epochs=100)


@pytest.fixture(scope="module")
def hidden_rows(mnist):
    sizes, pair = (196, 64, 10), {"num_reads": 64, "differential": True}
    table = {
        "196-10, N = 64": MeanVariance((196, 10), num_reads=64),
        "196-64-10, N = 64": MeanVariance(sizes, num_reads=64),
        "196-64-10, N = 64, differential pairs": MeanVariance(sizes, **pair),
        "196-64-10 (software, ReLU)": Backprop(sizes, learning_rate=0.002),
    }
    return measure_rows(mnist, table, "mnist-hidden-layer.md", num_seeds=3, epochs=25)


def as_markdown(rows, num_seeds, epochs):
    lines = [
        "# MNIST by the recipe of Ellis et al. 2023 (published mean wire, no spread between wires)",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_mnist_reference.py`.",
        f"{num_seeds} seeds × {NUM_REPEATS} readings of the official 10,000 test images; training on 48,000, best",
        "validation loss on 12,000; 2×2 max-pool, value/255 > 0.5, Adam 0.02 (hidden software network 0.002),",
        f"batch 64, at most {epochs} epochs, patience 20. Reads are exact counts below N = 16, from there on the",
        "Gaussian limit of each neuron's sum. ± is the standard deviation over seeds of the mean over readings.",
        "p statistics of the first layer over inputs active in more than 2 % of the images.",
        "",
        "| network | test accuracy | sd over readings | mean-field read-out | mean p(1-p) | fraction p<.1 or p>.9 |"
        " epochs | wall time (s) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        by_seed = row.accuracy.mean(1)
        cells = [row.label, f"{by_seed.mean():.4f} ± {by_seed.std(ddof=1):.4f}"]
        if np.isnan(row.near_binary):
            cells += [""] * 4  # software: nothing is read, nothing is a probability
        else:
            spread_of_readings = row.accuracy.std(1, ddof=1).mean()
            cells += [f"{spread_of_readings:.4f}", f"{row.mean_field:.4f}", f"{row.spread:.3f}"]
            cells += [f"{row.near_binary:.3f}"]
        cells += [f"{row.epochs:.0f}", f"{row.seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mean(row):
    return row.accuracy.mean()


def test_accuracy_rises_with_reads(rows):
    accuracies = [mean(rows[f"N = {num_reads}"]) for num_reads in READS if num_reads]
    errors = [rows[f"N = {n}"].accuracy.mean(1).std(ddof=1) / 5**0.5 for n in READS if n]
    for low, high, a, b in zip(accuracies, accuracies[1:], errors, errors[1:], strict=False):
        assert high > low - 2 * np.hypot(a, b)
    assert accuracies[-1] - accuracies[0] > 0.02


def test_many_reads_come_close_to_software(rows):
    assert mean(rows["N = 128"]) > mean(rows["perceptron 196-10 (software)"]) - 0.015
    assert abs(mean(rows["N = 128"]) - mean(rows["N = ∞ (mean field)"])) < 0.01


def test_few_reads_make_synapses_binary(rows):
    fractions = [rows[f"N = {num_reads}"].near_binary for num_reads in READS if num_reads]
    assert fractions[0] > 0.95
    assert fractions[-1] < 0.75
    assert all(b < a for a, b in pairwise(fractions))


def test_hidden_layer_and_pairs_close_the_gap(hidden_rows):
    single, hidden, pairs, software = (mean(row) for row in hidden_rows.values())
    assert hidden > single
    assert pairs > hidden + (software - hidden) / 2
