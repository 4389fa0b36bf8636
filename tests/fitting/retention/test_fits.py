"""Fits of simulated records: what the data tell comes back as numbers, what they do not is said."""

import jax
import numpy as np
import pytest
from design_retention import records, wander

from charz.fitting import check, fit
from charz.fitting.identification import identification
from charz.fitting.retention import FAMILY

OPTIONS = {"pool": "complete", "draws": 400, "warmup": 400, "chains": 2}
ELAPSED = np.concatenate([[0.0], np.geomspace(1.0, 1e5, 47)])


def noisy(seed, drift, sd=0.002):
    return records(ELAPSED, 10.0 + drift + sd * np.random.default_rng(seed).standard_normal(ELAPSED.size))


@pytest.fixture(scope="module")
def relaxing():
    """A relaxation by 30 % that begins and ends within the record."""
    drift = np.log1p(np.expm1(0.3) * -np.expm1(-((ELAPSED / 1e3) ** 0.6)))
    return fit(noisy(1, drift), "stretched-exponential", key=jax.random.key(1), **OPTIONS)


@pytest.fixture(scope="module")
def silent():
    """Noise alone."""
    return fit(noisy(2, 0.0), "stretched-exponential", key=jax.random.key(2), **OPTIONS)


@pytest.mark.slow
def test_a_complete_relaxation_is_identified_and_recovered(relaxing):
    said = identification(relaxing)
    truth = {"relaxation_time": 1e3, "stretch": 0.6, "change": 0.3, "level": np.exp(10)}
    for name, value in truth.items():
        assert said[name].identified, said[name]
        draws = relaxing.tree["posterior"][name].to_numpy()
        assert abs(draws.mean() - value) < 4 * draws.std()
    assert all(one.passed for one in check(relaxing))


@pytest.mark.slow
def test_without_relaxation_its_time_and_its_shape_are_not_identified(silent):
    said = identification(silent)
    assert not said["relaxation_time"].identified, said["relaxation_time"]
    assert not said["stretch"].identified, said["stretch"]
    assert said["level"].identified


@pytest.mark.slow
def test_curves_hold_the_record_and_its_bands(relaxing, tmp_path):
    curves = FAMILY.curves(relaxing, jax.random.key(3))
    assert curves["retained"].attrs["units"] == curves["drift"].attrs["units"] == "ohm"
    assert curves["elapsed"].attrs["units"] == "s"
    low, middle, high = curves["record"].to_numpy()
    assert (low < middle).all()
    assert (middle < high).all()
    seen = curves["retained"].to_numpy()
    # Of 48 samples 43 lie in a 90 % band that was fitted to them; 36 or fewer have probability 1e-3 at 90 %.
    assert ((low <= seen) & (seen <= high)).sum() > 36
    FAMILY.plot(curves, tmp_path / "fit.png", "relaxation")
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_new_devices_drift_and_can_be_read(relaxing):
    device = relaxing.new_devices(jax.random.key(4), 20, (3,))
    record = device.simulate(jax.random.key(5), jax.numpy.asarray([0.0, 10.0, 1e5]))
    assert record.shape == (20, 3, 3)
    assert np.isfinite(np.asarray(record)).all()
    assert np.asarray(record[..., 2] > record[..., 0]).all()


@pytest.mark.slow
def test_memory_of_the_noise_widens_the_interval_of_a_drift():
    """With noise that is remembered the independent model claims a drift several times too precisely."""
    generator = np.random.default_rng(6)
    elapsed = np.arange(60) * 10.0
    data = records(
        elapsed, 10.0 + 0.002 * generator.standard_normal(60) + wander(generator, elapsed, 0.02, 200.0)
    )
    width = {}
    for model in ("log-drift", "log-drift-independent"):
        posterior = fit(data, model, key=jax.random.key(7), **OPTIONS)
        draws = {n: v.to_numpy() for n, v in posterior.tree["posterior"].items()}
        total = draws["exponent"] * np.log1p(elapsed[-1] / draws["onset"])
        width[model] = np.ptp(np.quantile(total, (0.05, 0.95)))
    assert width["log-drift"] > 2 * width["log-drift-independent"]
