"""How time and memory grow: with devices, trials, samples, draws, width and workers; one table and one plot.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_scaling_laws.py --benchmark-enable

Each size runs in a process of its own, twice; the second run, which compiles nothing, is timed. Memory is the peak of
the process, compilation included.
"""

import os
import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from design_pulse_switching import skeleton
from matplotlib.figure import Figure
from scipy.special import expit

from charz.datasets import load_images
from charz.devices import mean_wire
from charz.fitting import fit
from charz.learning import (
    Batch,
    Design,
    Gxnor,
    MeanVariance,
    TrainingData,
    TrainOptions,
    predict_accuracy,
    train,
)
from charz.learning.cluster import local_client

RESULTS = Path(__file__).parents[1] / "results"
measured: dict[tuple[str, int], tuple[float, float]] = {}


def counts(num_devices, num_trials):
    generator, amplitude = np.random.default_rng(0), np.linspace(0.5, 1.5, 13)
    location = generator.normal(1, 0.1, (num_devices, 1))
    width = np.exp(generator.normal(np.log(0.1), 0.2, (num_devices, 1)))
    switched = generator.binomial(num_trials, expit((amplitude - location) / width))
    return skeleton(num_devices, amplitude, num_trials, switched)


def fit_population(key, num_devices, num_trials):
    """Devices integrated out."""
    data = counts(num_devices, num_trials)
    fit(data, "logistic-plain", key=key, pool="hierarchical", method="marginal", draws=300)


def fit_record(key, num_samples):
    generator = np.random.default_rng(0)
    state = np.cumsum(generator.random(num_samples) < 0.02) % 2
    signal = 1e-3 * state + 1.5e-4 * generator.standard_normal(num_samples)
    dataset = xr.Dataset(
        {
            "signal": (("device", "time"), signal[None], {"units": "V", "long_name": "signal"}),
            "sample_interval": ("device", [1e-6], {"units": "s", "long_name": "time between samples"}),
        },
        coords={"device": ["a"]},
        attrs={"experiment": "telegraph"},
    )
    fit(dataset, "two-state", key=key, pool="complete", method="laplace")


def alike(key, num_draws, shape):
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_draws, *shape)), mean_wire())


def predict(key, num_draws, client=None):
    """Mean/variance rule, 64-64-10, N = 16, ten epochs of 8×8 digits."""
    images = load_images("digits", seed=0)
    training, validation, test = (
        Batch(jnp.asarray(x), jnp.asarray(y))
        for x, y in (
            (images.train_x, images.train_y),
            (images.validation_x, images.validation_y),
            (images.test_x, images.test_y),
        )
    )
    scheme = MeanVariance((64, 64, 10), num_reads=16, drive_range=(2.6, 6.6))
    predict_accuracy(
        key, scheme, alike, mean_wire(), TrainingData(training, validation), test,
        design=Design(num_draws, 1, 1, 1), options=TrainOptions(epochs=10, patience=10), chunk_size=4, client=client,
    )  # fmt: skip


def learn(key, width):
    """Ternary network 784-width-width-10, one epoch of 20,000 random images, batch 200."""
    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.normal(size=(20_000, 784)), jnp.float32)
    batch = Batch(x, jnp.asarray(generator.integers(0, 10, 20_000)))
    data = TrainingData(batch, Batch(batch.x[:200], batch.y[:200]))
    train(key[None], Gxnor((784, width, width, 10)), None, data, TrainOptions(1, 200, 1))


class Axis(NamedTuple):
    """What grows, how far, and what is fixed beside it."""

    run: Callable
    sizes: tuple[int, ...]
    said: str


AXES = {
    "devices": Axis(
        lambda key, size: fit_population(key, size, 100),
        (200, 2000, 20_000),
        "population fit, devices integrated out, 13 voltages × 100 trials",
    ),
    "trials": Axis(
        lambda key, size: fit_population(key, 200, size),
        (100, 1000, 10_000),
        "the same fit of 200 devices, by trials a voltage",
    ),
    "samples": Axis(fit_record, (100_000, 1_000_000, 10_000_000), "telegraph fit of two levels"),
    "draws": Axis(predict, (8, 32, 128), "prediction on digits, networks 64-64-10 in chunks of 4"),
    "width": Axis(learn, (128, 512, 2048), "an epoch of a ternary network 784-width-width-10, 20,000 images"),
    "workers": Axis(predict, (1, 2), "prediction of 256 networks on as many worker processes"),
}
RUNS = [(name, size) for name, axis in AXES.items() for size in axis.sizes]


def timed(name, size):
    """Seconds of the second run, and the peak of memory in MB (of the client alone, where workers work)."""
    run, argument, place = AXES[name].run, size, nullcontext()
    if name == "workers":
        place, argument = local_client(size), 256
    with place as client:
        if client is not None:
            run = partial(run, client=client)
        run(jax.random.key(0), argument)
        began = time.perf_counter()
        run(jax.random.key(1), argument)
        took = time.perf_counter() - began
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(("name", "size"), RUNS)
def test_sizes(request, in_a_process, name, size):
    if not request.config.option.benchmark_enable:
        pytest.skip("takes minutes; run with --benchmark-enable")
    if name == "workers":
        pytest.importorskip("distributed", reason="pip install 'charz[dask]'")
    measured[name, size] = in_a_process(timed, name, size)
    print(name, size, measured[name, size], flush=True)  # noqa: T201
    assert measured[name, size][0] > 0


def exponents(name):
    """Slopes of log time and log memory between the last two sizes: where what does not grow counts least."""
    first, last = AXES[name].sizes[-2:]
    ratio = np.log(last / first)
    return tuple(
        float(np.log(b / a) / ratio) for a, b in zip(measured[name, first], measured[name, last], strict=True)
    )


def test_time_and_memory_grow_as_they_should():
    """No worse than linear in what is worked through; memory bounded by the chunk, and blind to trials."""
    if set(measured) != set(RUNS):
        pytest.skip("sizes are measured with --benchmark-enable")
    for name in ("devices", "samples", "draws"):
        assert exponents(name)[0] < 1.1, name
    assert exponents("trials")[0] < 0.2
    assert exponents("width")[0] < 2.1
    assert exponents("draws")[1] < 0.2
    assert exponents("workers")[0] < -0.5  # 1.4 times as fast


def test_table_and_plot_are_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and set(measured) == set(RUNS)):
        pytest.skip("written with --benchmark-enable and CHARZ_WRITE_RESULTS=1")
    lines = [
        f"# Scaling laws, {len(os.sched_getaffinity(0))} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_scaling_laws.py --benchmark-enable`.",
        "Time of the second run in a process, without compilation; peak memory of the process, with it. Exponents:",
        "slope of log time and log memory between the last two sizes. Only of a quiet machine do times mean anything:",
        f"load average at the end {os.getloadavg()[1]:.1f}, of which 1 to 2 its own. Plot: `scaling-laws.png`, beside.",
        "",
        "| against | of | sizes | time (s) | memory (MB) | exponent of time | of memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, axis in AXES.items():
        rows = [measured[name, size] for size in axis.sizes]
        cells = [
            ", ".join(f"{size:,}" for size in axis.sizes),
            ", ".join(f"{took:.2f}" for took, _ in rows),
            ", ".join(f"{memory:.0f}" for _, memory in rows),
            *(f"{slope:.2f}" for slope in exponents(name)),
        ]
        lines.append(f"| {name} | {axis.said} | {' | '.join(cells)} |")
    (RESULTS / "scaling-laws.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw()


def draw():
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, column, label in zip(
        figure.subplots(1, 2), (0, 1), ("time (s)", "peak memory (MB)"), strict=True
    ):
        for name, axis in AXES.items():
            values = [measured[name, size][column] for size in axis.sizes]
            axes.plot(
                np.divide(axis.sizes, axis.sizes[0]), values, "o-", label=f"{name}, from {axis.sizes[0]:,}"
            )
        axes.set(xscale="log", yscale="log", xlabel="size / smallest size", ylabel=label)
    axes.legend(fontsize="small")
    figure.savefig(RESULTS / "scaling-laws.png", dpi=120)
