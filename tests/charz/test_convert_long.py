"""`charz.convert`: long records pass in blocks, and the file is the one that reading at once would give."""

import importlib
import json
import shutil

import numpy as np
import pytest

import charz
from charz import conversion
from charz.errors import CharzError, ReadError, SchemaError, UnitError
from charz.readers import bulk, programme

RNG = np.random.default_rng(7)
COUNT = 240
NEVER = 1 << 40


@pytest.fixture
def blocks(monkeypatch):
    """Make small files long: blocks of a few rows. Gives the numbers of rows that were written at each step."""
    monkeypatch.setattr(bulk, "BULK_BYTES", 200)
    monkeypatch.setattr(bulk, "_EDGE_BYTES", 150)
    monkeypatch.setattr(bulk, "_BLOCK_BYTES", 400)
    monkeypatch.setattr(conversion, "BLOCK_ROWS", 50)
    seen = []
    whole = conversion.validate_block

    def counted(kind, part, *more):
        dataset = whole(kind, part, *more)
        seen.append(dataset.sizes[kind.dims[-1]])
        return dataset

    monkeypatch.setattr(conversion, "validate_block", counted)
    return seen


def table(*columns, header, delimiter=",", comma=False, end="\n", last=True):
    rows = [[f"{value:.9g}" if np.isfinite(value) else "" for value in column] for column in columns]
    lines = [delimiter.join(cells) for cells in zip(*rows, strict=True)]
    lines = [line.replace(".", ",") for line in lines] if comma else lines
    return (end.join([delimiter.join(header), *lines]) + end * last).encode()


TIME = np.arange(COUNT) * 1e-3
NOISE = RNG.normal(size=COUNT)
KEYS = {
    "telegraph": {"columns": {"elapsed": "t", "signal": "y"}, "units": {"elapsed": "ms", "signal": "mV"}},
    "retention": {
        "columns": {"elapsed": "t", "resistance": "y"},
        "units": {"elapsed": "s", "resistance": "kohm"},
    },
    "iv_sweep": {"columns": {"voltage": "t", "current": "y"}, "units": {"voltage": "V", "current": "uA"}},
    "hysteresis": {"columns": {"field": "y", "signal": "t"}, "units": {"field": "Oe", "signal": "arb"}},
    "pulse_train": {"columns": {"conductance": "y", "x": "t"}, "units": {"conductance": "uS", "x": "V"}},
    "ramp_switching": {"columns": {"threshold": "y"}, "units": {"threshold": "mV"}},
}
WAYS = {
    "comma": {},
    "crlf": {"end": "\r\n"},
    "no line end": {"last": False},
    "tabs": {"delimiter": "\t"},
    "decimal comma": {"delimiter": ";", "comma": True},
}


def assert_same_file(found, expected):
    """Equal in values, names, dims, attributes and types, of the variables and of the dataset."""
    assert found.identical(expected)
    assert dict(found.attrs) == dict(expected.attrs)
    assert {name: str(one.dtype) for name, one in found.variables.items()} == {
        name: str(one.dtype) for name, one in expected.variables.items()
    }
    assert [type(value) for value in found.attrs.values()] == [
        type(value) for value in expected.attrs.values()
    ]
    assert all(
        found[name].attrs == expected[name].attrs and found[name].dims == expected[name].dims
        for name in expected
    )


def both(path, kind, tmp_path, /, **keys):
    """What convert writes, and what reading at once and saving writes."""
    charz.convert(path, tmp_path / "blocks.nc", kind, **keys)
    charz.save(charz.read(path, kind, **keys), tmp_path / "whole.nc")
    return charz.load(tmp_path / "blocks.nc"), charz.load(tmp_path / "whole.nc")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KEYS)
def test_the_file_is_the_same_as_that_of_reading_at_once(tmp_path, blocks, kind, way):
    path = tmp_path / "long.csv"
    path.write_bytes(table(TIME, NOISE, RNG.normal(size=COUNT), header=("t", "y", "z"), **WAYS[way]))
    found, expected = both(path, kind, tmp_path, instrument="B1500", temperature=4.2, **KEYS[kind])
    assert_same_file(found, expected)
    assert len(blocks) > 3
    assert sum(blocks) == COUNT
    assert found.attrs["num_rows_read"] == found.attrs["num_rows_kept"] == COUNT
    assert found.attrs["unused_columns"] == [
        name for name in ("t", "y", "z") if name not in KEYS[kind]["columns"].values()
    ]


def test_the_name_in_the_package_is_the_function():
    assert charz.convert is charz.convert is conversion.convert


def test_what_is_read_is_what_was_written(tmp_path, blocks):
    path = tmp_path / "long.csv"
    path.write_bytes(table(TIME, NOISE, header=("t", "y")))
    charz.convert(path, tmp_path / "long.nc", "telegraph", **KEYS["telegraph"])
    found = charz.load(tmp_path / "long.nc")
    np.testing.assert_allclose(found["signal"].values[0], NOISE * 1e-3, rtol=1e-8)
    np.testing.assert_allclose(found["elapsed"].values[0], TIME * 1e-3, rtol=1e-8, atol=1e-15)
    assert found["device"].values.tolist() == ["long"]


def test_masks_constants_and_derived_variables(tmp_path, blocks):
    holes = NOISE.copy()
    holes[[3, 77, 200]] = np.nan
    path = tmp_path / "r5um.csv"
    path.write_bytes(table(TIME, holes, RNG.normal(size=COUNT), header=("t", "y", "z")))
    keys = {
        "columns": {"elapsed": "t", "resistance": "y", "z": "z"},
        "units": {"elapsed": "s", "resistance": "ohm", "z": "V", "radius": "um", "twice": "ohm"},
        "mask": {"resistance": "y != y or y > 2", "z": "z > 1"},
        "derive": {"twice": "2 * resistance + gap", "step": "twice"},
        "constants": {"gap": "3 kohm"},
        "path": "r{radius}um.csv",
        "device": "wire {radius}",
        "expect": ["elapsed >= 0"],
    }
    found, expected = both(path, "retention", tmp_path, **keys)
    assert_same_file(found, expected)
    counts = {name: one["count"] for name, one in json.loads(found.attrs["masked"]).items()}
    assert counts == {"resistance": int((~(holes <= 2)).sum()), "z": int(np.isnan(found["z"]).sum())}
    assert min(counts.values()) > 0
    assert found["radius"].values.tolist() == [5e-6]
    assert len(blocks) > 3


def test_a_column_of_the_device_is_kept_once(tmp_path, blocks):
    path = tmp_path / "long.csv"
    same = np.full(COUNT, 0.5)
    path.write_bytes(table(TIME, NOISE, same, header=("t", "y", "dt")))
    keys = {
        "columns": {"signal": "y", "sample_interval": "dt"},
        "units": {"signal": "V", "sample_interval": "ms"},
    }
    found, expected = both(path, "telegraph", tmp_path, **keys)
    assert_same_file(found, expected)
    assert found["sample_interval"].values.tolist() == [5e-4]
    same[COUNT - 5] = 0.6
    path.write_bytes(table(TIME, NOISE, same, header=("t", "y", "dt")))
    with pytest.raises(SchemaError, match=r"sample_interval = 0\.0006 differs from"):
        charz.convert(path, tmp_path / "other.nc", "telegraph", **keys)
    assert not (tmp_path / "other.nc").exists()


@pytest.mark.parametrize("after", [-3, 0, 2])
def test_a_value_that_changes_later(tmp_path, blocks, after):
    path = tmp_path / "long.csv"
    keys = {
        "columns": {"signal": "y", "sample_interval": "dt"},
        "units": {"signal": "V", "sample_interval": "ms"},
    }
    path.write_bytes(table(TIME, NOISE, np.full(COUNT, 0.5), header=("t", "y", "dt")))
    charz.convert(path, tmp_path / "out.nc", "telegraph", **keys)
    place = blocks[0] + after
    path.write_bytes(
        table(TIME, NOISE, np.repeat([0.5, 0.6], [place, COUNT - place]), header=("t", "y", "dt"))
    )
    with pytest.raises(
        SchemaError, match=r"long\.csv, line .*sample_interval = 0\.000\d differs from .*one value"
    ):
        charz.convert(path, tmp_path / "other.nc", "telegraph", **keys)
    assert not (tmp_path / "other.nc").exists()


def test_integers_stay_integers(tmp_path, blocks):
    path = tmp_path / "ramps.csv"
    path.write_bytes(table(NOISE, np.arange(COUNT) % 3, header=("v", "censored")))
    keys = {"columns": {"threshold": "v"}, "units": {"threshold": "V"}}
    found, expected = both(path, "ramp_switching", tmp_path, **keys)
    assert_same_file(found, expected)
    assert found["censored"].dtype == np.int64
    assert len(blocks) > 3


@pytest.mark.parametrize("after", [-2, -1, 0, 1, 2])
def test_time_that_runs_backward_is_refused_wherever_a_block_ends(tmp_path, blocks, after):
    path = tmp_path / "long.csv"
    path.write_bytes(table(TIME + 1, NOISE, header=("t", "y")))
    charz.convert(path, tmp_path / "out.nc", "telegraph", **KEYS["telegraph"])
    place = blocks[0] + after
    time = TIME + 1
    time[place:] -= 0.1
    # As many characters in each line as before, so that the blocks end where they did.
    path.write_bytes(table(time, NOISE, header=("t", "y")))
    with pytest.raises(SchemaError, match="time runs forward") as caught:
        charz.convert(path, tmp_path / "other.nc", "telegraph", **KEYS["telegraph"])
    message = str(caught.value)
    # Between blocks the place is the line of the file, within one it is the row of the record.
    where = f"{path}, line {place + 2}: elapsed" if after == 0 else f"at device long, time {place};"
    assert where in message
    assert not (tmp_path / "other.nc").exists()


def test_a_value_that_cannot_be_is_named_by_its_place_in_the_record(tmp_path, blocks):
    values = NOISE.copy()
    text = table(TIME, values, header=("t", "y")).replace(f"{values[170]:.9g}".encode(), b"inf")
    path = tmp_path / "long.csv"
    path.write_bytes(text)
    with pytest.raises(SchemaError) as at_once:
        charz.read(path, "telegraph", **KEYS["telegraph"])
    with pytest.raises(SchemaError) as in_blocks:
        charz.convert(path, tmp_path / "out.nc", "telegraph", **KEYS["telegraph"])
    assert "signal = inf at device long, time 170;" in str(at_once.value)
    assert str(in_blocks.value) == str(at_once.value)


LINES = table(TIME, NOISE, header=("t", "y")).decode().splitlines()


def changed(*at, place=150):
    return "\n".join([*LINES[:place], *at, *LINES[place:], ""])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed("0.1490,OVLD"), "column @2 (y), line 151: 'OVLD' is not a number"),
        (changed("0.1490,1,2"), "line 151: 3 fields where the other rows have 2"),
        (changed("0.1490"), "line 151: "),
        (changed("0.1490,"), "line 151, column y (signal): the cell is empty or NaN (1 such rows)"),
        (changed("0.1490,1_0"), "line 151: '1_0' is not a number"),
        (changed("0.1490,nan(ind)"), "line 151: 'nan(ind)' is not a number"),
        (changed("t,y"), "line 151: 't' is not a number"),
        (changed("# pause", "0.1490,x"), "line 152: 'x' is not a number"),
    ],
)
def test_a_wrong_line_in_the_middle_is_named(tmp_path, blocks, text, words):
    path, out = tmp_path / "long.csv", tmp_path / "out.nc"
    path.write_text(text)
    out.write_text("what was there before")
    with pytest.raises(ReadError) as caught:
        charz.convert(path, out, "telegraph", **KEYS["telegraph"])
    assert str(caught.value).startswith(f"{path}, ")
    assert words in str(caught.value)
    assert out.read_text() == "what was there before"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["long.csv", "out.nc"]


@pytest.mark.parametrize(
    "text",
    [
        changed("# pause"),
        changed(""),
        changed("", ""),
        changed('"0.1490","0.5"'),
        changed("0.1490,−0.5"),
        "\n".join([*LINES, "", "", ""]),
        "\n".join(["# made by hand", *LINES, ""]),
    ],
)
def test_odd_lines_in_the_middle_are_as_in_small_files(tmp_path, blocks, monkeypatch, text):
    path = tmp_path / "long.csv"
    path.write_text(text, encoding="utf-8")
    charz.convert(path, tmp_path / "long.nc", "telegraph", **KEYS["telegraph"])
    monkeypatch.setattr(bulk, "BULK_BYTES", NEVER)
    charz.convert(path, tmp_path / "short.nc", "telegraph", **KEYS["telegraph"])
    assert_same_file(charz.load(tmp_path / "long.nc"), charz.load(tmp_path / "short.nc"))


def test_a_column_of_text_beside_the_numbers(tmp_path, blocks):
    rows = [f"{line},ok" for line in LINES[1:]]
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["t,y,state", *rows, ""]))
    found, expected = both(path, "telegraph", tmp_path, **KEYS["telegraph"])
    assert_same_file(found, expected)
    assert found.attrs["unused_columns"] == ["state"]
    assert len(blocks) > 3


@pytest.mark.parametrize(
    ("kind", "keys", "header"),
    [
        ("telegraph", {"columns": {"device": "y", "signal": "t"}, "units": {"signal": "V"}}, ("t", "y")),
        ("iv_sweep", {"columns": {"cycle": "n", "voltage": "t", "current": "n"}}, ("t", "n")),
        ("telegraph", {**KEYS["telegraph"], "where": "y > 0"}, ("t", "y")),
        ("transfer", {"columns": {"voltage": "@1", "current": "@2"}}, ("t", "y")),
        (
            "pulse_switching",
            {
                "columns": {"amplitude": "n", "y": "t"},
                "units": {"amplitude": "V", "y": "V"},
                "switched": "y > 0.1",
            },
            ("t", "n"),
        ),
        (
            "retention",
            {**KEYS["retention"], "extract": [{"rule": "drift_ratio", "last": 3, "first": 1}]},
            ("t", "y"),
        ),
        (
            "telegraph",
            {"columns": {"signal": "v"}, "units": {"signal": "V"}, "wide": {"values": ["v"]}},
            ("t", "y"),
        ),
    ],
)
def test_records_that_cannot_be_cut_are_read_at_once(tmp_path, blocks, kind, keys, header):
    path = tmp_path / "long.csv"
    path.write_bytes(table(TIME, np.arange(COUNT) % 3 + 1, header=header))
    units = {"voltage": "V", "current": "A"} if kind in ("iv_sweep", "transfer") else {}
    keys = {**keys, "units": {**units, **keys.get("units", {})}, "few_values": True}
    found, expected = both(path, kind, tmp_path, **keys)
    assert_same_file(found, expected)
    assert blocks == []


def test_every_example_of_a_format(tmp_path, reader_name, example):
    path = example.write(tmp_path)
    charz.convert(path, tmp_path / "out.nc", **example.keys)
    assert_same_file(charz.load(tmp_path / "out.nc"), charz.read(path, **example.keys))


@pytest.mark.parametrize("ending", ["npz", "parquet", "h5", "nc"])
def test_long_arrays_pass_in_blocks_too(tmp_path, blocks, monkeypatch, ending):
    arrays, parquet = (importlib.import_module(f"charz.readers.{name}") for name in ("arrays", "parquet"))
    monkeypatch.setattr(arrays, "BLOCK_ROWS", 30)
    monkeypatch.setattr(parquet, "BLOCK_ROWS", 30)
    path = tmp_path / f"long.{ending}"
    write_arrays(path, {"t": TIME, "y": NOISE})
    found, expected = both(path, "telegraph", tmp_path, **KEYS["telegraph"])
    assert_same_file(found, expected)
    assert sum(blocks) == COUNT
    assert len(blocks) > 3
    holes = NOISE.copy()
    holes[133] = np.nan
    write_arrays(path, {"t": TIME, "y": holes})
    with pytest.raises(ReadError, match=r"row 134, column y \(signal\): the cell is empty or NaN"):
        charz.convert(path, tmp_path / "out.nc", "telegraph", **KEYS["telegraph"])
    assert not (tmp_path / "out.nc").exists()


def write_arrays(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(arrays), path, row_group_size=70)
    elif path.suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
    else:
        import netCDF4

        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("n", COUNT)
            for name, values in arrays.items():
                file.createVariable(name, "f8", ("n",))[:] = values


def test_a_stimulus_programme_is_refused_however_it_is_read(tmp_path, blocks):
    columns = {"voltage": "v", "current": "i"}
    units = {"voltage": "V", "current": "A"}
    values = {"v": np.arange(60) % 2.0, "i": np.arange(60) % 3.0}
    np.savez(tmp_path / "p.npz", **values)
    (tmp_path / "p.csv").write_bytes(table(values["v"], values["i"], header=("v", "i")))
    for path in (tmp_path / "p.npz", tmp_path / "p.csv"):
        for run in (charz.read, lambda *more: charz.convert(more[0], tmp_path / "out.nc", *more[1:])):
            with pytest.raises(ReadError, match="as a stimulus programme"):
                run(path, "iv_sweep", columns, units)
        charz.convert(path, tmp_path / "out.nc", "iv_sweep", columns, units, few_values=True)
    assert programme.LOOKED_AT > 1000


def test_progress_counts_rows(tmp_path, blocks):
    path = tmp_path / "long.csv"
    path.write_bytes(table(TIME, NOISE, header=("t", "y")))
    calls = []
    charz.convert(
        path, tmp_path / "out.nc", "telegraph", progress=lambda *call: calls.append(call), **KEYS["telegraph"]
    )
    done = np.cumsum(blocks).tolist()
    assert calls == [(rows, COUNT, "rows") for rows in done]
    assert done[-1] == COUNT


def test_several_files_and_datasets_of_charz(tmp_path, blocks):
    path = tmp_path / "a.csv"
    path.write_bytes(table(TIME, NOISE, header=("t", "y")))
    shutil.copy(path, tmp_path / "b.csv")
    charz.convert([path, tmp_path / "b.csv"], tmp_path / "out.nc", "telegraph", **KEYS["telegraph"])
    found = charz.load(tmp_path / "out.nc")
    assert found["device"].values.tolist() == ["a", "b"]
    charz.convert(tmp_path / "out.nc", tmp_path / "again.nc")
    assert charz.load(tmp_path / "again.nc").identical(found)
    # What was written in blocks is not compressed; what passed as it is, is.
    charz.convert(tmp_path / "again.nc", tmp_path / "third.nc")
    assert (tmp_path / "third.nc").read_bytes() == (tmp_path / "again.nc").read_bytes()


@pytest.mark.parametrize("rows", [(240, 240, 240), (200, 240, 130)])
@pytest.mark.parametrize("kind", KEYS)
def test_several_long_files_pass_one_after_the_other(tmp_path, blocks, kind, rows):
    """Each the record of one device, of different lengths, too: the file is that of reading all at once."""
    paths = [tmp_path / f"{name}.csv" for name in ("b", "a", "c")]
    for path, number in zip(paths, rows, strict=True):
        content = table(TIME[:number], RNG.normal(size=number), header=("t", "y"))
        path.write_bytes(content)
    found, expected = both(paths, kind, tmp_path, temperature=4.2, **KEYS[kind])
    assert_same_file(found, expected)
    assert sum(blocks) == sum(rows)
    assert len(blocks) >= 9


def test_a_second_file_in_another_unit_is_refused(tmp_path, blocks):
    for name, unit in (("a", "V"), ("b", "A")):
        (tmp_path / f"{name}.csv").write_bytes(table(TIME, NOISE, header=("elapsed (s)", f"signal ({unit})")))
    with pytest.raises(UnitError, match=r"b\.csv: signal is in A, but in V in the first file"):
        charz.convert([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "out.nc", "telegraph")
    assert not (tmp_path / "out.nc").exists()


def test_a_second_file_with_another_column_is_refused(tmp_path, blocks):
    (tmp_path / "a.csv").write_bytes(table(TIME, NOISE, header=("elapsed (s)", "signal (V)")))
    (tmp_path / "b.csv").write_bytes(table(TIME, header=("signal (V)",)))
    with pytest.raises(ReadError, match=r"b\.csv: has the columns signal where .*a\.csv has signal, elapsed"):
        charz.convert([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "out.nc", "telegraph")


def test_a_short_file_beside_a_long_one_is_read_with_it(tmp_path, blocks):
    (tmp_path / "a.csv").write_bytes(table(TIME, NOISE, header=("t", "y")))
    (tmp_path / "b.csv").write_bytes(table(TIME[:4], NOISE[:4], header=("t", "y")))
    found, expected = both(
        [tmp_path / "a.csv", tmp_path / "b.csv"], "telegraph", tmp_path, **KEYS["telegraph"]
    )
    assert_same_file(found, expected)


def test_an_input_is_never_overwritten(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(table(TIME, NOISE, header=("t", "y")))
    before = path.read_bytes()
    for output in (path, tmp_path / "link"):
        if not output.exists():
            output.symlink_to(path)
        with pytest.raises(ReadError, match="is also an input; a measured file is never overwritten"):
            charz.convert(path, output, "telegraph", **KEYS["telegraph"])
    assert path.read_bytes() == before


def test_the_same_file_gives_the_same_bytes(tmp_path, blocks):
    path = tmp_path / "a.csv"
    path.write_bytes(table(TIME, NOISE, header=("t", "y")))
    for name in ("one.nc", "two.nc"):
        charz.convert(path, tmp_path / name, "telegraph", **KEYS["telegraph"])
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"units": {}}, UnitError),
        ({"columns": {}}, ReadError),
        ({"expect": "signal > 9"}, ReadError),
        ({"instrumnt": "x"}, ReadError),
        ({"mask": {"q": "y > 1"}}, ReadError),
        ({"temperature": -1}, SchemaError),
    ],
)
def test_what_reading_refuses_convert_refuses_in_the_same_words(tmp_path, blocks, keys, error):
    path = tmp_path / "a.csv"
    path.write_bytes(table(TIME, NOISE, header=("t", "y")))
    keys = {**KEYS["telegraph"], **keys}
    with pytest.raises(error) as at_once:
        charz.read(path, "telegraph", **keys)
    with pytest.raises(error) as in_blocks:
        charz.convert(path, tmp_path / "out.nc", "telegraph", **keys)
    assert isinstance(in_blocks.value, CharzError)
    without_counts = [
        str(one.value).partition("in SI;")[0].replace("read:", "convert:") for one in (at_once, in_blocks)
    ]
    assert without_counts[0] == without_counts[1]
    assert not (tmp_path / "out.nc").exists()


def test_a_folder_that_is_not_there(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(table(TIME, NOISE, header=("t", "y")))
    with pytest.raises(FileNotFoundError):
        charz.convert(path, tmp_path / "none" / "out.nc", "telegraph", **KEYS["telegraph"])
