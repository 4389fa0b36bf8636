"""Plans: what reweighting says is what conditioning and refitting say; costs by hand; what cannot be is refused."""

import re

import jax
import numpy as np
import pytest
import xarray as xr
from design_pulse_switching import DESIGNS
from design_ramp_switching import skeleton as ramps
from design_transfer import bent_current, box, record_of

from charz.errors import FitError
from charz.fitting import fit
from charz.fitting.planning import (
    Candidate,
    Cost,
    Target,
    accuracy_target,
    load_candidates,
    parameter_target,
    plan,
)
from charz.fitting.planning.accuracy import ridge
from charz.fitting.planning.outcomes import addition
from charz.fitting.planning.reweighting import expected, reweighted
from charz.fitting.priors import Prior, priors_from_json, priors_to_json
from charz.fitting.registry import family_of, find_model

COST = Cost(per_device=600.0, per_outcome=60.0, per_trial=0.1)
MORE, AGAIN = Candidate("more", 2, COST), Candidate("again", ("w0", "w1"), COST)


@pytest.mark.parametrize("noise", [0.2, 0.5, 1.0, 3.0])
def test_expected_variance_of_normal_draws(noise):
    """θ ~ N(0, 1) and y ~ N(θ, s²): E Var(θ | y) = s² / (1 + s²), whatever y."""
    generator = np.random.default_rng(0)
    theta, truths = generator.standard_normal(2000), np.arange(200)
    y = theta[truths] + noise * generator.standard_normal(200)
    found = reweighted(-((y[:, None] - theta) ** 2) / (2 * noise**2), truths, theta)
    # Three standard errors, and the sampling error of 2,000 draws' variance.
    assert (
        abs(found.variance - noise**2 / (1 + noise**2))
        < 3 * found.error + 3 * np.sqrt(2 / 2000) * found.variance
    )
    assert found.pareto_k < 0.7


def test_a_measurement_that_leaves_few_draws_has_a_high_k():
    generator = np.random.default_rng(0)
    theta = generator.standard_normal((500, 30))
    y = theta[:20] + 0.1 * generator.standard_normal((20, 30))
    log_likelihoods = -((y[:, None] - theta) ** 2).sum(2) / (2 * 0.1**2)
    assert reweighted(log_likelihoods, np.arange(20), theta[:, 0]).pareto_k > 0.7


def test_expected_variance_is_never_above_that_of_now():
    means = np.array([0.0, 1e-9, -1e-9])
    assert expected(1.0, means, np.full(3, 1e-3), np.array([0.5, 1.0, 1.6])).variance == 1.0


@pytest.fixture(scope="module")
def small(simulate):
    data, _ = simulate(1, num_devices=4, num_settings=7, num_trials=20)
    return fit(data, "logistic-plain", key=jax.random.key(0), draws=300, warmup=300, chains=2)


@pytest.fixture(scope="module")
def ranked(small):
    own = Candidate("w0", ("w0",), COST, num_trials=200)
    return plan(
        small,
        [MORE, AGAIN, own],
        parameter_target(small, "location[w0]"),
        key=jax.random.key(1),
        simulations=3,
    )


def test_what_a_plan_says(ranked, small):
    """Ten times the trials at one wire narrow its own location most; two other wires hardly do."""
    assert ranked["candidate"].to_numpy()[0] == "w0"
    assert (np.diff(ranked["per_hour"]) <= 0).all()
    assert (ranked["sd_after"] <= ranked["sd_before"]).all()
    sd = float(small.summary()["parameters"]["location"]["w0"]["sd"])
    np.testing.assert_allclose(ranked["sd_before"], sd, rtol=1e-2)
    # 11 times the data of one wire: its curve's location is known to about 1/√11, less where the population helped.
    after = float(ranked["sd_after"].sel(candidate="w0")) / sd
    assert 0.25 < after < 0.5
    assert ranked["sd_after"].attrs["units"] == "V"
    assert set(ranked["method"].to_numpy()) <= {"reweighted", "simulated"}


def test_hours_by_hand(ranked):
    hours = {
        str(name): float(h) for name, h in zip(ranked["candidate"].to_numpy(), ranked["hours"], strict=True)
    }
    both = 2 * (600 + 7 * 60 + 7 * 20 * 0.1) / 3600
    assert hours == pytest.approx({"more": both, "again": both, "w0": (600 + 7 * 60 + 7 * 200 * 0.1) / 3600})


def test_same_key_same_plan(small):
    target = parameter_target(small, "location_mean")
    first, second = (plan(small, [AGAIN], target, key=jax.random.key(5)) for _ in range(2))
    xr.testing.assert_identical(first, second)


@pytest.mark.slow
def test_simulated_measurements_agree_with_reweighting(small):
    """The same candidate judged both ways, each with its Monte Carlo error."""
    from charz.fitting.planning import ranking

    target, candidates = parameter_target(small, "log_width_mean"), [MORE, AGAIN]
    by_weights = plan(small, candidates, target, key=jax.random.key(2))
    assert set(by_weights["method"].to_numpy()) == {"reweighted"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "MAX_PARETO_K", -np.inf)
        by_fits = plan(small, candidates, target, key=jax.random.key(3), simulations=24)
    assert set(by_fits["method"].to_numpy()) == {"simulated"}
    for name in ("more", "again"):
        one, other = (found.sel(candidate=name) for found in (by_weights, by_fits))
        error = float(np.hypot(one["sd_after_se"], other["sd_after_se"]))
        assert abs(float(one["sd_after"] - other["sd_after"])) < 4 * error


FILE = """
[cost]
per_device = "10 min"
per_setting = "1 min"
per_trial = "100 ms"
[candidates.more]
devices = 2
[candidates.again]
devices = ["w0", "w1"]
[candidates.flank]
devices = "measured"
amplitude = ["900 mV", "1.1 V"]
trials = 50
repeats = 2
"""


def write(tmp_path, text):
    path = tmp_path / "candidates.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_candidates_from_a_file(small, tmp_path):
    more, again, flank = load_candidates(write(tmp_path, FILE), small.observations())
    assert (more, again) == (MORE, AGAIN)
    assert flank.settings["amplitude"] == pytest.approx((0.9, 1.1))
    added = addition(flank, small.fit_model, small.observations())
    assert added.observations.arrays["amplitude"].tolist() == [[0.9, 1.1, 0.9, 1.1]] * 4
    assert (added.observations.arrays["num_trials"] == 50).all()
    assert added.hours == pytest.approx(4 * (600 + 4 * 60 + 4 * 50 * 0.1) / 3600)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('devices = 2', 'devices = 0'), "devices is 0; it must be a whole number of at least 1, 'measured'"),
        (('devices = 2', 'trials = 2'), "candidates.more does not say devices"),
        (('devices = 2', 'device = 2'), "candidates.more.device is not known; a candidate has devices"),
        (('["w0", "w1"]', '["w9"]'), "candidates.again.devices names 'w9', which was not measured; there are w0"),
        (('"900 mV"', '0.9'), "candidates.flank.amplitude is 0.9; it must be a number with its unit in quotes"),
        (('"900 mV"', '"900 ms"'), "amplitude"),
        (('["900 mV", "1.1 V"]', '"1 V"'), "candidates.flank.amplitude is '1 V'; it must be a list of settings"),
        (('per_setting', 'per_cycle'), "cost.per_cycle is not known; [cost] has per_device, per_setting, per_trial"),
        (('"10 min"', '"-1 s"'), "cost.per_device is '-1 s'; a time cannot be negative"),
        (('[cost]', '[costs]'), "section 'costs' is not known"),
        (('devices = 2', 'devices = '), "not a valid TOML file"),
    ],
)  # fmt: skip
def test_files_that_are_refused(small, tmp_path, change, message):
    path = write(tmp_path, FILE.replace(*change, 1))
    with pytest.raises(FitError, match=re.escape(message)) as refused:
        load_candidates(path, small.observations())
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cost]\nper_device = '1 s'", "there is no candidate"),
        ("[candidates.a]\ndevices = 1", r"add a section \[cost\]"),
        ("[cost]\nper_device = '0 s'\n[candidates.a]\ndevices = 1", "every cost is 0"),
        ("[cost]\nper_device = '1 s'\n[candidates]\na = 1", r"candidates.a is 1; it must be a section"),
    ],
)
def test_files_without_what_is_needed(small, tmp_path, text, message):
    with pytest.raises(FitError, match=message):
        load_candidates(write(tmp_path, text), small.observations())


def test_no_file(small, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_candidates(tmp_path / "none.toml", small.observations())


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (Candidate("x", ("w9",), COST), "names device 'w9', which was not measured"),
        (Candidate("x", 1, COST, {"width": (1e-9,)}), "states widths without amplitudes"),
        (Candidate("x", 1, COST, {"amplitude": (1.0,), "width": (1e-9,)}), "the measured pulses have none"),
    ],
)
def test_candidates_that_the_data_cannot_take(small, candidate, message):
    with pytest.raises(FitError, match=message):
        plan(small, [candidate], parameter_target(small, "location_mean"), key=jax.random.key(0))


THERMAL = DESIGNS["thermal"].dataset
TWO_WIDTHS = DESIGNS["thermal-free"].dataset
RAMPS = ramps(4, 5)


@pytest.mark.parametrize(
    ("data", "model", "candidate", "message"),
    [
        (RAMPS, "weibull", Candidate("x", 1, COST, {"amplitude": (1.0,)}), "only pulse switching has settings"),
        (RAMPS, "weibull", Candidate("x", 1, COST, num_trials=5), "these data count none"),
        (RAMPS, "weibull", Candidate("x", ("d0",), COST), "continued on all of them"),
        (RAMPS, "weibull-drift", Candidate("x", 2, COST, repeats=2), "depend on those before"),
        (
            DESIGNS["logistic-directions"].dataset,
            "logistic-directions",
            Candidate("x", ("d0",), COST, {"amplitude": (1.0,)}),
            "either of two states",
        ),
        (
            THERMAL,
            "thermal",
            Candidate("x", 1, COST, {"amplitude": (0.5, 0.6, 0.7), "width": (1e-6, 1e-7)}),
            "3 amplitudes and 2 widths",
        ),
        (TWO_WIDTHS, "thermal-free", Candidate("x", 1, COST, {"amplitude": (0.5,)}), "no width, and the data have 2"),
    ],
)  # fmt: skip
def test_layouts_that_data_cannot_take(data, model, candidate, message):
    with pytest.raises(FitError, match=message):
        addition(candidate, find_model(model), family_of(model).observe(data))


def test_what_is_done_again_keeps_width_and_cycles():
    """One width of all settings need not be stated; ramps of new devices are as many as before."""
    one = addition(
        Candidate("x", 2, COST, {"amplitude": (0.5,)}),
        find_model("thermal"),
        family_of("thermal").observe(THERMAL),
    )
    assert np.unique(one.observations.arrays["width"]) == pytest.approx([1e-6])
    two = addition(
        Candidate("x", 3, COST, repeats=2), find_model("weibull"), family_of("weibull").observe(RAMPS)
    )
    assert two.observations.measured.shape == (3, 10)
    assert two.hours == pytest.approx(3 * (600 + 10 * 60) / 3600)


def test_a_drive_without_unit_is_a_plain_number(tmp_path):
    data = THERMAL.copy()
    data["amplitude"].attrs["units"] = "arb"
    observations = family_of("thermal").observe(data)
    with pytest.raises(FitError, match="the data have no unit there, so it must be a plain number"):
        load_candidates(write(tmp_path, FILE.replace('["w0", "w1"]', "1")), observations)


def test_a_material_network_cannot_be_planned(small):
    generator = np.random.default_rng(0)
    voltage = box(60, 3)
    record = record_of(voltage, bent_current(generator, voltage))
    posterior = fit(record, "linear", key=jax.random.key(0))
    with pytest.raises(FitError, match="has no parameters of devices that outcomes could be weighed by"):
        plan(posterior, [MORE], parameter_target(small, "location_mean"), key=jax.random.key(0))


@pytest.mark.parametrize(
    ("change", "what"),
    [({"devices": 0}, "devices"), ({"repeats": 0}, "repeats"), ({"num_trials": 0}, "trials")],
)
def test_empty_candidates(change, what):
    with pytest.raises(FitError, match=f"{what} is 0; a measurement needs at least 1"):
        Candidate(**{"name": "x", "devices": 1, "cost": COST, **change})


def test_refusals(small):
    target, key = parameter_target(small, "location_mean"), jax.random.key(0)
    with pytest.raises(FitError, match="no candidate to choose from"):
        plan(small, [], target, key=key)
    with pytest.raises(FitError, match="'more' is there twice"):
        plan(small, [MORE, MORE], target, key=key)
    with pytest.raises(FitError, match="simulations is 1"):
        plan(small, [MORE], target, key=key, simulations=1)
    with pytest.raises(FitError, match="the same in every draw"):
        plan(small, [MORE], Target("one", "1", lambda flat: np.ones(len(flat["location_mean"]))), key=key)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("locatoin_mean", "did you mean 'location_mean'"),
        ("location", r"name one as in 'location\[w0\]'"),
        ("location[w9]", "of w0, w1"),
        ("location_mean[w0]", "one number, not one a device"),
    ],
)
def test_targets_that_are_not_there(small, name, message):
    with pytest.raises(FitError, match=message):
        parameter_target(small, name)


def prediction(small, slope=0.05, num_draws=40, noise=0.005):
    """Accuracies that follow the mean location of their draw."""
    generator = np.random.default_rng(0)
    numbers = generator.choice(600, num_draws, replace=False)
    location = small.tree["posterior"]["location_mean"].to_numpy().ravel()
    follows = 0.9 + slope * (location[numbers] - location.mean()) / location.std()
    accuracy = follows[:, None] + noise * generator.standard_normal((num_draws, 4))
    return xr.Dataset(
        {"accuracy": (("draw", "array", "seed", "repeat"), accuracy[:, :, None, None])},
        {"posterior_draw": ("draw", numbers)},
    )


def test_accuracy_that_follows_the_population(small):
    """Its variance is that of what it follows; what is left is the noise of one reading."""
    target = accuracy_target(small, prediction(small))
    flat = {
        n: v.to_numpy().reshape(-1, *v.shape[2:]) for n, v in small.tree["posterior"].to_dataset().items()
    }
    values = target.values(flat)
    assert values.std() == pytest.approx(0.05, rel=0.05)
    assert np.corrcoef(values, flat["location_mean"])[0, 1] > 0.99
    # 120 degrees of freedom: the standard deviation is known to 6.5 %; of means of four, 3/4 of the variance is seen.
    assert np.sqrt(target.rest) == pytest.approx(0.005 * np.sqrt(0.75), rel=0.2)
    found = plan(small, [MORE, AGAIN], target, key=jax.random.key(0))
    assert float(found["sd_after"].min()) < float(found["sd_before"][0])
    assert found.attrs["target"] == "accuracy"


def test_predictions_that_cannot_be_planned_with(small, complete):
    known = prediction(small)
    with pytest.raises(FitError, match="no coordinate 'posterior_draw'"):
        accuracy_target(small, known.drop_vars("posterior_draw"))
    with pytest.raises(FitError, match="takes at least 10"):
        accuracy_target(small, known.isel(draw=slice(5)))
    with pytest.raises(FitError, match="made from another posterior"):
        accuracy_target(small, known.assign_coords(posterior_draw=known["posterior_draw"] + 10_000))
    with pytest.raises(FitError, match="does not follow the population"):
        accuracy_target(small, prediction(small, slope=0.0))
    with pytest.raises(FitError, match="pool='complete' has none"):
        accuracy_target(complete, known)


def test_one_pooled_device_is_measured_again(complete):
    """Without a population: the draws of the one device are weighed."""
    names = tuple(complete.device_names)
    again = Candidate("again", names, COST)
    found = plan(complete, [again], parameter_target(complete, "location"), key=jax.random.key(0))
    # Twice the data: 1/√2.
    assert 1 - float(found["shrinkage"][0]) == pytest.approx(0.5**0.5, rel=0.1)
    with pytest.raises(FitError, match="pool='complete' has no population"):
        plan(complete, [MORE], parameter_target(complete, "location"), key=jax.random.key(0))


def test_ridge_finds_slopes_and_nothing_in_noise():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((50, 3))
    slopes, mean, explained = ridge(x, 2 + x @ [1.0, 0.0, -1.0] + 0.1 * generator.standard_normal(50))
    np.testing.assert_allclose(slopes, [1, 0, -1], atol=0.06)
    assert mean == pytest.approx(2, abs=0.06)
    assert explained > 0.97
    assert ridge(x, generator.standard_normal(50))[2] < 0.15


def test_priors_come_back_from_their_table():
    priors = {"a": Prior("normal", (0.5, 0.25), "V"), "b_sd": Prior("half-normal", (1e-9,), "1")}
    assert priors_from_json(priors_to_json(priors)) == priors
    with pytest.raises(FitError, match="not a table of priors"):
        priors_from_json('[{"name": "a"}]')
