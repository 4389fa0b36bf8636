"""Speed of a prediction on worker processes of this machine: two against one, and against threads of one process.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_cluster_speed.py --benchmark-enable

writes the table anew. Only ratios of one run mean anything. Without --benchmark-enable nothing runs: starting workers
takes longer than any default test may, and what they do is tested in tests/learning/test_cluster.py.
"""

import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from charz.datasets import load_images
from charz.devices import mean_wire
from charz.learning import Batch, Design, MeanVariance, TrainingData, TrainOptions, predict_accuracy
from charz.learning.cluster import local_client

pytest.importorskip("distributed", reason="pip install 'charz[dask]'")
TABLE = Path(__file__).parents[1] / "results" / "benchmark-cluster.md"
SCHEME = MeanVariance((64, 64, 10), num_reads=16, drive_range=(2.6, 6.6))
DESIGN = Design(draws=16, arrays=1, seeds=1, repeats=4)
OPTIONS = TrainOptions(epochs=200, patience=200)
REQUIRED = 1.6
COUNTING = "for _ in range(50_000_000): pass"
PLACES = {"threads of one process": 0, "1 worker": 1, "2 workers": 2}
measured: dict[str, float] = {}
results = {}


def alike(key, num_draws, shape):
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_draws, *shape)), mean_wire())


@pytest.fixture(scope="module")
def predict():
    images = load_images("digits", seed=0)
    training, validation, test = (
        Batch(jnp.asarray(x), jnp.asarray(y))
        for x, y in (
            (images.train_x, images.train_y),
            (images.validation_x, images.validation_y),
            (images.test_x, images.test_y),
        )
    )

    def call(client, design=DESIGN):
        key, data = jax.random.key(0), TrainingData(training, validation)
        return predict_accuracy(
            key,
            SCHEME,
            alike,
            mean_wire(),
            data,
            test,
            design=design,
            options=OPTIONS,
            chunk_size=2,
            client=client,
        )

    return call


@pytest.mark.benchmark(group=f"prediction of {DESIGN.num_networks} networks")
@pytest.mark.parametrize("name", PLACES)
def test_prediction(benchmark, predict, name):
    if not benchmark.enabled:
        pytest.skip("workers take seconds to start; run with --benchmark-enable")
    workers = PLACES[name]
    with local_client(workers) if workers else nullcontext() as client:
        predict(client, DESIGN._replace(draws=8))  # enough chunks that every worker compiles
        results[name] = benchmark.pedantic(predict, args=(client,), rounds=3)
    measured[name] = benchmark.stats.stats.min


def seconds_of(number):
    """Wall time of as many processes side by side, each of which only counts."""
    start = time.perf_counter()
    processes = [subprocess.Popen([sys.executable, "-c", COUNTING]) for _ in range(number)]
    for process in processes:
        assert process.wait() == 0
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def room(request):
    """How many times as much two processes do as one, on this machine at this time: 2 where two cores are free."""
    if not request.config.option.benchmark_enable:
        pytest.skip("timings are taken with --benchmark-enable")
    return 2 * min(seconds_of(1) for _ in range(3)) / min(seconds_of(2) for _ in range(3))


def test_two_workers_do_nearly_twice_as_much(room):
    assert results["1 worker"].identical(results["2 workers"])
    assert results["1 worker"].identical(results["threads of one process"])
    measured["room"] = room
    if room < 1.9:
        pytest.skip(
            f"two processes that only count do {room:.2f} times what one does: no second core is free"
        )
    assert measured["1 worker"] / measured["2 workers"] >= REQUIRED


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and measured.get("room", 0) >= 1.9):
        pytest.skip(
            "the table is written with --benchmark-enable and CHARZ_WRITE_RESULTS=1, where two cores are free"
        )
    lines = [
        f"# Prediction of {DESIGN.num_networks} networks, 64-64-10, N = 16, {OPTIONS.epochs} epochs,"
        f" {os.cpu_count()} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_cluster_speed.py --benchmark-enable`.",
        "Best of three rounds, compilation and start of workers apart; every place gave the same bits. Only ratios of",
        "one run mean anything, and these only of a quiet machine: load average at the end of this run"
        f" {os.getloadavg()[1]:.1f}, of which 1 to 2 its own.",
        "",
        "| place | networks/s | against one worker |",
        "|---|---|---|",
        *(
            f"| {name} | {DESIGN.num_networks / seconds:.2f} | {measured['1 worker'] / seconds:.2f} |"
            for name, seconds in measured.items()
            if name in PLACES
        ),
        "",
        f"Two processes that only count did {measured['room']:.2f} times what one did, after this run.",
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
