"""Threshold models on recordings: endurance with wear, SET ramps of an array, forming of 8448 cells."""

import jax
import numpy as np
import pytest

import charz
from charz.fitting import check, compare, fit
from charz.kinds import FLAG_INTERVAL, FLAG_LEFT

ENDURANCE = "M12, series 05"
QUICK = {"draws": 300, "warmup": 400, "chains": 2}


def folder_of(measured_root, name):
    path = measured_root / name
    if not path.is_dir():
        pytest.skip(f"{path} is absent")
    return path


def passed(posterior):
    return {one.name: one.passed for one in check(posterior)}


def moments(posterior, name):
    draws = posterior.tree["posterior"][name]
    return float(draws.mean()), float(draws.std())


# --- endurance: 1000 SET voltages of one device ---------------------------------------------------------------


@pytest.fixture(scope="module")
def endurance(measured_root, descriptions):
    path = folder_of(measured_root, "keithley4200-tud-m12")
    dataset = charz.read(path, description=descriptions / "keithley4200-tud-m12-ratio-set.toml")
    return dataset.sel(device=[ENDURANCE]).dropna("cycle", subset=["threshold"])


@pytest.fixture(scope="module")
def independent(endurance):
    return fit(endurance, "weibull", key=jax.random.key(0), **QUICK)


@pytest.fixture(scope="module")
def wandering(endurance):
    return fit(endurance, "lognormal-wander", key=jax.random.key(0), **QUICK)


def test_independent_weibull_of_the_set_voltages(independent, printed):
    """Maximum likelihood with right-censoring: 3.225 / 1.235; 3.229 / 1.234 without it."""
    for name, censored, plain in (("shape", "3.225", "3.229"), ("scale", "1.235", "1.234")):
        mean, sd = moments(independent, name)
        assert mean == printed(censored, rel=2e-3)
        assert abs(mean - float(plain)) < 0.3 * sd


def test_independent_cycles_are_refuted(independent):
    results = passed(independent)
    assert not results["lag-1 correlation"]
    assert not results["slow correlation"]
    assert not results["drift"]


@pytest.mark.slow
def test_wear_is_described(wandering):
    """A trend of e^0.5 over 1000 cycles, and a wander that outlives its noise."""
    assert wandering.converged
    results = passed(wandering)
    assert results["lag-1 correlation"]
    assert results["slow correlation"]
    assert results["drift"]
    drift, error = moments(wandering, "drift")
    assert drift > 3 * error


@pytest.mark.slow
def test_serial_correlation_widens_the_interval_of_the_mean(independent, wandering):
    assert moments(wandering, "mean")[1] > 2 * moments(independent, "mean")[1]


@pytest.mark.slow
def test_a_chain_of_neighbours_passes_its_own_check(endurance, independent, wandering):
    """AR(1) with drift mends lag 1 and nearly doubles the error of the mean; a wander under noise predicts better."""
    chain = fit(endurance, "weibull-drift", key=jax.random.key(0), **QUICK)
    assert passed(chain)["lag-1 correlation"]
    assert moments(chain, "mean")[1] > 1.6 * moments(independent, "mean")[1]
    neighbours = fit(endurance, "lognormal-drift", key=jax.random.key(0), **QUICK)
    ranking = compare({"chain": neighbours, "wander": wandering})
    assert ranking[0].name == "wander"
    assert ranking[1].difference > 4 * ranking[1].se


# --- ISPP: 20 cells × 20 ramps --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ramps(measured_root, descriptions):
    path = folder_of(measured_root, "rram-1t1r-radar")
    return charz.read(path, description=descriptions / "rram-1t1r-radar-ispp-sweep.toml")


def spreads_of(threshold):
    """Spread within cells (pooled), and of the means of the cells, over the last two axes; NaN where missing."""
    count = np.isfinite(threshold).sum(-1)
    within = np.sqrt((np.nanvar(threshold, axis=-1, ddof=1) * (count - 1)).sum(-1) / (count - 1).sum(-1))
    return within, np.nanmean(threshold, axis=-1).std(-1, ddof=1)


def replicated_spreads(posterior):
    drawn = posterior.tree["posterior_predictive"]["threshold"].to_numpy()
    return spreads_of(drawn.reshape(-1, *drawn.shape[2:]))


def assert_reproduced(posterior, within, between):
    """Reference numbers inside the central 98 % of what replicated ramps show."""
    for drawn, text in zip(replicated_spreads(posterior), (within, between), strict=True):
        low, high = np.quantile(drawn, (0.01, 0.99))
        assert low < float(text) < high, (low, text, high)


@pytest.mark.slow
def test_ramps_that_start_unswitched(ramps):
    """375 ramps: 0.0453 V within cells, 0.0312 V between their means."""
    kept = ramps.assign(threshold=ramps["threshold"].where(ramps["started"] == 0))
    assert np.isfinite(kept["threshold"]).sum() == 375
    posterior = fit(kept, "weibull", key=jax.random.key(1), **QUICK)
    assert posterior.pool == "hierarchical"
    assert all(passed(posterior).values())
    assert_reproduced(posterior, "0.0453", "0.0312")


@pytest.mark.slow
def test_ramps_that_start_switched_belong_to_no_law_of_thresholds(ramps):
    """All 400, the 25 left-censored: more of them than any law of thresholds would start with."""
    posterior = fit(ramps, "weibull", key=jax.random.key(1), **QUICK)
    assert not passed(posterior)["censored"]


@pytest.mark.slow
def test_ignoring_the_start_state_inflates_the_spread_within_cells(ramps):
    """All 400 taken as values: 0.0656 V and 0.0586 V.

    The three cells that hold the 25 ramps get a wide law, not a displaced one: what is inflated beyond doubt is the
    spread within cells; that of the means is 0.0312 V or 0.0586 V for all the posterior knows.
    """
    values = ramps.drop_vars(["censored", "lower", "upper"])
    posterior = fit(values, "lognormal", key=jax.random.key(1), **QUICK)
    assert_reproduced(posterior, "0.0656", "0.0586")
    within, _ = replicated_spreads(posterior)
    assert np.quantile(within, 0.01) > 0.0453


# --- forming: 8448 cells, one ramp each -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def forming(measured_root, descriptions):
    path = folder_of(measured_root, "rram-1t1r-radar")
    return charz.read(path, description=descriptions / "rram-1t1r-radar-form.toml")


@pytest.mark.slow
def test_forming_is_left_and_interval_censored(forming):
    flags = forming["censored"].values
    assert (np.sum(flags == FLAG_LEFT), np.sum(flags == FLAG_INTERVAL)) == (208, 8240)
    posterior = fit(forming, "weibull", key=jax.random.key(2), pool="complete", **QUICK)
    for name, reference in (("shape", 11.57), ("scale", 3.195)):  # maximum likelihood
        mean, sd = moments(posterior, name)
        assert abs(mean - reference) < 0.3 * sd
    results = passed(posterior)
    assert not results["shape"]
    assert not results["censored"]


@pytest.mark.slow
def test_forming_is_a_mixture(forming):
    one, two = (
        fit(forming, name, key=jax.random.key(2), pool="complete", **QUICK)
        for name in ("weibull", "weibull-mixture")
    )
    ranking = compare({"one": one, "two": two})
    assert ranking[0].name == "two"
    assert ranking[1].difference > 4 * ranking[1].se
