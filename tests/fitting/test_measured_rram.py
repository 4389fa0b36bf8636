"""A measured file: switching of 1T1R cells against the gate voltage (301 voltages × 100 trials)."""

import jax
import pytest

import charz
from charz.fitting import check, compare, fit

FILE = "rram-1t1r-radar/fppv-sweep-1us-4-2-21.csv"


@pytest.fixture(scope="module")
def read_sweep(measured_root):
    path = measured_root / FILE
    if not path.is_file():
        pytest.skip(f"{path} is absent")

    def read(where=None):
        return charz.read(
            path,
            experiment="pulse_switching",
            columns={"width": "@2", "amplitude": "@4", "r_before": "@5", "r_after": "@6"},
            units={"width": "ns", "amplitude": "V", "r_before": "ohm", "r_after": "ohm"},
            where=where,
            switched="r_after < 20e3",
        )

    return read


@pytest.fixture(scope="module")
def with_floor(read_sweep):
    return fit(read_sweep(), "logistic", key=jax.random.key(0), pool="complete")


@pytest.fixture(scope="module")
def without_floor(read_sweep):
    return fit(read_sweep(), "logistic-plain", key=jax.random.key(0), pool="complete")


def means(posterior):
    return {name: numbers["mean"] for name, numbers in posterior.summary()["parameters"].items()}


def test_reference_values(with_floor):
    found = means(with_floor)
    assert with_floor.converged
    assert found["location"] == pytest.approx(1.6350, abs=0.0015)
    assert found["width"] == pytest.approx(0.0102, abs=0.0015)
    assert found["floor"] == pytest.approx(0.0086, abs=0.0015)


def test_trials_that_start_high(read_sweep):
    posterior = fit(read_sweep("r_before > 30e3"), "logistic", key=jax.random.key(0), pool="complete")
    found = means(posterior)
    assert posterior.converged
    assert found["location"] == pytest.approx(1.6344, abs=0.0015)
    assert found["width"] == pytest.approx(0.0090, abs=0.0015)
    assert found["floor"] < 0.0005


def test_the_trap_is_seen(with_floor, without_floor):
    assert means(without_floor)["width"] == pytest.approx(0.0844, abs=0.003)
    failed = {result.name for result in check(without_floor) if not result.passed}
    assert {"dispersion", "largest residual", "neighbours", "low plateau"} <= failed
    by_name = {result.name: result for result in check(with_floor)}
    assert by_name["low plateau"].passed
    assert by_name["neighbours"].passed
    best, worst = compare({"floor": with_floor, "plain": without_floor})
    assert best.name == "floor"
    assert worst.difference > 4 * worst.se
