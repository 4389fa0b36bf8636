"""`wide.line`: the line is the device, and no column says so."""

from pathlib import Path

import numpy as np
import pytest

import charz
from charz.description import Wide
from charz.errors import ReadError
from charz.readers.contract import Column, Table
from charz.readers.reshape import unpivot

WIDE = {"values": ["resistance"], "position": "step", "line": "cell"}
RULES = {
    "columns": {"device": "cell"},
    "units": {"resistance": "kohm"},
    "derive": {"elapsed": "step * 60"},
    "wide": WIDE,
}


def write(path, rows):
    path.write_text("".join(f"{value:.3f}\r\n" for value in rows), newline="")
    return path


def test_each_line_of_two_joined_files_is_a_device(tmp_path):
    before = write(tmp_path / "before.csv", [1.5, 2.5, 4.0])
    write(tmp_path / "after.csv", [1.25, 2.0, 3.5])
    join = {"file": "after.csv", "columns": {"after": "@1"}}
    dataset = charz.read(before, "retention", join=join, **RULES)
    assert dataset["device"].values.tolist() == ["1", "2", "3"]
    np.testing.assert_array_equal(dataset["resistance"], [[1500, 1250], [2500, 2000], [4000, 3500]])
    np.testing.assert_array_equal(dataset["elapsed"], [[0, 60]] * 3)


def test_large_line_numbers_stay_whole():
    size = 1_000_001
    columns = [Column(None, None)]
    table = Table(Path("t"), columns, range(size), lambda indices: np.ones((1, size)), lambda index, stop: [])
    long = unpivot(table, Wide(values=("resistance",), line="cell"))
    assert long.texts(long.index("cell"), None)[-2:] == ["1000000", "1000001"]


def test_without_it_there_is_no_such_column(tmp_path):
    before = write(tmp_path / "before.csv", [1.5, 2.5, 4.0])
    rules = {**RULES, "wide": {"values": ["resistance"], "position": "step"}}
    with pytest.raises(ReadError, match="no column 'cell'"):
        charz.read(before, "retention", **rules)
