"""From the paths a user names to tables with device and cycle; descriptions beside the data."""

import json

import netCDF4
import numpy as np
import pytest

import charz
from charz.description import Description
from charz.errors import ReadError, SchemaError, UnitError
from charz.extract import extract
from charz.readers.sources import described, description_beside, file_names, files_of

SWEEP = "V (V),I (A)\n0,1e-6\n1,2e-6\n"
COLUMNS = {"voltage": "V", "current": "I"}


def write(path, text=SWEEP):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def book(path, sheets):
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


def sheet(*currents, header=("V", "I")):
    return [list(header), *([0.5 * n, current] for n, current in enumerate(currents))]


def sweeps(paths, **keys):
    return charz.read(paths, "iv_sweep", **{"columns": COLUMNS, **keys})


def test_a_description_beside_the_data_is_found(tmp_path):
    data = write(tmp_path / "a.csv")
    assert description_beside([data]) is None
    toml = write(
        tmp_path / "charz.toml", "experiment = 'iv_sweep'\n[columns]\nvoltage = 'V'\ncurrent = 'I'\n"
    )
    assert description_beside([data]) == toml
    assert description_beside([tmp_path]) == toml
    other = write(tmp_path / "sub" / "b.csv")
    assert description_beside([data, other]) is None
    np.testing.assert_array_equal(charz.read(data)["current"], [[[1e-6, 2e-6]]])
    assert charz.read(tmp_path, files="*.csv").identical(charz.read(data, files="*.csv"))


def test_keywords_win_over_the_file_and_pairs_are_merged(tmp_path):
    data = write(tmp_path / "a.csv", "V,I,J\n0,1,3\n1,2,4\n")
    write(
        tmp_path / "charz.toml",
        "experiment = 'telegraph'\ninstrument = 'file'\n[columns]\nvoltage = 'V'\ncurrent = 'I'\n"
        "[units]\nvoltage = 'V'\ncurrent = 'A'\n",
    )
    dataset = charz.read(
        data, "iv_sweep", {"current": "J"}, {"current": "mA"}, instrument="keyword", temperature=4.2
    )
    np.testing.assert_allclose(dataset["current"], [[[3e-3, 4e-3]]])
    np.testing.assert_allclose(dataset["voltage"], [[[0, 1]]])
    assert (dataset.attrs["instrument"], dataset.attrs["temperature"]) == ("keyword", 4.2)
    settings = json.loads(dataset.attrs["provenance"])["settings"]
    assert settings["columns"] == {"voltage": "V", "current": "J"}
    assert settings["units"] == {"voltage": "V", "current": "mA"}


def test_a_description_that_was_given_wins_over_the_one_beside(tmp_path):
    data = write(tmp_path / "a.csv")
    write(tmp_path / "charz.toml", "wrong = 1\n")
    with pytest.raises(ReadError, match=r"charz\.toml: unknown key 'wrong'"):
        charz.read(data)
    given = write(tmp_path / "own.toml", "experiment = 'iv_sweep'\n[columns]\nvoltage = 'V'\ncurrent = 'I'\n")
    assert charz.read(data, description=given).sizes["point"] == 2
    said = Description(experiment="iv_sweep", columns=COLUMNS)
    assert described(said, [data]) is said
    assert charz.read(data, description=said).identical(charz.read(data, description=str(given)))


def test_no_kind_was_said(tmp_path):
    with pytest.raises(ReadError, match=r"the experiment kind is not said: .*'charz describe FILE'"):
        charz.read(write(tmp_path / "a.csv"))


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
def test_temperatures_that_cannot_be(tmp_path, temperature):
    with pytest.raises(SchemaError, match="must be above zero and finite, in kelvin"):
        sweeps(write(tmp_path / "a.csv"), temperature=temperature)


def test_a_folder_is_read_in_natural_order_with_progress(tmp_path):
    for name in ("w10.csv", "w9.csv", "w1.csv"):
        write(tmp_path / name)
    calls = []
    dataset = sweeps(tmp_path, progress=lambda *call: calls.append(call))
    assert dataset["device"].values.tolist() == ["w1", "w9", "w10"]
    assert dataset.attrs["source_file"] == ["w1.csv", "w9.csv", "w10.csv"]
    assert calls == [(0, 3, "w1.csv"), (1, 3, "w9.csv"), (2, 3, "w10.csv"), (3, 3, "")]


def test_names_of_devices_and_cycles_from_the_path(tmp_path):
    for die, run, current in (("A", 2, 1), ("A", 11, 2), ("B", 2, 3)):
        write(tmp_path / f"die_{die}" / f"run{run}.csv", f"V (V),I (A)\n0,{current}\n")
    dataset = sweeps(
        tmp_path,
        files="**/*.csv",
        path="die_{die}/run{run}.csv",
        device="{die} of {folder}",
        cycle="{run}",
    )
    assert dataset["device"].values.tolist() == ["A of die_A", "B of die_B"]
    assert dataset["cycle"].values.tolist() == [2, 11]
    np.testing.assert_array_equal(dataset["current"][..., 0], [[1, 2], [3, np.nan]])


@pytest.mark.parametrize(
    ("name", "cycle", "number"),
    [
        ("run7.csv", "{n}", 7),
        ("run1.5.csv", "{n}", 1.5),
        ("runm2.csv", "{n}", -2),
        ("run3b.csv", "{n}", 3),
        ("run12.csv", "cycle {n} of all", 12),
    ],
)
def test_numbers_of_cycles(tmp_path, name, cycle, number):
    write(tmp_path / name)
    dataset = sweeps(tmp_path / name, path="run{n}.csv", cycle=cycle)
    assert dataset["cycle"].values.tolist() == [number]


def test_quantities_of_the_path(tmp_path):
    for name in ("r5_p1.5V.csv", "r10_m.8V.csv"):
        write(tmp_path / name)
    dataset = sweeps(
        tmp_path, path="r{radius}_{set}V.csv", units={"radius": "um", "set": "V"}, device="d{radius}"
    )
    assert dataset["device"].values.tolist() == ["d5", "d10"]
    np.testing.assert_allclose(dataset["radius"], [5e-6, 1e-5])
    np.testing.assert_allclose(dataset["set"], [1.5, -0.8])
    assert dataset["radius"].dims == ("device",)
    assert dataset["radius"].attrs["units"] == "m"
    only_names = sweeps(tmp_path, path="r{radius}_{set}V.csv")
    assert "radius" not in only_names


def test_a_quantity_of_the_path_that_differs_between_cycles(tmp_path):
    for cycle, limit in ((1, 5), (2, 6)):
        write(tmp_path / f"c{cycle}_{limit}mA.csv")
    dataset = sweeps(
        tmp_path,
        path="c{n}_{compliance}mA.csv",
        units={"compliance": "mA"},
        device="w",
        cycle="{n}",
    )
    np.testing.assert_allclose(dataset["compliance"], [[5e-3, 6e-3]])


@pytest.mark.parametrize(
    ("keys", "error", "words"),
    [
        ({"path": "{x}nm.csv"}, ReadError, "does not fit the pattern"),
        (
            {"device": "{die}"},
            ReadError,
            r"device = '\{die\}' uses \{die\}, which is no field .* known: file, folder",
        ),
        ({"cycle": "{run}"}, ReadError, r"cycle = '\{run\}' uses \{run\}"),
        ({"cycle": "{file}"}, ReadError, "cycle = '{file}' gives 'a', in which there is no number"),
        ({"path": "{r}.csv", "units": {"r": "um"}}, ReadError, "the path gives r = 'a', which is no number"),
        (
            {"tables": "runs"},
            ReadError,
            "tables = 'runs' is not valid; the tables of a file are cycle or device",
        ),
        ({"table": "Run*"}, ReadError, r"no table is called Run\*; there are: \(without name\)"),
        ({"join": {"file": "{file}_i.csv"}}, FileNotFoundError, r"a_i\.csv: no such file"),
        ({"join": {"file": "{x}_i.csv"}}, ReadError, r"join\.file = '\{x\}_i\.csv' uses \{x\}"),
        ({"notes": "{x}.txt"}, ReadError, r"notes = '\{x\}\.txt' uses \{x\}"),
        ({"notes": "{file}.txt"}, ReadError, r"there is no note 'a\.txt' beside it"),
        ({"files": ["["]}, ReadError, "no file was|no file in it|a folder"),
    ],
)
def test_what_is_refused(tmp_path, keys, error, words):
    path = write(tmp_path / "a.csv")
    with pytest.raises(error, match=words):
        sweeps(tmp_path if "files" in keys else path, **keys)


def test_a_number_of_the_path_without_unit(tmp_path):
    with pytest.raises(UnitError, match="the unit of 'compliance' is stated nowhere"):
        sweeps(write(tmp_path / "5mA.csv"), path="{compliance}mA.csv")


def test_a_joined_file_of_several_tables(tmp_path):
    write(tmp_path / "a.csv")
    book(tmp_path / "a.xlsx", {"one": sheet(1, 2), "two": sheet(3, 4)})
    with pytest.raises(ReadError, match=r"a\.xlsx: 2 tables; a joined file must be one table"):
        sweeps(tmp_path / "a.csv", join={"file": "{file}.xlsx"})


RUNS = {"Run222": sheet(1, 2), "Run9": sheet(3, 4, 5), "Notes 4": sheet(6)}
UNITS = {"voltage": "V", "current": "A"}


def test_tables_are_cycles(tmp_path):
    path = book(tmp_path / "b.xlsx", RUNS)
    dataset = sweeps(path, units=UNITS, table="Run*")
    assert dataset["cycle"].values.tolist() == [9, 222]
    assert dataset["device"].values.tolist() == ["b"]
    np.testing.assert_array_equal(dataset["current"][0], [[3, 4, 5], [1, 2, np.nan]])
    again = sweeps(path, units=UNITS, table=["Run9", "Run2*"], tables="cycle")
    np.testing.assert_array_equal(again["current"], dataset["current"])


def test_tables_without_a_number_are_counted(tmp_path):
    path = book(tmp_path / "b.xlsx", {"first": sheet(1), "second": sheet(2)})
    assert sweeps(path, units=UNITS)["cycle"].values.tolist() == [0, 1]


def test_tables_are_devices(tmp_path):
    path = book(tmp_path / "b.xlsx", RUNS)
    dataset = sweeps(path, units=UNITS, tables="device")
    assert dataset["device"].values.tolist() == ["b Run222", "b Run9", "b Notes 4"]
    named = sweeps(path, units=UNITS, device="{table}", tables="device")
    assert named["device"].values.tolist() == ["Run222", "Run9", "Notes 4"]
    one = sweeps(path, units=UNITS, device="w", cycle="{table}")
    assert one["cycle"].values.tolist() == [4, 9, 222]


def test_tables_of_a_kind_without_cycles(tmp_path):
    path = book(tmp_path / "b.xlsx", RUNS)
    columns, units = {"elapsed": "V", "resistance": "I"}, {"elapsed": "s", "resistance": "ohm"}
    with pytest.raises(
        ReadError, match=r"3 tables in one file, and retention has no cycles; .* --tables device"
    ):
        charz.read(path, "retention", columns, units)
    dataset = charz.read(path, "retention", columns, units, tables="device")
    assert dataset["device"].values.tolist() == ["b Run222", "b Run9", "b Notes 4"]
    one = charz.read(path, "retention", columns, units, table="Run9")
    assert one["device"].values.tolist() == ["b"]


def test_a_table_that_is_not_there(tmp_path):
    path = book(tmp_path / "b.xlsx", RUNS)
    with pytest.raises(ReadError, match="no table is called Runs or X; there are: Run222, Run9, Notes 4"):
        sweeps(path, units=UNITS, table=["Runs", "X"])


@pytest.mark.parametrize(
    ("kind", "keys", "place"),
    [
        ("iv_sweep", {"device": "w"}, "device 'w' was already read from"),
        ("iv_sweep", {"device": "w", "cycle": "run 3 of {folder}x"}, "device 'w', cycle 3 was already"),
    ],
)
def test_the_same_device_and_cycle_twice_is_refused(tmp_path, kind, keys, place):
    paths = [write(tmp_path / "q" / name) for name in ("a.csv", "b.csv")]
    with pytest.raises(ReadError) as caught:
        charz.read(paths, kind, COLUMNS, **keys)
    assert str(caught.value).startswith(f"{paths[1]}: {place}")
    assert f"read from {paths[0]}" in str(caught.value)


@pytest.mark.parametrize("columns", [{}, {"device": "device"}])
def test_the_same_device_in_a_column_of_two_files_is_refused(tmp_path, columns):
    paths = [write(tmp_path / name, f"device,signal (V)\n{rows}\n") for name, rows in
             (("a.csv", "v,1\nw,2"), ("b.csv", "w,3\nx,4"))]  # fmt: skip
    with pytest.raises(ReadError) as caught:
        charz.read(paths, "telegraph", columns)
    assert str(caught.value).startswith(f"{paths[1]}: device 'w' was already read from {paths[0]}; ")
    write(paths[1], "device,signal (V)\ny,3\nx,4\n")
    assert charz.read(paths, "telegraph", columns)["device"].values.tolist() == ["v", "w", "y", "x"]


def test_the_same_cycle_in_a_column_of_two_tables_is_refused(tmp_path):
    header = ("cycle", "V", "I")
    path = book(
        tmp_path / "b.xlsx", {"A": [header, [1, 0, 1], [2, 0, 3]], "B": [header, [2, 0, 4], [3, 1, 5]]}
    )
    with pytest.raises(
        ReadError, match=r"b\.xlsx, B: device 'b', cycle 2 was already read from .*b\.xlsx, A"
    ):
        sweeps(path, units=UNITS)
    assert sweeps(path, units=UNITS, tables="device").sizes == {"device": 2, "cycle": 3, "point": 1}


def test_counts_of_one_device_from_several_files_are_added(tmp_path):
    text = "amplitude (V),num_trials,num_switched\n1,10,1\n"
    paths = [write(tmp_path / name, text) for name in ("a.csv", "b.csv")]
    dataset = charz.read(paths, "pulse_switching", device="w")
    assert dataset["num_trials"].values.tolist() == [[20]]
    with pytest.raises(ReadError, match=r"a\.csv: is named twice \(as a file, or in a folder\)"):
        charz.read([paths[0], tmp_path], "pulse_switching", device="w")


def test_names_of_files(tmp_path):
    assert file_names([tmp_path / "a.csv", tmp_path / "b.csv"]) == ["a", "b"]
    assert file_names([tmp_path / "x/a.csv", tmp_path / "y/a.csv"]) == ["x/a", "y/a"]
    with pytest.raises(ReadError, match="two of the files have the same folder and name"):
        file_names([tmp_path / "1/x/a.csv", tmp_path / "2/x/a.csv"])


def test_no_files():
    with pytest.raises(ReadError, match="no file was given"):
        files_of([], Description())


def test_the_joined_file_is_no_data_of_its_own(tmp_path):
    write(tmp_path / "a.csv", "V (V)\n1\n2\n")
    write(tmp_path / "i.csv", "I (A)\n3\n4\n")
    dataset = sweeps(
        tmp_path,
        columns={"voltage": "V"},
        join={"file": "i.csv", "columns": {"current": "I"}},
    )
    assert dataset["device"].values.tolist() == ["a"]
    np.testing.assert_array_equal(dataset["current"], [[[3, 4]]])


def test_notes_are_kept_with_the_dataset(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.csv")
        write(tmp_path / f"{name}_info.txt", f"wire of {name}\n\n  25 °C\n")
    write(tmp_path / "readme.txt", "Lab 3\n")
    dataset = sweeps(tmp_path, files="*.csv", notes=["{file}_info.txt", "read*.txt"])
    assert dataset.attrs["notes"] == [
        "a_info.txt: wire of a",
        "a_info.txt: 25 °C",
        "readme.txt: Lab 3",
        "b_info.txt: wire of b",
        "b_info.txt: 25 °C",
    ]


def test_a_dataset_of_charz_is_read_as_it_is(tmp_path):
    dataset = sweeps(write(tmp_path / "a.csv"), instrument="B1500")
    charz.save(dataset, tmp_path / "a.nc")
    assert charz.read(tmp_path / "a.nc").identical(dataset)
    assert charz.read([tmp_path / "a.nc"], "iv_sweep").identical(dataset)
    with pytest.raises(
        ReadError, match="is a dataset of charz already, in SI; columns, units cannot be applied"
    ):
        charz.read(tmp_path / "a.nc", None, {"voltage": "x"}, {"voltage": "mV"})
    with pytest.raises(ReadError, match="holds iv_sweep, not retention"):
        charz.read(tmp_path / "a.nc", "retention")


def test_a_foreign_netcdf_file_is_no_dataset_of_charz(tmp_path):
    with netCDF4.Dataset(tmp_path / "x.nc", "w") as file:
        file.experiment = "something else"
        file.createDimension("t", 2)
        for name in ("V", "I"):
            file.createVariable(name, "f8", ("t",))[:] = [1.0, 2.0]
    dataset = sweeps(tmp_path / "x.nc", units=UNITS)
    np.testing.assert_array_equal(dataset["voltage"], [[[1, 2]]])


def test_extraction_is_part_of_a_description(tmp_path):
    path = write(tmp_path / "a.csv", "V (V),I (A)\n0,0\n1,2e-6\n2,4e-6\n1,6e-6\n0,0\n")
    rule = {"rule": "conductance_at", "read_voltage": "1 V"}
    plain = sweeps(path)
    expected = extract(plain, "conductance_at", read_voltage="1 V")
    found = sweeps(path, extract=[rule])
    assert found.drop_attrs().identical(expected.drop_attrs())
    assert found.attrs["extract_rule"] == expected.attrs["extract_rule"]
    write(tmp_path / "charz.toml", "[[extract]]\nrule = 'conductance_at'\nread_voltage = '1 V'\n")
    assert sweeps(path).identical(found)
    charz.save(plain, tmp_path / "a.nc")
    assert charz.read(tmp_path / "a.nc", extract=[rule]).identical(expected)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"rule": "slop"}, "extraction rule 'slop' does not exist; did you mean 'slope'?"),
        ({"rule": "conductance_at", "read": "1 V"}, "read"),
        ({"rule": "conductance_at", "dataset": "1 V"}, "dataset"),
    ],
)
def test_extraction_that_is_wrong(tmp_path, step, words):
    with pytest.raises(SchemaError) as caught:
        sweeps(write(tmp_path / "a.csv"), extract=[step])
    assert words in str(caught.value)
