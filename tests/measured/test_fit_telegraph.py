"""Fits of two-level RRAM cells, and of a drifting current that is not two-state."""

import jax
import numpy as np
import pytest

import charz
from charz.fitting.checks import check
from charz.fitting.run import fit

CELLS = {"588": (5.76, 18.95), "176": (11.77, 28.92), "72": (9.64, 39.40), "472": (69.86, 1.57)}


@pytest.fixture(scope="module")
def fits(measured_root, descriptions):
    """Each cell by itself, levels of ln R as in the reference."""
    folder = measured_root / "rram-skywater-ni"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    traces = charz.read(folder, description=descriptions / "rram-skywater-ni-target.toml")
    logs = traces.assign(signal=traces["signal"].copy(data=np.log(traces["signal"].values)))
    logs["signal"].attrs["units"] = "arb"
    return {
        name: fit(
            logs.sel(device=[name]), "two-state", key=jax.random.key(0), pool="complete", method="laplace"
        )
        for name in CELLS
    }


@pytest.mark.parametrize("name", CELLS)
def test_dwells_by_maximum_likelihood_lie_inside_the_posterior(fits, name):
    """Visits over exits are 1/P(leave in one sample); the chain in continuous time also leaves and returns unseen."""
    draws = fits[name].law_draws()
    total = draws["rate_up"] + draws["rate_down"]
    decided = -np.expm1(-total) / total
    high, low = CELLS[name]
    for reference, rate in ((low, "rate_up"), (high, "rate_down")):
        inner, outer = np.quantile(1 / (draws[rate] * decided), [0.025, 0.975])
        assert inner < reference < outer


def test_rates_are_per_sample_and_said_so(fits):
    assert fits["472"].units()["rate_up"] == "1/sample"
    assert "rates are per sample" in fits["472"].tree.attrs["data_remarks"]


@pytest.mark.parametrize(("name", "failing"), [("588", "longest low dwell"), ("176", "longest high dwell")])
def test_cells_that_are_not_stationary_fail_a_check_of_dwells(fits, name, failing):
    """Cell 588 ends with a low dwell of 229 reads, cell 176 begins with a high one of 140."""
    results = {result.name: result for result in check(fits[name])}
    assert not results[failing].passed


def test_the_cleanest_cell_passes_all_checks_of_dwells(fits):
    results = {result.name: result for result in check(fits["472"])}
    dwells = ("crossings", "longest low dwell", "longest high dwell", "dwell spread", "occupation drift")
    assert all(results[name].passed for name in dwells)


def test_a_drifting_current_is_not_two_state(measured_root, descriptions):
    folder = measured_root / "smtj-current-traces"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    both = charz.read(folder, description=descriptions / "smtj-current-traces-telegraph.toml")
    posterior = fit(
        both.sel(device=["random number"]),
        "two-state",
        key=jax.random.key(0),
        pool="complete",
        method="laplace",
    )
    assert "mean step of the time stamps" in posterior.tree.attrs["data_remarks"]
    failed = {result.name for result in check(posterior) if not result.passed}
    assert {"neighbours", "level drift", "lag-1 correlation", "crossings"} <= failed
