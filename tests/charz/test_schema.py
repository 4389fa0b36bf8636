"""The schema: every kind has a valid example, and every way to break it has its own sentence."""

import numpy as np
import pytest
import xarray as xr

from charz.errors import SchemaError
from charz.kinds import KINDS, kind_named
from charz.schema import validate

SIZES = {
    "device": 2,
    "setting": 3,
    "cycle": 2,
    "time": 4,
    "pulse": 3,
    "point": 3,
    "sample": 2,
    "electrode": 3,
}


def example(name):
    """Smallest valid dataset of a kind, with all its variables."""
    kind = KINDS[name]
    variables = {}
    for variable in kind.variables:
        shape = [SIZES[dim] for dim in variable.dims]
        values = np.ones(shape, dtype=np.int64 if variable.values == "integer" else np.float64)
        if variable.increasing:
            values = np.cumsum(values, axis=-1)
        variables[variable.name] = (
            variable.dims,
            values,
            {"units": variable.units[0], "long_name": variable.long_name},
        )
    coords = {"device": ("device", ["a", "b"])} if kind.dims[0] == "device" else {}
    return xr.Dataset(variables, coords, {"experiment": name})


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_a_valid_example(name):
    dataset = example(name)
    assert validate(dataset) is dataset


@pytest.mark.parametrize("name", KINDS)
def test_optional_variables_may_be_absent(name):
    kind = KINDS[name]
    optional = [variable.name for variable in kind.variables if not variable.required]
    validate(example(name).drop_vars([name for name in optional if name not in kind.one_of]))


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        (kind.name, variable.name)
        for kind in KINDS.values()
        for variable in kind.variables
        if variable.required
    ],
)
def test_a_missing_variable_is_named(name, variable):
    dims = {dim: range(SIZES[dim]) for dim in KINDS[name].dims[1:]}
    broken = example(name).drop_vars(variable).assign_coords(dims)
    with pytest.raises(SchemaError, match=f"{name}: variable '{variable}' .* is missing"):
        validate(broken)


def test_one_of_several_must_be_there():
    with pytest.raises(SchemaError, match="resistance or conductance"):
        validate(example("retention").drop_vars(["resistance", "conductance", "error_rate"]))


def _set(variable, index, value):
    def change(dataset):
        dataset[variable].values[index] = value
        return dataset

    return change


def _attr(variable, name, value):
    def change(dataset):
        dataset[variable].attrs[name] = value
        return dataset

    return change


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("pulse_switching", lambda d: d.drop_attrs(deep=False), "no attribute 'experiment'"),
        ("retention", lambda d: d.isel(time=0), "dimension 'time' is missing"),
        (
            "pulse_switching",
            lambda d: d.assign_attrs(experiment="pulse_swiching"),
            "did you mean 'pulse_switching'",
        ),
        ("pulse_switching", lambda d: d.rename(setting="voltage"), "dimension 'setting' is missing"),
        ("pulse_switching", lambda d: d.isel(setting=slice(0)), "dimension 'setting' is empty"),
        ("pulse_switching", lambda d: d.drop_vars("device"), "coordinate 'device' is missing"),
        ("pulse_switching", lambda d: d.assign_coords(device=[1, 2]), "must hold strings"),
        ("pulse_switching", lambda d: d.assign_coords(device=["a", "a"]), "same name"),
        ("pulse_switching", lambda d: d.assign(amplitude=d.amplitude.T), r"dims \('setting', 'device'\)"),
        ("pulse_switching", lambda d: d.assign(num_trials=d.num_trials * 1.0), "must hold integers"),
        ("pulse_switching", lambda d: d.assign(amplitude=d.num_trials), "must hold floating-point"),
        (
            "pulse_switching",
            _attr("amplitude", "units", "mV"),
            "units 'mV'; it must be stored in V or A or A/m or T",
        ),
        ("pulse_switching", _attr("width", "units", "arb"), "units 'arb'"),
        ("pulse_switching", _attr("amplitude", "long_name", ""), "no attribute 'long_name'"),
        ("pulse_switching", _set("num_trials", (0, 1), -1), "num_trials = -1 at device a, setting 1"),
        ("pulse_switching", _set("num_switched", (1, 2), -4), "num_switched = -4 at device b, setting 2"),
        ("pulse_switching", _set("num_switched", (1, 2), 7), "num_switched = 7 .*at most num_trials"),
        ("pulse_switching", _set("amplitude", (0, 0), np.nan), "amplitude = nan at device a, setting 0"),
        ("pulse_switching", _set("amplitude", (0, 0), np.inf), "amplitude = inf .*finite"),
        ("pulse_switching", _set("width", (1, 0), 0.0), "width = 0.0 at device b, setting 0.*above zero"),
        ("pulse_switching", _set("width", (1, 0), np.nan), "width = nan"),
        (
            "pulse_switching",
            lambda d: d.assign(num_trials=d.num_trials * 0, num_switched=d.num_switched * 0),
            "nothing",
        ),
        ("telegraph", _set("elapsed", (1, 2), 0.0), "elapsed = 0.0 at device b, time 2.*time runs forward"),
        ("ramp_switching", _set("censored", (0, 0), 4), "censored = 4"),
        ("iv_sweep", _set("compliance", (0, 0), -1.0), "compliance = -1.0"),
    ],
)
def test_each_breach_has_its_sentence(name, change, words):
    broken = change(example(name).copy(deep=True))
    with pytest.raises(SchemaError, match=words):
        validate(broken)


def test_padding_is_valid():
    dataset = example("pulse_switching")
    for name, value in (("amplitude", np.nan), ("width", np.nan), ("num_trials", 0), ("num_switched", 0)):
        dataset[name].values[1, 2] = value
    validate(dataset)


def test_an_unknown_unit_of_the_drive_is_valid():
    validate(_attr("amplitude", "units", "arb")(example("pulse_switching")))


def test_unknown_kind_lists_the_valid_ones():
    with pytest.raises(SchemaError, match=r"Valid: pulse_switching, .*hysteresis"):
        kind_named("x")
