"""netCDF that is not charz' own: long form, coordinates repeated, values decoded as the conventions say."""

import os

import numpy as np
import pytest
import xarray as xr

from charz.errors import ReadError
from charz.readers.netcdf import READER

pytest.importorskip("h5py")
X, Y = np.array([0.0, 0.5]), np.array([1.0, 2.0, 3.0])
Z = np.arange(6.0).reshape(2, 3)
ENGINES = [
    ("netcdf4", "NETCDF4"),
    ("netcdf4", "NETCDF3_CLASSIC"),
    ("netcdf4", "NETCDF3_64BIT"),
    ("scipy", "NETCDF3_CLASSIC"),
]


def grid():
    """In the form of a QCoDeS export."""
    return xr.Dataset(
        {
            "dmm_v1": (
                ("dac_ch1", "dac_ch2"),
                Z,
                {"units": "V", "unit": "V", "label": "Gate", "long_name": "Gate"},
            )
        },
        coords={"dac_ch1": ("dac_ch1", X, {"units": "mV"}), "dac_ch2": ("dac_ch2", Y, {"unit": "V"})},
        attrs={"ds_name": "results", "guid": "aaaa-0000", "snapshot": '{"station": {"dac": 1}}', "run_id": 7},
    )


def names(table):
    return [column.joined for column in table.columns]


def written(path, dataset, engine="netcdf4", form="NETCDF4", **options):
    dataset.to_netcdf(path, engine=engine, format=form, **options)
    return path


@pytest.mark.parametrize(("engine", "form"), ENGINES)
def test_a_grid_in_long_form(tmp_path, engine, form):
    path = written(tmp_path / "a.nc", grid(), engine, form)
    assert READER.sniff(path, path.read_bytes()[:65536])
    (table,) = READER.open(path)
    assert table.name == "dac_ch1 x dac_ch2"
    assert names(table) == ["dac_ch1", "dac_ch2", "dmm_v1"]
    assert [column.unit for column in table.columns] == ["mV", "V", "V"]
    np.testing.assert_array_equal(table.numbers([0, 1, 2]), [np.repeat(X, 3), np.tile(Y, 2), Z.ravel()])
    metadata = table.attrs["metadata"]
    assert 'snapshot: {"station": {"dac": 1}}' in metadata
    assert "dmm_v1@label: Gate" in metadata
    assert table.texts(1, 4) == ["1", "2", "3", "1"]


def test_a_real_qcodes_export(tmp_path, monkeypatch):
    pytest.importorskip("qcodes")
    monkeypatch.setenv("HOME", str(tmp_path))
    qcodes = pytest.importorskip("qcodes.dataset")
    parameters = pytest.importorskip("qcodes.parameters")
    qcodes.initialise_or_create_database_at(os.fspath(tmp_path / "runs.db"))
    experiment = qcodes.load_or_create_experiment("loops", "wire 3")
    drive = parameters.ManualParameter("dac_ch1", unit="V", label="Gate")
    signal = parameters.ManualParameter("dmm_v1", unit="A", label="Current")
    measurement = qcodes.Measurement(exp=experiment, name="sweep")
    measurement.register_parameter(drive)
    measurement.register_parameter(signal, setpoints=(drive,))
    with measurement.run() as saver:
        for value in X:
            saver.add_result((drive, value), (signal, 2 * value))
    saver.dataset.export("netcdf", path=os.fspath(tmp_path), prefix="export_")
    experiment.conn.close()
    saver.dataset.conn.close()
    (path,) = tmp_path.glob("export_*.nc")
    assert READER.sniff(path, path.read_bytes()[:65536])
    (table,) = READER.open(path)
    assert [(column.name, column.unit) for column in table.columns] == [("dac_ch1", "V"), ("dmm_v1", "A")]
    assert table.numbers([0, 1]).tolist() == [X.tolist(), (2 * X).tolist()]
    assert {"ds_name: sweep", "sample_name: wire 3", "dmm_v1@long_name: Current"} <= set(
        table.attrs["metadata"]
    )


@pytest.mark.parametrize(("engine", "form"), ENGINES)
@pytest.mark.parametrize(
    ("stored", "attrs", "read"),
    [
        (np.array([1.0, -999, 3]), {"_FillValue": -999.0}, [1, np.nan, 3]),
        (np.array([1, -9, 3], dtype=np.int32), {"missing_value": np.int32(-9)}, [1, np.nan, 3]),
        (np.array([1, 2, 3], dtype=np.int16), {"scale_factor": 0.5, "add_offset": 1.0}, [1.5, 2, 2.5]),
        (
            np.array([1, 7, 3], dtype=np.int16),
            {"scale_factor": 0.5, "_FillValue": np.int16(7)},
            [0.5, np.nan, 1.5],
        ),
        (np.array([-1, 2, 3], dtype=np.int8), {"_Unsigned": "true"}, [255, 2, 3]),
    ],
)
def test_values_are_decoded(tmp_path, engine, form, stored, attrs, read):
    raw = xr.Dataset(
        {"v": ("i", stored, {key: value for key, value in attrs.items() if key != "_FillValue"})}
    )
    encoding = {"_FillValue": attrs.get("_FillValue")}
    for key in ("scale_factor", "add_offset", "missing_value", "_Unsigned"):
        raw["v"].encoding.pop(key, None)
    path = written(tmp_path / "a.nc", raw, engine, form, encoding={"v": encoding})
    (table,) = READER.open(path)
    np.testing.assert_array_equal(table.numbers([0])[0], read)
    assert bool(table.remarks) == ("scale_factor" in attrs)


def test_times_stay_numbers(tmp_path):
    units = "seconds since 2026-01-01T00:00:00"
    dataset = xr.Dataset({"v": ("t", Y)}, coords={"t": ("t", 10 * Y, {"units": units})})
    (table,) = READER.open(written(tmp_path / "a.nc", dataset))
    assert table.columns[0].unit == "seconds"
    assert table.numbers([0]).tolist() == [[10, 20, 30]]
    assert f"t@units: {units}" in table.attrs["metadata"]


@pytest.mark.parametrize(("engine", "form"), ENGINES)
def test_strings_and_single_values(tmp_path, engine, form):
    dataset = xr.Dataset(
        {"chip": ("i", ["W1", "W22", "W3"]), "v": ("i", Y), "T": ((), 300.0, {"units": "K"})}
    )
    (table,) = READER.open(written(tmp_path / "a.nc", dataset, engine, form))
    assert sorted(names(table)) == ["chip", "v"]
    assert table.texts(table.index("chip"), None) == ["W1", "W22", "W3"]
    assert "T: 300 K" in table.attrs["metadata"]
    with pytest.raises(ReadError, match="'W1' is text, not a number"):
        table.numbers([table.index("chip")])


def test_only_single_values(tmp_path):
    (table,) = READER.open(written(tmp_path / "a.nc", xr.Dataset({"T": 300.0, "B": 1.0})))
    assert table.numbers([table.index("T")]).tolist() == [[300]]


def test_dimensions_without_coordinate_count(tmp_path):
    (table,) = READER.open(written(tmp_path / "a.nc", xr.Dataset({"v": (("device", "time"), Z)})))
    assert names(table) == ["device", "time", "v"]
    assert table.numbers([0, 1]).tolist() == [[0, 0, 0, 1, 1, 1], [0, 1, 2] * 2]
    assert (
        "dimension 'device' has no coordinate that fits; the column 'device' counts from 0" in table.remarks
    )


def test_groups_inherit_dimensions(tmp_path):
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(coords={"t": ("t", Y, {"units": "s"})}, attrs={"sample": "A"}),
            "/run1": xr.Dataset({"v": ("t", 2 * Y)}, attrs={"bias": 3.0}),
            "/run2": xr.Dataset({"v": (("x", "t"), Z)}, coords={"x": X}),
        }
    )
    tree.to_netcdf(tmp_path / "a.nc")
    tables = {table.name: table for table in READER.open(tmp_path / "a.nc")}
    assert set(tables) == {"run1/t", "run2/x x t"}
    assert names(tables["run1/t"]) == ["t", "v"]
    assert tables["run1/t"].numbers([0]).tolist() == [Y.tolist()]
    assert tables["run2/x x t"].numbers([1]).tolist() == [np.tile(Y, 2).tolist()]
    assert {"sample: A", "/run1@bias: 3.0"} <= set(tables["run1/t"].attrs["metadata"])


def test_other_coordinates_are_repeated_too(tmp_path):
    dataset = xr.Dataset(
        {"v": (("x", "y"), Z)}, coords={"name": ("x", ["p", "q"]), "area": (("x", "y"), 10 * Z)}
    )
    (table,) = READER.open(written(tmp_path / "a.nc", dataset))
    assert table.texts(table.index("name"), None) == ["p", "p", "p", "q", "q", "q"]
    assert table.numbers([table.index("area")]).tolist() == [(10 * Z).ravel().tolist()]


def test_one_dimension_twice(tmp_path):
    netcdf4 = pytest.importorskip("netCDF4")
    with netcdf4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("x", 2)
        file.createVariable("x", "f8", ("x",))[:] = X
        file.createVariable("m", "f8", ("x", "x"))[:] = [[1, 2], [3, 4]]
    matrix, alone = sorted(READER.open(tmp_path / "a.nc"), key=lambda table: -len(table.rows))
    assert names(matrix) == ["x[0]", "x[1]", "m"]
    assert matrix.numbers([0, 1, 2]).tolist() == [[0, 0, 1, 1], [0, 1, 0, 1], [1, 2, 3, 4]]
    assert names(alone) == ["x"]


def test_a_variable_named_like_a_dimension(tmp_path):
    netcdf4 = pytest.importorskip("netCDF4")
    with netcdf4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("x", 3)
        file.createDimension("y", 2)
        file.createVariable("x", "f8", ("x", "y"))[:] = Z.T
        file.createVariable("v", "f8", ("x",))[:] = Y
    tables = {table.name: table for table in READER.open(tmp_path / "a.nc")}
    assert tables["x"].numbers([tables["x"].index("v")]).tolist() == [Y.tolist()]
    (values,) = tables["x x y"].numbers([len(tables["x x y"].columns) - 1])
    assert values.tolist() == Z.T.ravel().tolist()


def test_plain_hdf5_is_read_by_length(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["v"] = Y
    path = tmp_path / "a.nc"
    assert not READER.sniff(path, path.read_bytes()[:65536])
    (table,) = READER.open(path)
    assert (table.name, names(table)) == ("axis of 3", ["v"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"CDF\x05" + bytes(40), "CDF-5, which is not read; convert it with nccopy"),
        (b"CDF\x01" + bytes(4) + b"\x00\x00\x00\x0a\x7f\xff\xff\xff", "not a netCDF-3 file that can be read"),
        (b"CDF\x01" + bytes(28), "no variable can be read: it has none"),
    ],
)
def test_what_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "a.nc"
    path.write_bytes(content)
    assert READER.sniff(path, content)
    with pytest.raises(ReadError, match=message):
        READER.open(path)


def test_only_variables_that_cannot_be_columns(tmp_path):
    with pytest.raises(ReadError, match=r"array 'v' .* is empty"):
        READER.open(written(tmp_path / "a.nc", xr.Dataset({"v": ("x", np.zeros(0))})))


def test_only_variables_in_other_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.create_dataset("v", (3,), "f8", external=[("raw.bin", 0, 24)])
    with pytest.raises(
        ReadError, match="no variable can be read: variable 'v' is left out: its data lie in other"
    ):
        READER.open(tmp_path / "a.nc")


def test_far_larger_than_its_file(tmp_path):
    netcdf4 = pytest.importorskip("netCDF4")
    with netcdf4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("x", 10**9)
        file.createVariable("v", "f8", ("x",), zlib=True)
    with pytest.raises(ReadError, match="its variables would take 8e"):
        READER.open(tmp_path / "a.nc")
