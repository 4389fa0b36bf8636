"""What a record must hold, what is said of its voltages, and priors."""

import jax
import numpy as np
import pytest
from design_transfer import NANO, bent_current, box, record_of

from charz.errors import FitError
from charz.fitting.priors import Prior
from charz.fitting.transfer import FAMILY, blocked_cross_validation, fit_transfer, identification, observe
from charz.fitting.transfer.models import MODELS
from charz.fitting.transfer.priors import default_priors
from charz.fitting.transfer.record import Record
from charz.fitting.transfer.record import record_of as taken_from

VOLTAGE = box(30, 3)
CURRENT = NANO * (VOLTAGE @ [1.0, -2.0, 0.5] + 0.1 * np.random.default_rng(1).standard_normal(30))


def record(voltage, current=None):
    return Record(np.asarray(voltage), CURRENT if current is None else current)


def test_a_record_becomes_one_device():
    found = observe(record_of(VOLTAGE, CURRENT))
    assert found.devices == ("material",)
    np.testing.assert_array_equal(found.arrays["voltage"], VOLTAGE[None])
    np.testing.assert_array_equal(found.arrays["current"], CURRENT[None])
    assert found.measured.all()
    assert (found.units["voltage"], found.units["current"]) == ("V", "A")
    assert found.remarks == ()


def test_the_order_of_dimensions_does_not_matter():
    found = observe(record_of(VOLTAGE, CURRENT).transpose())
    np.testing.assert_array_equal(found.arrays["voltage"], VOLTAGE[None])


def test_incomplete_samples_are_left_out_and_counted():
    voltage, current = VOLTAGE.copy(), CURRENT.copy()
    voltage[2, 1] = current[5] = np.nan
    found = observe(record_of(voltage, current))
    assert found.arrays["current"].shape == (1, 28)
    assert np.isfinite(found.arrays["voltage"]).all()
    assert found.remarks == ("2 samples with a missing voltage or current are left out",)


def test_the_name_of_the_device_is_kept():
    named = record_of(VOLTAGE, CURRENT).assign_coords(device=("sample", ["chip A"] * 30))
    assert observe(named).devices == ("chip A",)


def with_current(values):
    return record_of(VOLTAGE[: len(values)], values)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (record_of(VOLTAGE, CURRENT, experiment="telegraph"), "the experiment is 'telegraph'"),
        (with_current(CURRENT[:9]), "9 complete samples; at least 10"),
        (record_of(np.tile(VOLTAGE, (67, 1)), np.tile(CURRENT, 67)), "2010 samples; at most 2000.*every 2th"),
        (with_current(np.full(30, 2e-9)), "the output current is 2e-09 A in all 30 samples"),
        (record_of(np.full((30, 3), 0.4), CURRENT), "none of the 3 electrodes was varied"),
        (
            record_of(VOLTAGE, CURRENT).assign_coords(device=("sample", ["a", "b"] * 15)),
            r"samples of 2 devices \(a, b\)",
        ),
    ],
)
def test_records_that_cannot_answer_are_refused(dataset, words):
    with pytest.raises(FitError, match=words):
        fit_transfer(dataset, "linear", key=jax.random.key(0))


def test_a_material_has_no_population():
    with pytest.raises(FitError, match="pool 'hierarchical' with model 'linear'"):
        FAMILY.require_information(observe(record_of(VOLTAGE, CURRENT)), MODELS[1], "hierarchical")
    FAMILY.require_information(observe(record_of(VOLTAGE, CURRENT)), MODELS[1], "complete")


def test_an_unknown_model_is_refused():
    with pytest.raises(FitError, match="model 'logistic' is no model of a transfer record"):
        fit_transfer(record_of(VOLTAGE, CURRENT), "logistic", key=jax.random.key(0))


def test_a_material_is_no_law_of_a_few_numbers():
    with pytest.raises(FitError, match="cannot be built from 1 numbers"):
        MODELS[0].law({"noise": 1e-9})


def test_independent_electrodes_are_identified():
    found = identification(record(VOLTAGE))
    assert (found.rank, found.columns, found.electrodes, found.statement()) == (4, 4, (), "")


def test_electrodes_that_move_together_are_named():
    together = np.column_stack([VOLTAGE, 0.3 - 2 * VOLTAGE[:, 1], box(30, 1, seed=5)])
    found = identification(record(together))
    assert (found.rank, found.columns) == (5, 6)
    assert found.electrodes == (1, 3)
    assert "rank 5 of 6: 1 direction of the slopes of electrodes 1, 3 is not identified" in found.statement()
    assert "only the prediction within the measured voltages is identified" in found.statement()
    # The null direction changes no current: the scaled voltages of both have slope -1 to each other.
    np.testing.assert_allclose(np.abs(found.directions[0, [1, 3]]), np.sqrt([0.5, 0.5]), rtol=1e-8)


def test_a_still_electrode_is_said_and_its_slope_keeps_the_prior():
    still = np.column_stack([VOLTAGE, np.full(30, 0.7)])
    dataset = record_of(still, CURRENT)
    found = identification(taken_from(observe(dataset)))
    assert (found.rank, found.electrodes) == (4, (3,))
    tree = fit_transfer(dataset, "linear", key=jax.random.key(0), draws=1000, chains=2)
    said = tree.attrs["data_remarks"]
    assert "electrode 3 never changed" in said
    assert "electrodes 3 is not identified" in said
    prior = default_priors("linear", taken_from(observe(dataset)))["slope[3]"].constants[1]
    spread = tree["posterior"]["slope_3"].to_numpy().std()
    assert abs(spread / prior - 1) < 4 / np.sqrt(2 * 2000)
    assert tree["posterior"]["slope_0"].to_numpy().std() < 0.2 * prior


def test_fewer_samples_than_coefficients_give_a_posterior_that_says_so():
    wide = box(12, 20)
    current = NANO * wide[:, 0]
    tree = fit_transfer(record_of(wide, current), "linear", key=jax.random.key(0), draws=200, chains=2)
    assert tree.attrs["design_rank"] == 12
    assert "rank 12 of 21: 9 directions" in tree.attrs["data_remarks"]
    assert all(np.isfinite(group.to_numpy()).all() for group in tree["posterior"].data_vars.values())


@pytest.mark.parametrize(
    ("priors", "words"),
    [
        ({"width": Prior("normal", (0.0, 1.0))}, "prior for width: no such parameter here; there are level"),
        ({"log_noise": Prior("half-normal", (1.0,))}, "prior for log_noise is 'half-normal'"),
        ({"log_amplitude": Prior("normal", (0.0, 1.0))}, "prior for log_amplitude: no such parameter"),
    ],
)
def test_priors_that_do_not_fit_are_refused(priors, words):
    with pytest.raises(FitError, match=words):
        fit_transfer(record_of(VOLTAGE, CURRENT), "linear", key=jax.random.key(0), priors=priors)


def test_priors_follow_the_ranges():
    """Ten times the voltages and a thousandth of the currents are the same record in other units."""
    one = default_priors("surrogate", record(VOLTAGE))
    other = default_priors("surrogate", Record(10 * VOLTAGE, CURRENT / 1000))
    assert other["slope[1]"].constants[1] == pytest.approx(one["slope[1]"].constants[1] / 1e4)
    assert other["log_noise"].constants[0] == pytest.approx(one["log_noise"].constants[0] - np.log(1000))
    assert other["log_relevance[2]"].constants[0] == pytest.approx(
        one["log_relevance[2]"].constants[0] - np.log(10)
    )
    assert {p.unit for p in one.values()} == {"A", "A/V", "ln(A)", "ln(1/V)"}


@pytest.mark.parametrize("folds", [1, 2])
def test_folds_that_leave_too_little_are_refused(folds):
    with pytest.raises(FitError, match=f"{folds} folds of 14 samples"):
        blocked_cross_validation(record_of(VOLTAGE[:14], CURRENT[:14]), key=jax.random.key(0), folds=folds)


def test_folds_are_runs_of_samples_and_the_bent_device_is_predicted_better_by_the_surrogate():
    voltage = box(80, 2, seed=3)
    current = bent_current(np.random.default_rng(8), voltage, gain=2.0)
    noisy = current + 0.1 * NANO * np.random.default_rng(9).standard_normal(80)
    found = blocked_cross_validation(record_of(voltage, noisy), key=jax.random.key(0), folds=4)
    assert list(found["linear"].fold) == [0] * 20 + [1] * 20 + [2] * 20 + [3] * 20
    gain, error = found["surrogate"].gain_over(found["linear"])
    assert gain > 4 * error
    assert found["surrogate"].r_squared > found["linear"].r_squared
