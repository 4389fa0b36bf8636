import jax
import numpy as np
import pytest

from charz.errors import FitError
from charz.fitting import check, compare, fit, loo
from charz.fitting.pulse.curves import switching_curves
from charz.fitting.pulse.discrepancies import DISCREPANCIES


@pytest.mark.parametrize("name", ["hierarchical", "complete", "separate"])
def test_right_model_passes(name, request):
    results = check(request.getfixturevalue(name))
    assert [r.name for r in results] == [d.name for d in DISCREPANCIES if d.name != "directions"]
    assert all(r.passed for r in results), results
    assert all(0 < r.p_value <= 1 for r in results)


def test_missing_floor_is_caught(plain):
    failed = {r.name for r in check(plain) if not r.passed}
    assert {"dispersion", "low plateau"} <= failed
    assert "high plateau" not in failed


def test_spread_between_devices_is_caught(simulate):
    # Wires that differ, fitted as if they were one: same shape as the other fits, so nothing compiles.
    posterior = fit(simulate(1)[0], "logistic", key=jax.random.key(0), pool="complete")
    by_name = {r.name: r for r in check(posterior)}
    assert by_name["devices"].p_value < by_name["devices"].threshold
    assert by_name["devices"].observed > 10 * by_name["devices"].expected


def test_floor_wins_by_leave_one_out(complete, plain):
    best, worst = compare({"plain": plain, "floor": complete})
    assert (best.name, worst.name) == ("floor", "plain")
    assert (best.difference, best.se) == (0, 0)
    assert worst.difference > 2.5 * worst.se > 0


def test_loo_counts_settings(complete):
    result = loo(complete)
    assert result.num_observations == 88
    assert 1 < result.p_loo < 6
    assert result.num_high_k == 0
    assert result.elpd == pytest.approx(result.pointwise.sum())


def test_loo_takes_constant_terms_as_they_are(complete):
    tree = complete.tree.copy(deep=True)
    terms = tree["log_likelihood"]["num_switched"]
    terms.loc[{"setting": 0}] = -0.25
    result = loo(type(complete)(tree))
    assert np.isfinite(result.elpd)
    assert result.max_k < 0.7
    tree["log_likelihood"]["num_switched"][:] = -0.25
    assert loo(type(complete)(tree)).elpd == pytest.approx(-0.25 * 88)


def test_comparison_refuses(complete, hierarchical):
    with pytest.raises(FitError, match="at least two"):
        compare({"one": complete})
    with pytest.raises(FitError, match="different data"):
        compare({"one": complete, "other": hierarchical})


def test_curves_hold_the_band_of_the_data(hierarchical):
    curves = switching_curves(hierarchical)
    assert curves["device_probability"].dims == ("quantile", "device", "point")
    band = curves["device_probability"].to_numpy()
    assert np.all(np.diff(band, axis=0) >= 0)
    population = curves["population_probability"].to_numpy()
    middle = np.argmin(np.abs(curves["drive"].to_numpy() - 4.6))
    # A device nobody has measured is less certain than one that was measured.
    assert np.ptp(population[:, middle]) > np.ptp(band[:, :, middle], axis=0).max()
