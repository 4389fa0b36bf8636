"""Every extractor keeps the contract: valid result, labels, rule attributes, refusals; and the command line."""

import json

import numpy as np
import pytest
import typer
import xarray as xr
from typer.testing import CliRunner

import charz
from charz.cli.extract import extract as command
from charz.cli.extract import parse_options
from charz.errors import CharzError, ExpressionError, SchemaError, UnitError
from charz.extract import EXTRACTORS, extract
from charz.kinds import KINDS


def loop(num_points=80):
    field = np.concatenate([np.linspace(5, -5, num_points), np.linspace(-5, 5, num_points)[1:]])
    centre = np.where(np.arange(field.size) < num_points, -1.0, 2.0)
    return field, np.tanh((field - centre) / 0.5)


def sweep():
    volts = np.concatenate([np.linspace(0, 1, 11), np.linspace(0.9, 0, 10)])
    amps = volts * np.where(np.arange(21) < 6, 1e-6, 1e-4)
    padded = [np.append(values, [np.nan, np.nan]) for values in (volts, amps)]
    return [np.broadcast_to(values, (2, 3, 23)).copy() for values in padded]


CASES = {
    "thresholds": ("iv_sweep", {"at": "largest-increase"}),
    "ramps": ("pulse_train", {"crossed": "conductance > 5e-6"}),
    "censoring": ("ramp_switching", {"step": "0.1 V"}),
    "increments": ("pulse_train", {}),
    "dwells": ("telegraph", {"min_dwell": 2}),
    "conductance_at": ("iv_sweep", {"read_voltage": "250 mV"}),
    "coercivity": ("hysteresis", {"saturation": 4}),
    "slope": ("hysteresis", {}),
    "drift_ratio": ("retention", {"last": 3}),
}


@pytest.fixture
def inputs(build):
    volts, amps = sweep()
    field, signal = loop()
    rng = np.random.default_rng(1)
    train = np.tile(np.linspace(1e-6, 1e-5, 10), (2, 2, 1))
    noise = np.where(rng.random((2, 60)) < 0.5, 1.0, 2.0) + 0.01 * rng.standard_normal((2, 60))
    elapsed = np.tile(np.arange(20.0), (2, 1))
    return {
        "iv_sweep": build("iv_sweep", voltage=(volts, "V"), current=(amps, "A")),
        "pulse_train": build(
            "pulse_train",
            conductance=(train, "S"),
            amplitude=(np.tile(np.linspace(1, 2, 10), (2, 2, 1)), "V"),
        ),
        "ramp_switching": build("ramp_switching", threshold=([[1.0, 2.0, np.nan]], "V")),
        "telegraph": build("telegraph", signal=(noise, "V")),
        "hysteresis": build("hysteresis", field=(field[None, None], "arb"), signal=(signal[None, None], "V")),
        "retention": build(
            "retention", elapsed=(elapsed, "s"), resistance=(1e4 + 10 * elapsed + rng.random((2, 20)), "ohm")
        ),
    }


def test_every_extractor_has_a_case():
    assert set(CASES) == set(EXTRACTORS)


@pytest.mark.parametrize("rule", EXTRACTORS)
def test_entries_are_complete(rule):
    one = EXTRACTORS[rule]
    assert one.name == rule
    assert one.summary
    assert {*one.takes, one.gives, *one.may_give} <= set(KINDS)
    assert set(one.required) <= set(one.options)
    assert all(one.options.values())


@pytest.mark.parametrize("rule", EXTRACTORS)
def test_the_result_is_valid_labelled_and_survives_the_disk(rule, inputs, tmp_path):
    kind, options = CASES[rule]
    source = inputs[kind]
    before = source.copy(deep=True)
    result = extract(source, rule, **options)
    assert result.attrs["experiment"] == EXTRACTORS[rule].gives
    assert result.attrs["device_family"] == "test"
    assert "\n" not in result.attrs["extract_rule"]
    assert json.loads(result.attrs["extraction"]) == {"rule": rule, "options": options, "from": kind}
    for array in result.data_vars.values():
        assert array.attrs["units"]
        assert array.attrs["long_name"]
    charz.save(result, tmp_path / "out.nc")
    xr.testing.assert_identical(charz.load(tmp_path / "out.nc"), result)
    xr.testing.assert_identical(source, before)


@pytest.mark.parametrize(
    "rule", ["thresholds", "censoring", "increments", "conductance_at", "coercivity", "slope"]
)
def test_labels_of_devices_and_cycles_are_kept(rule, inputs):
    kind, options = CASES[rule]
    cycles = 10 + 5 * np.arange(inputs[kind].sizes["cycle"])
    result = extract(inputs[kind].assign_coords(cycle=cycles), rule, **options)
    assert result["cycle"].values.tolist() == cycles.tolist()
    owners = result["loop" if rule == "coercivity" else "device"].values
    assert owners.tolist() == inputs[kind]["device"].values.tolist()


@pytest.mark.parametrize("rule", EXTRACTORS)
def test_wrong_kinds_are_refused_with_the_rules_that_fit(rule, inputs):
    wrong = next(kind for kind in inputs if kind not in EXTRACTORS[rule].takes)
    with pytest.raises(SchemaError, match=f"{rule} reads .*, not {wrong}; rules for {wrong}: "):
        extract(inputs[wrong], rule, **CASES[rule][1])


@pytest.mark.parametrize("rule", EXTRACTORS)
def test_unknown_options_are_refused(rule, inputs):
    kind, options = CASES[rule]
    with pytest.raises(SchemaError, match=r"there is no option 'colour'.*valid: "):
        extract(inputs[kind], rule, **options, colour=1)


@pytest.mark.parametrize("rule", [name for name, one in EXTRACTORS.items() if one.required])
def test_required_options_are_asked_for(rule, inputs):
    with pytest.raises(SchemaError, match=f"the option '{EXTRACTORS[rule].required[0]}' must be given"):
        extract(inputs[CASES[rule][0]], rule)


@pytest.mark.parametrize(
    ("rule", "options", "error", "message"),
    [
        ("treshold", {}, SchemaError, "did you mean 'thresholds'"),
        ("thresholds", {"polarty": "positive"}, SchemaError, "did you mean 'polarity'"),
        ("thresholds", {"at": "largest-drip"}, SchemaError, "did you mean 'largest-drop'"),
        ("thresholds", {"at": ["level"]}, SchemaError, "must be a number, true/false or a string"),
        ("thresholds", {"limit": 2.5}, UnitError, "has no unit; write for example '2.5 V'"),
        ("thresholds", {"limit": "2.5 A"}, UnitError, "wrong dimension"),
        ("thresholds", {"limit": True}, UnitError, "not a number with a unit"),
        ("thresholds", {"limit": "-1 V"}, SchemaError, "must be above zero"),
        ("conductance_at", {"read_voltage": "0.3 V", "interpolate": "yes"}, SchemaError, "true or false"),
        ("dwells", {"min_dwell": 0}, SchemaError, "whole number, 1 or more"),
        ("dwells", {"min_dwell": 1.5}, SchemaError, "whole number"),
        ("ramps", {"crossed": "conductanse > 1"}, ExpressionError, "did you mean 'conductance'"),
        ("ramps", {"crossed": "conductance >"}, ExpressionError, "ends too early"),
        ("ramps", {"crossed": 5}, ExpressionError, "not yes or no"),
    ],
)
def test_options_that_cannot_be(rule, options, error, message, inputs):
    kind = CASES.get(rule, ("iv_sweep",))[0]
    with pytest.raises(error, match=message) as caught:
        extract(inputs[kind], rule, **options)
    assert "\n" not in str(caught.value)


def test_a_missing_value_in_an_expression_is_not_taken_as_no(inputs):
    dataset = inputs["pulse_train"]
    dataset["r_after"] = dataset["conductance"].copy()
    dataset["r_after"][1, 0, 3] = np.nan
    with pytest.raises(SchemaError, match=r"r_after is NaN at device b, cycle 0, pulse 3 \(1 such"):
        extract(dataset, "ramps", crossed="r_after > 5e-6")


def test_several_extractions_make_a_list(inputs):
    once = extract(inputs["iv_sweep"], "conductance_at", read_voltage="0.25 V")
    twice = extract(once, "increments")
    thrice = extract(twice, "increments")
    chain = json.loads(thrice.attrs["extraction"])
    assert [(step["rule"], step["from"]) for step in chain] == [
        ("conductance_at", "iv_sweep"), ("increments", "pulse_train"), ("increments", "pulse_train")
    ]  # fmt: skip
    assert thrice["increment"].equals(twice["increment"])
    once.attrs["extraction"] = "by hand"
    with pytest.raises(SchemaError, match="not the JSON that charz writes"):
        extract(once, "increments")


def test_numpy_scalars_are_options_too(inputs):
    result = extract(inputs["retention"], "drift_ratio", last=np.int64(3))
    assert json.loads(result.attrs["extraction"])["options"] == {"last": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("2.5e-5", 2.5e-5), ("True", True), ("false", False), ("0.3 V", "0.3 V"), ("nan", "nan")],
)
def test_values_on_the_command_line(text, value):
    found = parse_options([f"name={text}"])["name"]
    assert found == value
    assert type(found) is type(value)


@pytest.fixture
def run(tmp_path):
    app = typer.Typer()
    app.command()(command)

    def call(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)))

    return call


def test_the_command_writes_what_the_function_gives(run, inputs, tmp_path):
    source, output = tmp_path / "in.nc", tmp_path / "out.nc"
    charz.save(inputs["iv_sweep"], source)
    done = run("thresholds", source, "-o", output, "--option", "limit=2 V", "--option", "at=largest-drop")
    assert done.exit_code == 0, done.output
    assert "Rule: threshold = |V| at the largest drop" in done.output
    expected = extract(inputs["iv_sweep"], "thresholds", limit="2 V", at="largest-drop")
    xr.testing.assert_identical(charz.load(output), expected)


def test_the_command_as_json(run, inputs, tmp_path):
    charz.save(inputs["retention"], tmp_path / "in.nc")
    done = run("drift_ratio", tmp_path / "in.nc", "-o", tmp_path / "out.nc", "--option", "last=3", "--json")
    result = json.loads(done.stdout)
    assert (result["rule"], result["options"], result["warnings"]) == ("drift_ratio", {"last": 3}, [])
    assert result["attributes"]["extract_rule"].startswith("drift_ratio = mean of the last 3")


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_the_list_of_rules(run, arguments):
    done = run(*arguments)
    assert done.exit_code == 0
    for rule, one in EXTRACTORS.items():
        assert rule in done.output
        assert all(name in done.output for name in one.options)
    rules = json.loads(run(*arguments, "--json").stdout)["rules"]
    assert rules["ramps"]["required"] == ["crossed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dwells"], "needs a dataset and a file to write"),
        (["dwells", "in.nc"], "needs a dataset and a file to write"),
        (["dwells", "in.nc", "-o", "out.nc", "--option", "scale"], "is not NAME=VALUE"),
    ],
)
def test_wrong_usage_is_one_line(run, arguments, message):
    done = run(*arguments)
    assert isinstance(done.exception, CharzError)
    assert message in str(done.exception)


def test_the_input_is_never_overwritten(run, inputs, tmp_path):
    charz.save(inputs["telegraph"], tmp_path / "in.nc")
    done = run("dwells", tmp_path / "in.nc", "-o", tmp_path / "in.nc")
    assert "never overwritten" in str(done.exception)
