"""Speed and memory of telegraph fits: a whole fit against twenty EM iterations of hmmlearn, on the same record.

    pytest tests/benchmarks/test_telegraph_speed.py --benchmark-enable

times both on 1e7 samples. By default everything runs once on a short record, untimed. `pip install hmmlearn` (extra
`benchmarks`) brings the library; without it the comparison is left out.
"""

import warnings

import jax
import numpy as np
import pytest
import xarray as xr

from charz.fitting.run import fit

EM_ITERATIONS = 20
measured: dict[str, float] = {}


@pytest.fixture(scope="module")
def signal(request):
    """A record of two levels, seven standard deviations apart."""
    size = 10_000_000 if request.config.option.benchmark_enable else 30_000
    generator = np.random.default_rng(0)
    state = np.cumsum(generator.random(size) < 0.02) % 2
    return 1e-3 * (state + 0.15 * generator.standard_normal(size))


def fitted(signal):
    dataset = xr.Dataset(
        {
            "signal": (("device", "time"), signal[None], {"units": "V", "long_name": "signal"}),
            "sample_interval": ("device", [1e-6], {"units": "s", "long_name": "time between samples"}),
        },
        coords={"device": ["a"]},
        attrs={"experiment": "telegraph"},
    )
    return fit(dataset, "two-state", key=jax.random.key(0), pool="complete", method="laplace")


@pytest.mark.benchmark(group="telegraph, two levels")
def test_charz_fits(benchmark, signal):
    posterior = benchmark.pedantic(fitted, args=(signal,), rounds=1)
    draws = posterior.law_draws()
    assert abs(draws["separation"].mean() - 1e-3) < 5 * draws["separation"].std()
    if benchmark.stats is not None:
        measured["charz"] = benchmark.stats.stats.median


@pytest.mark.benchmark(group="telegraph, two levels")
def test_hmmlearn_fits(benchmark, signal):
    hmm = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn is not installed (extra 'benchmarks')")

    def iterate():
        model = hmm.GaussianHMM(2, "diag", n_iter=EM_ITERATIONS, tol=-np.inf, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations of its dependencies
            return model.fit(1e3 * signal[:, None])

    model = benchmark.pedantic(iterate, rounds=1)
    np.testing.assert_allclose(np.sort(model.means_[:, 0]), [0.0, 1.0], atol=0.02)
    if benchmark.stats is not None:
        measured["hmmlearn"] = benchmark.stats.stats.median


def test_a_fit_takes_a_fifth_of_the_time():
    if not {"charz", "hmmlearn"} <= set(measured):
        pytest.skip("timings are taken with --benchmark-enable, where hmmlearn is installed")
    assert measured["charz"] < measured["hmmlearn"] / 5, measured
