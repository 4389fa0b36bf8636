"""The store: read-write-read is the identity, files are whole, and what is no dataset says so."""

import string

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from charz.errors import ReadError, SchemaError
from charz.store import load, save


def counts(**attrs):
    """Smallest pulse_switching dataset, with a padded second device."""
    dims = ("device", "setting")

    def variable(values, units, name):
        return dims, np.array(values), {"units": units, "long_name": name}

    return xr.Dataset(
        {
            "amplitude": variable([[0.1, 0.2], [0.1, np.nan]], "V", "pulse amplitude"),
            "num_trials": variable([[100, 100], [50, 0]], "1", "number of pulses"),
            "num_switched": variable([[3, 97], [4, 0]], "1", "number that switched"),
        },
        {"device": ("device", ["wire_1", "Größe µ"], {"long_name": "device"})},
        {"experiment": "pulse_switching", **attrs},
    )


def test_round_trip(tmp_path):
    dataset = counts(
        text="é Ω",
        empty="",
        number=3,
        real=0.5,
        reals=[1.5, 2.0],
        many=["a", "b"],
        one=["a"],
        json='{"a": [1]}',
    )
    save(dataset, tmp_path / "a.nc")
    found = load(tmp_path / "a.nc")
    xr.testing.assert_identical(found, dataset)
    assert found.attrs == dataset.attrs
    assert found["num_trials"].dtype == np.int64
    assert found["device"].dtype.kind == "U"


def test_same_data_same_bytes(tmp_path):
    save(counts(one=["a"]), tmp_path / "a.nc")
    save(load(tmp_path / "a.nc"), tmp_path / "b.nc")
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_saving_does_not_touch_the_dataset(tmp_path):
    dataset = counts(one=["a"])
    before = dataset.copy(deep=True)
    save(dataset, tmp_path / "a.nc")
    xr.testing.assert_identical(dataset, before)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
attributes = st.dictionaries(
    st.text(string.ascii_lowercase, min_size=1, max_size=8).filter(lambda name: name != "experiment"),
    st.one_of(texts, numbers, st.lists(texts, min_size=1, max_size=3)),
    max_size=4,
)
amplitudes = hnp.arrays(
    float, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=st.floats(-1e9, 1e9)
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amplitude=amplitudes, attrs=attributes, data=st.data())
def test_any_dataset_survives(tmp_path, amplitude, attrs, data):
    trials = data.draw(hnp.arrays(np.int64, amplitude.shape, elements=st.integers(1, 2**40)))
    names = data.draw(
        st.lists(texts.filter(len), min_size=amplitude.shape[0], max_size=amplitude.shape[0], unique=True)
    )
    dims = ("device", "setting")
    dataset = xr.Dataset(
        {
            "amplitude": (dims, amplitude, {"units": "arb", "long_name": "pulse amplitude", **attrs}),
            "num_trials": (dims, trials, {"units": "1", "long_name": "number of pulses"}),
            "num_switched": (dims, trials // 2, {"units": "1", "long_name": "number that switched"}),
        },
        {"device": ("device", np.array(names))},
        {**attrs, "experiment": "pulse_switching"},
    )
    dataset["amplitude"].attrs |= {"units": "arb", "long_name": "pulse amplitude"}
    save(dataset, tmp_path / "a.nc")
    found = load(tmp_path / "a.nc")
    xr.testing.assert_identical(found, dataset)
    assert found.attrs == dataset.attrs


@pytest.mark.parametrize("value", [None, True, {"a": 1}, [], ["a", 1], "nul \0", "\ud800", [[1.0]]])
def test_attributes_that_netcdf_cannot_hold(tmp_path, value):
    with pytest.raises(SchemaError, match=r"attribute 'odd' = .* cannot be stored"):
        save(counts(odd=value), tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_dataset_is_not_written_and_the_old_file_stays(tmp_path):
    save(counts(), tmp_path / "a.nc")
    before = (tmp_path / "a.nc").read_bytes()
    with pytest.raises(SchemaError, match="num_trials"):
        save(counts().drop_vars("num_trials"), tmp_path / "a.nc")
    assert (tmp_path / "a.nc").read_bytes() == before


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="create it first"):
        save(counts(), tmp_path / "absent" / "a.nc")


def test_files_that_are_no_dataset(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(tmp_path / "absent.nc")
    with pytest.raises(ReadError, match="not a file"):
        load(tmp_path)
    (tmp_path / "text.nc").write_text("amplitude,n\n")
    with pytest.raises(ReadError, match=r"not a readable netCDF file .*`charz convert` makes"):
        load(tmp_path / "text.nc")
    save(counts(), tmp_path / "a.nc")
    (tmp_path / "short.nc").write_bytes((tmp_path / "a.nc").read_bytes()[:3000])
    with pytest.raises(ReadError, match="cut short"):
        load(tmp_path / "short.nc")
    xr.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(ReadError, match="attribute 'experiment' is missing"):
        load(tmp_path / "other.nc")
    counts().assign_attrs(experiment="magic").to_netcdf(tmp_path / "magic.nc")
    with pytest.raises(SchemaError, match=r"magic.nc: experiment 'magic' is no kind"):
        load(tmp_path / "magic.nc")
