"""Read, write, read is the identity for every kind: values, types, labels, attributes, and bytes."""

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import charz
from charz.errors import ReadError, SchemaError
from charz.kinds import KINDS, Variable
from charz.store import opened
from charz.units import ARBITRARY, CANONICAL

HUGE = 1.7976931348623157e308
TINY = 5e-324
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, TINY, -TINY, HUGE, -HUGE, 1e-18, 0.1]),
)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
ATTRIBUTES = st.dictionaries(
    st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True).map(lambda name: f"note_{name}"),
    st.one_of(
        TEXT,
        NUMBERS,
        INTEGERS,
        st.lists(TEXT, min_size=1, max_size=3),
        st.lists(NUMBERS, min_size=1, max_size=3),
        st.lists(INTEGERS, min_size=1, max_size=3),
    ),
    max_size=5,
)


@st.composite
def floats(draw, shape, *, positive=False, increasing=None):
    """Finite numbers; where the last axis is ragged, NaN behind each trace."""
    elements = st.floats(TINY, HUGE) if positive else NUMBERS
    values = draw(arrays.arrays(np.float64, shape, elements=elements))
    if increasing is not None:
        values = np.sort(values, axis=increasing)
    if shape and draw(st.booleans()):
        lengths = draw(arrays.arrays(np.int64, shape[:-1], elements=st.integers(0, shape[-1])))
        values[np.arange(shape[-1]) >= lengths[..., None]] = np.nan
    return values


@st.composite
def one(draw, variable: Variable, sizes):
    """One variable of a kind, with its unit and a name for axes."""
    shape = tuple(sizes[dim] for dim in variable.dims)
    unit = draw(st.sampled_from((*variable.units, ARBITRARY) if variable.arbitrary else variable.units))
    attrs = {"units": unit, "long_name": draw(TEXT.filter(bool)), **draw(ATTRIBUTES)}
    if variable.values == "integer":
        high = {"censored": 3}.get(variable.name, 2**53)
        return variable.dims, draw(arrays.arrays(np.int64, shape, elements=st.integers(0, high))), attrs
    axis = variable.dims.index(variable.increasing) if variable.increasing else None
    return variable.dims, draw(floats(shape, positive=variable.positive, increasing=axis)), attrs


@st.composite
def extra(draw, kind, sizes):
    """A variable beside those of the kind, along some of its dims."""
    dims = kind.dims[: draw(st.integers(1, len(kind.dims)))]
    shape = tuple(sizes[dim] for dim in dims)
    attrs = {"units": draw(st.sampled_from(CANONICAL)), "long_name": "extra", **draw(ATTRIBUTES)}
    dtype = draw(st.sampled_from(["f8", "f4", "i8", "i4", "i2", "u1", "i1"]))
    return dims, draw(arrays.arrays(dtype, shape)), attrs


@st.composite
def datasets(draw, name):
    kind = KINDS[name]
    sizes = {dim: draw(st.integers(1, 4)) for dim in kind.dims}
    chosen = [
        variable
        for variable in kind.variables
        if variable.required or variable.name in kind.one_of[:1] or draw(st.booleans())
    ]
    variables = {variable.name: draw(one(variable, sizes)) for variable in chosen}
    if name == "pulse_switching":
        shape = (sizes["device"], sizes["setting"])
        trials = draw(arrays.arrays(np.int64, shape, elements=st.integers(0, 2**53)))
        trials[0, 0] = 1
        variables["num_trials"][1][...] = trials
        variables["num_switched"][1][...] = np.minimum(variables["num_switched"][1], trials)
        for other in {"amplitude", "width"} & {*variables}:
            values = variables[other][1]
            values[np.isnan(values) & (trials > 0)] = 0.5
    for number in range(draw(st.integers(0, 2))):
        variables[f"extra_{number}"] = draw(extra(kind, sizes))
    coords = {}
    if kind.dims[0] == "device":
        names = draw(
            st.lists(TEXT.filter(bool), min_size=sizes["device"], max_size=sizes["device"], unique=True)
        )
        coords["device"] = ("device", names, {"long_name": "device", **draw(ATTRIBUTES)})
    if "cycle" in sizes and draw(st.booleans()):
        numbers = draw(st.sampled_from([np.arange(sizes["cycle"]) * 3, np.arange(sizes["cycle"]) / 2]))
        coords["cycle"] = ("cycle", numbers, {"long_name": "cycle"})
    if "sample" in sizes and draw(st.booleans()):
        coords["record"] = ("sample", np.arange(sizes["sample"]) // 2, {"long_name": "number of the file"})
    if "electrode" in sizes:
        coords["electrode"] = ("electrode", np.arange(sizes["electrode"]), {"long_name": "electrode"})
    return xr.Dataset(variables, coords, {"experiment": name, **draw(ATTRIBUTES)})


def kind_of(value):
    """Type of an attribute, and of the items of a list."""
    return [type(item) for item in value] if isinstance(value, list) else type(value)


def assert_same(found, expected):
    assert found.identical(expected)
    assert list(found.variables) == list(expected.variables) or {*found.variables} == {*expected.variables}
    for name in expected.variables:
        one, other = found[name], expected[name]
        assert one.dims == other.dims
        assert one.dtype.kind == other.dtype.kind
        if one.dtype.kind != "U":
            assert one.dtype == other.dtype
            # Also the sign of zero, and each bit of the rest.
            np.testing.assert_array_equal(
                one.values.view("u1"), np.ascontiguousarray(other.values).view("u1")
            )
    for owner in (found, *found.variables.values()):
        attrs = expected.attrs if owner is found else None
        if attrs is not None:
            assert {key: kind_of(value) for key, value in owner.attrs.items()} == {
                key: kind_of(value) for key, value in attrs.items()
            }
    for name in expected.variables:
        assert {key: kind_of(value) for key, value in found[name].attrs.items()} == {
            key: kind_of(value) for key, value in expected[name].attrs.items()
        }


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_read_write_read_is_the_identity(tmp_path, kind, data):
    dataset = data.draw(datasets(kind))
    before = dataset.copy(deep=True)
    first, second = tmp_path / "first.nc", tmp_path / "second.nc"
    charz.save(dataset, first)
    assert_same(dataset, before)
    loaded = charz.load(first)
    assert_same(loaded, dataset)
    charz.save(loaded, second)
    assert_same(charz.load(second), dataset)
    assert second.read_bytes() == first.read_bytes()
    assert_same(charz.read(first), dataset)
    charz.convert(first, second, kind)
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_every_variable_and_unit_of_a_kind(tmp_path, kind):
    table = KINDS[kind]
    for variable in table.variables:
        for unit in (*variable.units, *([ARBITRARY] if variable.arbitrary else [])):
            dataset = complete(table, {variable.name: unit})
            charz.save(dataset, tmp_path / "one.nc")
            assert_same(charz.load(tmp_path / "one.nc"), dataset)


def complete(kind, units):
    """Dataset with every variable of a kind, two along each dim."""
    variables = {}
    for variable in kind.variables:
        shape = (2,) * len(variable.dims)
        integer = variable.values == "integer"
        values = np.ones(shape, np.int64) if integer else np.ones(shape) * math.pi
        unit = units.get(variable.name, variable.units[0])
        variables[variable.name] = (variable.dims, values, {"units": unit, "long_name": variable.long_name})
    coords = {"device": ("device", ["a", "ß"], {"long_name": "device"})} if kind.dims[0] == "device" else {}
    return xr.Dataset(variables, coords, {"experiment": kind.name})


SAFE = complete(KINDS["telegraph"], {})


@pytest.mark.parametrize(
    "value",
    [
        "",
        " blank at the ends ",
        "µΩ 磁 🧲\n\ttwo lines",
        [""],
        ["one"],
        ["a", ""],
        ["a", "b", "ü"],
        0,
        -3,
        2**63 - 1,
        -(2**63),
        1.5,
        0.1,
        float("inf"),
        TINY,
        [1],
        [1.5],
        [1, 2],
        [0.5, -0.25],
    ],
)
@pytest.mark.parametrize("owner", ["", "signal", "device"])
def test_attributes_come_back_as_they_were(tmp_path, value, owner):
    dataset = SAFE.copy(deep=True)
    (dataset[owner] if owner else dataset).attrs["note"] = value
    charz.save(dataset, tmp_path / "one.nc")
    loaded = charz.load(tmp_path / "one.nc")
    found = (loaded[owner] if owner else loaded).attrs["note"]
    assert found == value
    assert kind_of(found) == kind_of(value)
    assert "charz_short_lists" not in loaded.attrs


def test_nan_as_an_attribute(tmp_path):
    dataset = SAFE.copy(deep=True)
    dataset.attrs["note"] = float("nan")
    charz.save(dataset, tmp_path / "one.nc")
    assert math.isnan(charz.load(tmp_path / "one.nc").attrs["note"])


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        ("", "note", 2**64),
        ("", "note", [1, -(2**70)]),
        ("signal", "note", "a\0b"),
        ("signal", "scale_factor", 2.0),
        ("signal", "add_offset", 2.0),
        ("signal", "_FillValue", 1.0),
        ("signal", "missing_value", 1.0),
        ("signal", "_Unsigned", "true"),
        ("device", "dtype", "bool"),
        ("device", "coordinates", "x"),
        ("", "coordinates", "x"),
        ("", "charz_short_lists", "x"),
        ("", "blank at the end ", "x"),
        ("", "a/b", "x"),
        ("", "", "x"),
    ],
)
def test_what_would_come_back_otherwise_is_refused(tmp_path, owner, name, value):
    dataset = SAFE.copy(deep=True)
    (dataset[owner] if owner else dataset).attrs[name] = value
    with pytest.raises(SchemaError, match="cannot be stored") as caught:
        charz.save(dataset, tmp_path / "one.nc")
    assert repr(f"{owner}:{name}" if owner else name) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unit", ["days", "seconds since 2026-01-01", "seconds"])
def test_units_that_look_like_dates_stay_numbers(tmp_path, unit):
    dataset = SAFE.copy(deep=True)
    dataset["age"] = (("device",), np.array([1.5, 2.0]), {"units": unit, "long_name": "age"})
    charz.save(dataset, tmp_path / "one.nc")
    assert_same(charz.load(tmp_path / "one.nc"), dataset)


def test_long_records_are_stored_and_read_exactly(tmp_path):
    values = np.random.default_rng(5).normal(size=(1, 2_100_000))
    dataset = xr.Dataset(
        {"signal": (("device", "time"), values, {"units": "V", "long_name": "signal"})},
        {"device": ("device", ["w"], {"long_name": "device"})},
        {"experiment": "telegraph"},
    )
    charz.save(dataset, tmp_path / "long.nc")
    assert_same(charz.load(tmp_path / "long.nc"), dataset)


def test_values_may_stay_on_disk(tmp_path):
    charz.save(SAFE, tmp_path / "one.nc")
    with opened(tmp_path / "one.nc") as dataset:
        assert_same(dataset.load(), SAFE)
    (tmp_path / "two.nc").write_bytes((tmp_path / "one.nc").read_bytes()[:3000])
    with pytest.raises(ReadError, match="not a readable netCDF file"), opened(tmp_path / "two.nc"):
        pass
    with pytest.raises(FileNotFoundError), opened(tmp_path / "none.nc"):
        pass
