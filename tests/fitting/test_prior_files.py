import dataclasses
import math
import tomllib

import jax
import numpy as np
import pytest
from designs import DESIGNS

from charz.errors import FitError
from charz.fitting.population import default_priors
from charz.fitting.prior_expectation import expected_outcomes
from charz.fitting.prior_files import load_priors, priors_toml
from charz.fitting.prior_sites import converted, prior_sites
from charz.fitting.prior_table import prior_table, priors_for
from charz.fitting.priors import Prior
from charz.fitting.registry import FAMILIES, MODELS, family_of, find_model
from charz.plots.expected import plot_expected

LOGISTIC = find_model("logistic")
GOOD = {
    "location": 'family = "normal"\nmean = 700\nsd = 50\nunit = "mV"',
    "width": 'family = "log-normal"\nmedian = 20\nfactor = 2\nunit = "mV"',
    "floor": 'family = "logit-beta"\na = 2\nb = 50',
    "location_sd": 'family = "half-normal"\nscale = 30\nunit = "mV"',
    "log_width_sd": 'family = "half-normal"\nfactor = 1.5',
    "logit_floor_sd": 'family = "half-normal"\nscale = 0.5',
}
EXPECTED = {
    "location": Prior("normal", (0.7, 0.05), "V"),
    "log_width": Prior("normal", (math.log(0.02), math.log(2)), "ln(V)"),
    "logit_floor": Prior("logit-beta", (2.0, 50.0), "1"),
    "location_sd": Prior("half-normal", (0.03,), "V"),
    "log_width_sd": Prior("half-normal", (math.log(1.5),), "1"),
    "logit_floor_sd": Prior("half-normal", (0.5,), "1"),
}


@pytest.fixture
def observations(simulate):
    return family_of("logistic").observe(simulate(1)[0])


@pytest.fixture
def read(tmp_path, observations):
    """Read a file of priors for wires measured in volts."""

    def run(text, model=LOGISTIC, pool="hierarchical", data=observations):
        path = tmp_path / "priors.toml"
        path.write_text(text, encoding="utf-8")
        return load_priors(path, model, data, pool)

    return run


def section(name, body):
    return f"[priors.{name}]\n{body}\n"


def close(prior, expected):
    assert (prior.family, prior.unit) == (expected.family, expected.unit)
    assert prior.constants == pytest.approx(expected.constants, rel=1e-12)


def test_units_are_converted_and_natural_statements_become_linked_ones(read):
    found = read("".join(section(name, body) for name, body in GOOD.items()))
    assert set(found) == set(EXPECTED)
    for name, prior in found.items():
        close(prior, EXPECTED[name])


def test_a_natural_number_in_millivolts_is_exact(read):
    # 700 * 0.001 would be 0.7000000000000001.
    assert read(section("location", GOOD["location"]))["location"].constants == (0.7, 0.05)


@pytest.mark.parametrize(
    ("unit", "moved"), [("ln(V)", 0.0), ("ln(mV)", math.log(1e-3)), ("ln(kV)", math.log(1e3))]
)
def test_mean_of_a_logarithm_moves_by_the_prefix(read, unit, moved):
    body = f'family = "normal"\nmean = -1.5\nsd = 0.4\nunit = "{unit}"'
    close(read(section("log_width", body))["log_width"], Prior("normal", (-1.5 + moved, 0.4), "ln(V)"))


def test_spread_of_a_logarithm_as_scale(read):
    found = read(section("log_width_sd", 'family = "half-normal"\nscale = 0.3'))
    close(found["log_width_sd"], Prior("half-normal", (0.3,), "1"))


def same(again, priors):
    assert list(again) == list(priors)
    for name, prior in priors.items():
        assert again[name].family == prior.family
        assert again[name].constants == pytest.approx(prior.constants, rel=1e-12)
        assert again[name].unit == prior.unit


@pytest.mark.parametrize("name", [n for n in MODELS if family_of(n).infer is None])
def test_every_model_has_its_priors_in_a_file_a_table_and_a_plot(read, tmp_path, name):
    model, family = find_model(name), family_of(name)
    seen = family.observe(DESIGNS[family.experiment][name].dataset)
    priors = default_priors(model, seen, "hierarchical")
    same(read(priors_toml(priors, model, seen), model, data=seen), priors)
    rows = prior_table(priors, prior_sites(model, seen, "hierarchical"))
    assert all(row["q05"] <= row["q50"] <= row["q95"] for row in rows)
    look = expected_outcomes(jax.random.key(0), model, family.for_checks(seen), priors, "hierarchical")
    assert np.isfinite(look["expected"].to_numpy()).any()
    plot_expected(look, tmp_path / "look.png", name)
    assert (tmp_path / "look.png").stat().st_size > 5000


@pytest.mark.parametrize("unit", ["arb", "A/m"])
def test_round_trip_in_other_units(read, simulate, make_dataset, unit):
    data = simulate(1)[0]
    data = make_dataset(*(data[n].to_numpy() for n in ("amplitude", "num_trials", "num_switched")), unit)
    seen = family_of("logistic").observe(data)
    priors = default_priors(LOGISTIC, seen, "hierarchical")
    same(read(priors_toml(priors, LOGISTIC, seen), data=seen), priors)


def test_written_file_states_every_unit(observations):
    written = tomllib.loads(priors_toml(priors_of(observations), LOGISTIC, observations))["priors"]
    assert (
        written["location"]["unit"] == written["log_width"]["unit"] == written["location_sd"]["unit"] == "V"
    )
    assert written["log_width"]["family"] == "log-normal"


def priors_of(observations):
    return default_priors(LOGISTIC, observations, "hierarchical")


NORMAL = 'family = "normal"\nmean = 1\nsd = 1\n'
BAD = {
    "not TOML": ("[priors", "not a valid TOML file"),
    "no section": ("", r"\[priors.NAME\]; found none"),
    "priors is a number": ("priors = 3", r"\[priors.NAME\]; found none"),
    "other section": ("[prior.location]\na = 1", r"\[priors.NAME\]; found prior"),
    "unknown": (section("locaton", NORMAL), r"no such prior \(did you mean 'location'\?\); there are location, log_"),
    "no table": ("[priors]\nlocation = 3", "location.*= 3 is no section"),
    "twice": (section("width", GOOD["width"]) + section("log_width", GOOD["width"]), "log_width is stated twice"),
    "no family": (section("location", "mean = 1"), 'family is missing; write family = "normal"'),
    "family": (section("location", 'family = "gamma"'), "'gamma' does not suit location; valid is normal"),
    "bounded": (section("width", 'family = "half-normal"\nscale = 1'), "valid is log-normal or normal"),
    "spread": (section("location_sd", NORMAL), "does not suit a spread; valid is half-normal"),
    "key missing": (section("location", 'family = "normal"\nmean = 1\nunit = "V"'), "mean and sd; sd is missing"),
    "key unknown": (section("location", NORMAL + 'unit = "V"\nscale = 1'), "mean and sd; scale is no key"),
    "text": (section("location", 'family = "normal"\nmean = "1 V"\nsd = 1'), "mean = '1 V' must be a finite number"),
    "truth": (section("location", 'family = "normal"\nmean = true\nsd = 1'), "mean = True must be a finite number"),
    "infinite": (section("location", 'family = "normal"\nmean = inf\nsd = 1'), "mean = inf must be a finite"),
    "zero": (section("location", 'family = "normal"\nmean = 1\nsd = 0\nunit = "V"'), "sd = 0 must be above zero"),
    "factor": (section("log_width_sd", 'family = "half-normal"\nfactor = 0.5'), "factor = 0.5 must be above one"),
    "no unit": (section("location", NORMAL), 'unit is not stated and never guessed; add unit = "V"'),
    "no unit of a log": (section("log_width", NORMAL), r'add unit = "ln\(V\)"'),
    "unit no text": (section("location", NORMAL + "unit = 3"), "unit = 3 must be text"),
    "dimension": (section("location", NORMAL + 'unit = "ns"'), "'ns' has the wrong dimension; valid is V with any"),
    "unit unknown": (section("location", NORMAL + 'unit = "volz"'), "'volz' is unknown"),
    "arb": (section("location", NORMAL + 'unit = "arb"'), "unit = 'arb'.*valid is V"),
    "no logarithm": (section("log_width", NORMAL + 'unit = "V"'), "'V' is not that of a logarithm"),
    "logarithm of time": (section("log_width", NORMAL + 'unit = "ln(s)"'), r"ln\(s\).*wrong dimension"),
    "unit of a factor": (section("log_width_sd", GOOD["log_width_sd"] + '\nunit = "V"'), "'V' has the wrong dim"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_wrong_file_is_named_with_what_is_valid(read, name):
    text, message = BAD[name]
    with pytest.raises(FitError, match=message) as caught:
        read(text)
    assert "priors.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_spread_without_a_population(read):
    with pytest.raises(FitError, match="pool 'complete' has no population; leave the section out"):
        read(section("location_sd", GOOD["location_sd"]), pool="complete")


def test_spread_of_a_shared_parameter(read):
    with pytest.raises(FitError, match="all devices share this parameter"):
        read(section("log_attempt_time_sd", 'family = "half-normal"\nfactor = 2'), find_model("thermal-free"))


def test_missing_file(tmp_path, observations):
    with pytest.raises(FileNotFoundError, match=r"none\.toml: no such file"):
        load_priors(tmp_path / "none.toml", LOGISTIC, observations, "hierarchical")


def test_unit_that_is_not_known_converts_to_nothing():
    assert converted([3.0], "arb", "arb") == [3.0]
    with pytest.raises(FitError, match=r"in a unit that is not known.*'mV'; valid is arb"):
        converted([3.0], "mV", "arb")


@pytest.mark.parametrize(
    ("stated", "unit", "value"),
    [("1/ms", "1/s", 1000.0), ("kHz", "1/s", 1000.0), ("Oe", "A/m", 1000 / (4 * math.pi))],
)
def test_units_of_rates_and_fields(stated, unit, value):
    assert converted([1.0], stated, unit) == pytest.approx([value], rel=1e-12)


def test_priors_of_a_dataset(simulate, observations):
    data = simulate(1)[0]
    assert priors_for(data, "logistic") == priors_of(observations)
    assert set(priors_for(data, "logistic", "complete")) == {"location", "log_width", "logit_floor"}
    with pytest.raises(FitError, match="pool 'some' is not known"):
        priors_for(data, "logistic", "some")
    with pytest.raises(FitError, match="initial_state"):
        priors_for(data, "logistic-directions")


def test_a_family_without_populations_has_one_pool(simulate, monkeypatch):
    family = dataclasses.replace(FAMILIES["pulse_switching"], infer=lambda *arguments: None)
    monkeypatch.setitem(FAMILIES, "pulse_switching", family)
    assert "location_sd" not in priors_for(simulate(1)[0], "logistic")
    with pytest.raises(FitError, match="there is only 'complete'"):
        priors_for(simulate(1)[0], "logistic", "hierarchical")


def test_table_gives_quantiles_on_the_natural_scale(observations):
    sites = prior_sites(LOGISTIC, observations, "hierarchical")
    rows = {row["name"]: row for row in prior_table(EXPECTED, sites)}
    generator = np.random.default_rng(0)
    for name, row in rows.items():
        drawn = EXPECTED[name].draw(generator, (40_000,))
        if name == "log_width" or name == "log_width_sd":
            drawn = np.exp(drawn)
        if name == "logit_floor":
            drawn = 1 / (1 + np.exp(-drawn))
        for key, level in (("q05", 0.05), ("q50", 0.5), ("q95", 0.95)):
            below = np.mean(drawn <= row[key])
            assert abs(below - level) < 4 * math.sqrt(level * (1 - level) / drawn.size)
    assert (rows["log_width"]["unit"], rows["log_width"]["scale_unit"]) == ("V", "ln(V)")
    assert (rows["log_width_sd"]["unit"], rows["location_sd"]["unit"]) == ("factor", "V")
    assert rows["logit_floor_sd"]["unit"] == "on the logit scale"
    assert rows["location_sd"]["meaning"] == "spread between devices of location"


def test_expected_outcomes_are_shares_at_the_settings(observations):
    # Priors so narrow that all draws are one curve.
    narrow = {
        "location": Prior("normal", (4.6, 1e-6), "V"),
        "log_width": Prior("normal", (math.log(0.4), 1e-6), "ln(V)"),
        "logit_floor": Prior("normal", (-30.0, 1e-6)),
        "location_sd": Prior("half-normal", (1e-6,), "V"),
        "log_width_sd": Prior("half-normal", (1e-6,)),
        "logit_floor_sd": Prior("half-normal", (1e-6,)),
    }
    look = expected_outcomes(jax.random.key(0), LOGISTIC, observations, narrow, "hierarchical", 400)
    assert look["expected"].dims == ("draw", "point")
    assert look["setting"].attrs == {"units": "V", "long_name": "pulse amplitude"}
    drive = look["setting"].to_numpy()[0]
    probability = 1 / (1 + np.exp(-(drive - 4.6) / 0.4))
    error = np.sqrt(probability * (1 - probability) / (400 * 100))
    assert np.all(np.abs(look["expected"].mean("draw").to_numpy() - probability) < 4 * error)
    share = observations.arrays["num_switched"] / observations.arrays["num_trials"]
    np.testing.assert_array_equal(look["measured"].to_numpy(), share)
