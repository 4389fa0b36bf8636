"""Speed and memory of population fits: devices integrated out, against NUTS and against nutpie on the same model.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_marginal_speed.py --benchmark-enable

fits D devices × 13 voltages × 100 trials, each in a process of its own, compilation included, imports not, and writes
the table anew. nutpie runs on a model of PyMC (compiled by numba), and on a density written for it by hand (compiled by
JAX). `pip install 'nutpie[pymc]'` (extra `benchmarks`) brings the libraries; without them the comparison is left out.
"""

import os
import resource
import time
from functools import partial
from pathlib import Path

import arviz_stats  # noqa: F401  (nobody's imports are timed)
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from design_pulse_switching import skeleton
from scipy.special import expit

from charz.fitting import fit
from charz.fitting.marginal import integrate
from charz.fitting.priors import Prior
from charz.fitting.registry import family_of, find_model

TABLE = Path(__file__).parents[1] / "results" / "benchmark-marginal.md"
SIZES, WITH_NUTS = (20, 200, 2000, 20_000), (20, 200, 2000)
NUM_TRIALS, VOLTAGES = 100, np.linspace(0.5, 1.5, 13)
# Centre of the normal prior and its sd; scale of the half-normal prior of the spread.
LOCATION, LOG_WIDTH = (1.0, 1.0, 0.25), (-3.0, 1.5, 0.5)
PRIORS = {
    "location": Prior("normal", LOCATION[:2], "V"),
    "location_sd": Prior("half-normal", LOCATION[2:], "V"),
    "log_width": Prior("normal", LOG_WIDTH[:2], "ln(V)"),
    "log_width_sd": Prior("half-normal", LOG_WIDTH[2:], "1"),
}
POPULATION = ("location_mean", "location_sd", "log_width_mean", "log_width_sd")
EFFECTIVE = 1000
# nutpie's draws of each of two chains: as few as give the effective draws, with a margin.
NUTPIE_DRAWS = {20: 700, 200: 450, 2000: 550}
CHARZ_DRAWS = 300
measured: dict[tuple[str, int], dict] = {}


def switched(num_devices):
    generator = np.random.default_rng(0)
    location = generator.normal(1, 0.1, (num_devices, 1))
    width = np.exp(generator.normal(np.log(0.1), 0.2, (num_devices, 1)))
    return generator.binomial(NUM_TRIALS, expit((VOLTAGES - location) / width))


def result(began, effective, means, sds, method):
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = time.perf_counter() - began
    return {"s": took, "effective": effective, "means": means, "sds": sds, "MB": memory, "method": method}


def by_charz(method, num_devices):
    data = skeleton(num_devices, VOLTAGES, NUM_TRIALS, switched(num_devices))
    began = time.perf_counter()
    posterior = fit(
        data,
        "logistic-plain",
        key=jax.random.key(1),
        pool="hierarchical",
        method=method,
        priors=PRIORS,
        draws=CHARZ_DRAWS,
    )
    draws = posterior.tree["posterior"]
    assert posterior.converged, posterior.tree.attrs["convergence"]
    rows = posterior.summary()["population"]
    effective = min(rows[name]["ess_bulk"] for name in POPULATION)
    if method == "marginal":  # independent draws, of effectively so many proposals
        effective = min(effective, draws["location_mean"].size)
    values = [draws[name].to_numpy() for name in POPULATION]
    means, sds = [v.mean() for v in values], [v.std() for v in values]
    return result(began, effective, means, sds, posterior.tree.attrs["method"])


def draws_alone(num_devices):
    """What nutpie gives, and no more: no leave-one-out terms, no replicates, no prior."""
    data = skeleton(num_devices, VOLTAGES, NUM_TRIALS, switched(num_devices))
    began = time.perf_counter()
    with jax.enable_x64(True):
        observations = family_of("logistic-plain").observe(data)
        drawn = integrate(
            jax.random.key(1), find_model("logistic-plain"), observations, PRIORS, (4, CHARZ_DRAWS)
        )
    values = [drawn.values[name] for name in POPULATION]
    effective = min(drawn.convergence.min_ess_bulk, values[0].size)
    return result(began, effective, [v.mean() for v in values], [v.std() for v in values], "marginal")


def log_density(place, counts):
    """Of the same model, devices centred, as suits devices that are well measured; spreads by their logarithms."""
    centre, spread = place[:2], jnp.exp(place[2:4])
    devices = place[4:].reshape(2, -1)
    slope = (VOLTAGES - devices[0][:, None]) * jnp.exp(-devices[1])[:, None]
    total = (counts * slope - NUM_TRIALS * jax.nn.softplus(slope)).sum()
    for index, (mean, sd, scale) in enumerate((LOCATION, LOG_WIDTH)):
        total += -0.5 * ((centre[index] - mean) / sd) ** 2 - 0.5 * (spread[index] / scale) ** 2
        total += jnp.log(spread[index]) * (1 - len(counts))
        total -= 0.5 * (((devices[index] - centre[index]) / spread[index]) ** 2).sum()
    return total


def by_nutpie(num_devices):
    import arviz as az
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    counts = switched(num_devices)
    began = time.perf_counter()
    jax.config.update("jax_enable_x64", True)
    both = jax.jit(jax.value_and_grad(partial(log_density, counts=jnp.asarray(counts, float))))
    middle = np.concatenate([[1, -2.3, np.log(0.1), np.log(0.2)], np.repeat([1, -2.3], num_devices)])
    size = len(middle)

    def density():
        def evaluate(place):
            value, slope = both(place)
            return float(value), np.asarray(slope)

        return evaluate

    def start(seed):
        return middle + 0.05 * np.random.default_rng(seed).normal(size=size)

    model = from_pyfunc(
        size, density, lambda *seeds: lambda place: {"place": place}, [np.dtype(float)], [(size,)], ["place"],
        make_initial_point_fn=start,
    )  # fmt: skip
    options = {"chains": 2, "cores": 2, "tune": 400, "draws": NUTPIE_DRAWS[num_devices], "seed": 1}
    chains = nutpie.sample(model, **options, progress_bar=False).posterior["place"][..., :4]
    effective = float(az.ess(chains)["place"].min())
    values = [chains[..., 0], np.exp(chains[..., 2]), chains[..., 1], np.exp(chains[..., 3])]
    return result(
        began, effective, [float(v.mean()) for v in values], [float(v.std()) for v in values], "nutpie"
    )


def by_pymc(num_devices):
    import arviz as az
    import nutpie
    import pymc as pm

    counts = switched(num_devices)
    began = time.perf_counter()
    with pm.Model() as model:
        location_mean = pm.Normal("location_mean", *LOCATION[:2])
        location_sd = pm.HalfNormal("location_sd", LOCATION[2])
        log_width_mean = pm.Normal("log_width_mean", *LOG_WIDTH[:2])
        log_width_sd = pm.HalfNormal("log_width_sd", LOG_WIDTH[2])
        location = pm.Normal("location", location_mean, location_sd, shape=(num_devices, 1))
        log_width = pm.Normal("log_width", log_width_mean, log_width_sd, shape=(num_devices, 1))
        slope = (VOLTAGES - location) * pm.math.exp(-log_width)
        pm.Binomial("switched", n=NUM_TRIALS, logit_p=slope, observed=counts)
    options = {"chains": 2, "cores": 2, "tune": 400, "draws": NUTPIE_DRAWS[num_devices], "seed": 1}
    chains = nutpie.sample(nutpie.compile_pymc_model(model), **options, progress_bar=False).posterior
    effective = min(float(az.ess(chains[name])[name]) for name in POPULATION)
    values = [chains[name] for name in POPULATION]
    return result(
        began, effective, [float(v.mean()) for v in values], [float(v.std()) for v in values], "PyMC"
    )


ENGINES = {
    "whole fit": (partial(by_charz, "marginal"), SIZES),
    "draws alone": (draws_alone, SIZES),
    "nutpie, JAX": (by_nutpie, tuple(NUTPIE_DRAWS)),
    "nutpie, PyMC": (by_pymc, tuple(NUTPIE_DRAWS)),
    "whole fit by NUTS": (partial(by_charz, "nuts"), WITH_NUTS),
}
RIVALS = ("nutpie, JAX", "nutpie, PyMC")
# What is compared runs one after the other: the machine's speed drifts within minutes.
RUNS = [(name, size) for size in SIZES for name, (_, sizes) in ENGINES.items() if size in sizes]


@pytest.mark.parametrize(("name", "size"), RUNS)
def test_whole_fits(request, in_a_process, name, size):
    """The posterior holds the truth's neighbourhood, and enough of it is drawn."""
    if not request.config.option.benchmark_enable:
        pytest.skip("takes minutes; run with --benchmark-enable")
    if name in RIVALS:
        pytest.importorskip("nutpie", reason="nutpie is not installed (extra 'benchmarks')")
    if name == "nutpie, PyMC":
        pytest.importorskip("pymc", reason="PyMC is not installed (extra 'benchmarks')")
    found = measured[name, size] = in_a_process(ENGINES[name][0], size)
    print(name, size, found, flush=True)  # noqa: T201
    assert found["effective"] >= EFFECTIVE
    for mean, sd, truth in zip(found["means"], found["sds"], (1, 0.1, np.log(0.1), 0.2), strict=True):
        assert abs(mean - truth) < 5 * sd


def of(name, size, what="s"):
    if any((rival, 2000) not in measured for rival in RIVALS):
        pytest.skip("timings are taken with --benchmark-enable, where nutpie and PyMC are installed")
    return measured[name, size][what]


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("size", NUTPIE_DRAWS)
def test_the_same_posterior_as_nutpie(size, rival):
    """Means within five standard errors of both runs, of 1,000 effective draws at least."""
    off = np.subtract(of("whole fit", size, "means"), of(rival, size, "means")) / of(rival, size, "sds")
    assert (np.abs(off) < 5 * np.sqrt(2 / EFFECTIVE)).all()


@pytest.mark.parametrize(("size", "times"), [(20, 1.0), (200, 1.5), (2000, 8.0)])
def test_drawn_faster_than_by_nutpie(size, times):
    """The faster of the two ways to run it, which gives draws and no more."""
    assert min(of(rival, size) for rival in RIVALS) > times * of("draws alone", size)


def test_twenty_thousand_devices_in_two_gigabytes():
    assert of("whole fit", 20_000, "method") == "marginal"
    assert of("whole fit", 20_000, "MB") < 2000


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and set(measured) == set(RUNS)):
        pytest.skip("written with CHARZ_WRITE_RESULTS=1 and --benchmark-enable, where nutpie is installed")
    lines = [
        f"# Population fits of D devices × 13 voltages × 100 trials, {len(os.sched_getaffinity(0))} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_marginal_speed.py --benchmark-enable`.",
        "`logistic-plain`, each run in a process of its own, compilation included, imports not. Whole fit: a",
        "posterior with leave-one-out terms, replicates and prior; draws alone: what nutpie gives. nutpie: a model of",
        "PyMC, and a density written by hand; two chains, devices centred, as few draws as give 1,000 effective ones.",
        "Only ratios of one run mean anything, and these only of a quiet machine: load average at the end"
        f" {os.getloadavg()[1]:.1f}, of which 1 to 2 its own.",
        "Effective: the least of the population's parameters. Memory: peak of the whole process.",
        "",
        "| devices | engine | s | effective | memory (MB) | nutpie on PyMC / this | nutpie on JAX / this |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in SIZES:
        for name in ENGINES:
            if (name, size) in measured:
                found = measured[name, size]
                ratios = [
                    f"{measured[r, size]['s'] / found['s']:.1f}" if (r, size) in measured else ""
                    for r in RIVALS
                ]
                lines.append(
                    f"| {size} | {name} | {found['s']:.1f} | {found['effective']:.0f} | {found['MB']:.0f} |"
                    f" {ratios[1]} | {ratios[0]} |"
                )
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
