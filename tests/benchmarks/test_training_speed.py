"""Speed and memory of the mean/variance rule on 196-64-10, N = 64, as ratios within one run.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_training_speed.py --benchmark-enable

writes the table anew. By default everything runs once, untimed, so that the benchmarks stay alive.
"""

import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices import DomainWallSynapses, mean_wire
from charz.learning import Batch, MeanVariance, TrainingData, TrainOptions, train
from charz.learning.chunks import CHUNK_SIZE, in_chunks
from charz.learning.train import compile_train

TABLE = Path(__file__).parents[1] / "results" / "benchmark-training.md"
SIZES, NUM_READS, BATCH, RATE = (196, 64, 10), 64, 64, 0.02
OPTIONS = TrainOptions(epochs=2, batch_size=BATCH)
NUM_SAMPLES = 6400
SCHEME = MeanVariance(SIZES, num_reads=NUM_READS, mean_input=0.2)
NUM_DRAWS = 64
measured: dict[str, float] = {}


@cache
def data():
    """As many active pixels as MNIST has; labels from a random teacher."""
    rng = np.random.default_rng(0)
    x = (rng.random((NUM_SAMPLES, 196)) < 0.2).astype(np.float32)
    y = (x @ rng.normal(size=(196, 10))).argmax(1).astype(np.int32)
    return x, y


def wires(num_runs):
    wire = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, num_runs), mean_wire())
    return DomainWallSynapses(actual=wire, believed=wire)


def arguments(num_runs):
    x, y = (jnp.asarray(part) for part in data())
    batches = TrainingData(Batch(x, y), Batch(x[:64], y[:64]))
    return jax.random.split(jax.random.key(0), num_runs), SCHEME, wires(num_runs), batches, OPTIONS


def record(benchmark, name, num_samples):
    if benchmark.stats is not None:
        measured[name] = num_samples / benchmark.stats.stats.min


@pytest.mark.benchmark(group="196-64-10, N = 64: training")
def test_one_network(benchmark):
    call = arguments(1)
    train(*call)  # compiles
    benchmark.pedantic(train, args=call, rounds=5)
    record(benchmark, "charz, one network", OPTIONS.epochs * NUM_SAMPLES)


def train_draws():
    """64 posterior draws in chunks, side by side in an array, on the CPUs there are."""
    keys, scheme, hardware, batches, options = arguments(NUM_DRAWS)

    def one_chunk(rows):
        devices = jax.tree.map(lambda leaf: leaf[rows], hardware)
        return train(keys[rows], scheme, devices, batches, options).validation_loss

    return in_chunks(one_chunk, NUM_DRAWS)


@pytest.mark.benchmark(group="196-64-10, N = 64: training")
def test_draws_together(benchmark):
    if not benchmark.enabled:
        pytest.skip("the same program for several networks; run with --benchmark-enable")
    train(*arguments(CHUNK_SIZE))  # compiles
    benchmark.pedantic(train_draws, rounds=2)
    record(benchmark, "charz, 64 draws together", NUM_DRAWS * OPTIONS.epochs * NUM_SAMPLES)


@pytest.mark.benchmark(group="196-64-10, N = 64: training")
def test_numpy_loop(benchmark):
    benchmark.pedantic(numpy_training, args=(*data(), OPTIONS.epochs), rounds=3)
    record(benchmark, "NumPy loop", OPTIONS.epochs * NUM_SAMPLES)


def reserved_megabytes(num_runs):
    memory = compile_train(*arguments(num_runs)).memory_analysis()
    return (memory.temp_size_in_bytes + memory.output_size_in_bytes) / 2**20


def test_memory_is_bounded_by_the_chunk():
    """What XLA reserves for a chunk, data apart: no more than its runs × what one needs."""
    one, chunk = reserved_megabytes(1), reserved_megabytes(CHUNK_SIZE)
    assert chunk <= 1.1 * CHUNK_SIZE * one
    measured.update(memory_one=one, memory_chunk=chunk)


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and "NumPy loop" in measured):
        pytest.skip(
            "timings are taken with --benchmark-enable; the table is written with CHARZ_WRITE_RESULTS=1"
        )
    one, draws, loop = (
        measured[name] for name in ("charz, one network", "charz, 64 draws together", "NumPy loop")
    )
    lines = [
        f"# Training 196-64-10, N = 64 (mean/variance rule), batch 64, {os.cpu_count()} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_training_speed.py --benchmark-enable`.",
        f"{OPTIONS.epochs} epochs of {NUM_SAMPLES} samples, best round, compilation apart. Ratios are of one run.",
        "",
        "| | samples/s (all networks) | against the NumPy loop |",
        "|---|---|---|",
        *(f"| {name} | {rate:,.0f} | {rate / loop:.1f} |" for name, rate in (
            ("NumPy loop", loop), ("charz, one network", one), ("charz, 64 draws together", draws))),
        "",
        f"64 draws trained together cost {NUM_DRAWS * one / draws:.1f} × one network (less than 64 is a gain).",
        f"Memory that XLA reserves: {measured['memory_one']:.1f} MB for one network,"
        f" {measured['memory_chunk']:.1f} MB for a chunk of {CHUNK_SIZE} (one a core), whatever the number of draws.",
    ]  # fmt: skip
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def numpy_training(x, y, epochs):
    """The same arithmetic as a plain eager loop in NumPy: (E2), (E3), (E5), (E6) and Adam."""
    rng = np.random.default_rng(0)
    wire = {name: np.float32(value) for name, value in vars(mean_wire()).items()}
    span = wire["ceiling"] - wire["floor"]
    shapes = list(pairwise(SIZES))
    weights = [
        (wire["location"] + wire["width"] * rng.standard_normal(shape)).astype(np.float32) for shape in shapes
    ]
    biases = [np.zeros(shape[1], np.float32) for shape in shapes]
    theta = [*weights, *biases]
    first, second = ([np.zeros_like(leaf) for leaf in theta] for _ in range(2))
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for rows in order[: len(x) // BATCH * BATCH].reshape(-1, BATCH):
            inputs, slopes, chances, ratios = [x[rows]], [], [], []
            for layer in range(2):
                sigma = sigmoid((theta[layer] - wire["location"]) / wire["width"])
                p = wire["floor"] + span * sigma
                now = inputs[-1]
                mean = now @ p
                variance = mean - (now * now) @ (p * p)
                noise = rng.standard_normal(mean.shape, dtype=np.float32)
                measured_sum = mean + np.sqrt(variance / NUM_READS) * noise
                chances.append(p)
                slopes.append(span * sigma * (1 - sigma) / wire["width"])
                ratios.append((measured_sum - mean) / np.maximum(variance, 1e-6))
                z = measured_sum + theta[2 + layer]
                inputs.append(sigmoid(z) if layer == 0 else z)
            exponent = np.exp(z - z.max(1, keepdims=True))
            delta = exponent / exponent.sum(1, keepdims=True)
            delta[np.arange(BATCH), y[rows]] -= 1
            delta /= BATCH
            gradients = [None] * 4
            for layer in (1, 0):
                now, p = inputs[layer], chances[layer]
                weighted = delta * ratios[layer]
                inner = now.T @ delta + 0.5 * (now.T @ weighted) - p * ((now * now).T @ weighted)
                gradients[layer] = slopes[layer] * inner
                gradients[2 + layer] = delta.sum(0)
                if layer == 1:
                    back = delta @ p.T + 0.5 * (weighted @ p.T) - now * (weighted @ (p * p).T)
                    delta = back * now * (1 - now)
            step += 1
            for index, gradient in enumerate(gradients):
                first[index] = 0.9 * first[index] + 0.1 * gradient
                second[index] = 0.999 * second[index] + 0.001 * gradient**2
                scale = np.sqrt(second[index] / (1 - 0.999**step)) + 1e-8
                theta[index] = theta[index] - RATE * first[index] / (1 - 0.9**step) / scale
    return theta
