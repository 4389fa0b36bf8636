"""Speed and memory of telegraph fits: a whole fit against twenty EM iterations of hmmlearn, on the same record.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_telegraph_speed.py --benchmark-enable

times both on 1e5, 1e6 and 1e7 samples, each in a process of its own, and writes the table anew. By default everything
runs once on a short record, untimed. `pip install hmmlearn` (extra `benchmarks`) brings the library; without it the
comparison is left out.
"""

import os
import re
import resource
import time
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr

from charz.fitting.run import fit

TABLE = Path(__file__).parents[1] / "results" / "telegraph-speed.md"
EM_ITERATIONS, FLIP, SEPARATION, NOISE, INTERVAL = 20, 0.02, 1e-3, 1.5e-4, 1e-6
SHORT, SIZES = 30_000, (100_000, 1_000_000, 10_000_000)
measured: dict[tuple[str, int], dict[str, float]] = {}


def record(size):
    """Two levels, seven standard deviations apart."""
    generator = np.random.default_rng(0)
    state = np.cumsum(generator.random(size) < FLIP) % 2
    return SEPARATION * state + NOISE * generator.standard_normal(size)


def fit_charz(signal):
    dataset = xr.Dataset(
        {
            "signal": (("device", "time"), signal[None], {"units": "V", "long_name": "signal"}),
            "sample_interval": ("device", [INTERVAL], {"units": "s", "long_name": "time between samples"}),
        },
        coords={"device": ["a"]},
        attrs={"experiment": "telegraph"},
    )
    posterior = fit(dataset, "two-state", key=jax.random.key(0), pool="complete", method="laplace")
    draws = posterior.law_draws()
    truth = {"separation": SEPARATION, "noise": NOISE, "rate_up": -np.log1p(-2 * FLIP) / 2 / INTERVAL}
    for name, value in truth.items():
        assert abs(draws[name].mean() - value) < 5 * draws[name].std()
    assert posterior.converged
    return posterior


def fit_hmmlearn(signal):
    hmm = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn is not installed (extra 'benchmarks')")
    # Started next to the truth: its own search for a start would be timed, too.
    model = hmm.GaussianHMM(2, "diag", n_iter=EM_ITERATIONS, tol=-np.inf, init_params="", random_state=0)
    model.startprob_, model.transmat_ = np.array([0.5, 0.5]), np.array([[0.95, 0.05], [0.05, 0.95]])
    model.means_, model.covars_ = np.array([[0.1], [0.8]]), np.array([[0.04], [0.04]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations of its dependencies
        model.fit(signal[:, None] / SEPARATION)
    np.testing.assert_allclose(np.sort(model.means_[:, 0]), [0.0, 1.0], atol=0.02)


def timed(function, signal):
    wall, work = time.perf_counter(), time.process_time()
    result = function(signal)
    return result, time.perf_counter() - wall, time.process_time() - work


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_charz(size):
    """First fit of a process, which compiles, and second one."""
    signal = record(size)
    before = peak_megabytes()
    posterior, first, first_work = timed(fit_charz, signal)
    memory = peak_megabytes() - before
    _, second, second_work = timed(fit_charz, signal)
    shape = re.search(r"k (-?[\d.]+) ", posterior.tree.attrs["convergence"])
    error = re.search(r"standard error ([\d.e-]+) nats", posterior.tree.attrs["remarks"])
    return {
        "first": first,
        "second": second,
        "first_work": first_work,
        "second_work": second_work,
        "memory": memory,
        "k": float(shape[1]),
        "effective": posterior.tree.attrs["effective_proposals"],
        "error": float(error[1]) if error else 0.0,
    }


def measure_hmmlearn(size):
    _, wall, work = timed(fit_hmmlearn, record(size))
    return {"second": wall, "second_work": work}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "function"), [("charz", measure_charz), ("hmmlearn", measure_hmmlearn)])
def test_whole_fits(request, in_a_process, name, function, size):
    if name == "hmmlearn":
        pytest.importorskip("hmmlearn.hmm", reason="hmmlearn is not installed (extra 'benchmarks')")
    if request.config.option.benchmark_enable:
        measured[name, size] = in_a_process(function, size)
    elif size == SIZES[0]:
        {"charz": fit_charz, "hmmlearn": fit_hmmlearn}[name](record(SHORT))


def test_memory_is_linear():
    """Ten times the samples take ten times the memory at most, what does not grow apart."""
    if ("charz", SIZES[-1]) not in measured:
        pytest.skip("memory is measured with --benchmark-enable")
    assert measured["charz", SIZES[-1]]["memory"] < 10 * measured["charz", SIZES[-2]]["memory"]


def test_a_fit_takes_a_fifth_of_the_time():
    """Of a second fit: the first one compiles, whatever the record is."""
    if ("hmmlearn", SIZES[-1]) not in measured:
        pytest.skip("timings are taken with --benchmark-enable, where hmmlearn is installed")
    assert measured["charz", SIZES[-1]]["second"] < measured["hmmlearn", SIZES[-1]]["second"] / 5, measured


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and ("hmmlearn", SIZES[-1]) in measured):
        pytest.skip(
            "timings are taken with --benchmark-enable; the table is written with CHARZ_WRITE_RESULTS=1"
        )
    lines = [
        f"# Whole telegraph fits, two levels at seven standard deviations, {os.cpu_count()} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_telegraph_speed.py --benchmark-enable`.",
        "`fit` with Laplace approximation and Pareto-smoothed importance sampling, from dataset to posterior with",
        "leave-one-out terms and replicates; the first fit of a process, which compiles, and a second one. hmmlearn:",
        f"{EM_ITERATIONS} EM iterations from a given start. In brackets seconds of CPU: other processes ran beside.",
        "Memory: growth of the peak during the first fit. Error: standard error of the log weights in nats, where a",
        "part stood in for the record (0: evaluated on all samples). Effective: proposals.",
        "",
        "| samples | first fit (s) | second (s) | hmmlearn (s) | first/hmmlearn | second/hmmlearn | memory (MB) | k |"
        " effective | error |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(size, measured["charz", size], measured["hmmlearn", size]) for size in SIZES),
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(size, ours, theirs):
    cells = [
        f"{size:.0e}".replace("e+0", "e"),
        f"{ours['first']:.1f} ({ours['first_work']:.1f})",
        f"{ours['second']:.1f} ({ours['second_work']:.1f})",
        f"{theirs['second']:.1f} ({theirs['second_work']:.1f})",
        f"{ours['first'] / theirs['second']:.2f}",
        f"{ours['second'] / theirs['second']:.2f}",
        f"{ours['memory']:.0f}",
        f"{ours['k']:.2f}",
        f"{ours['effective']:.0f}",
        f"{ours['error']:.2g}",
    ]
    return f"| {' | '.join(cells)} |"
