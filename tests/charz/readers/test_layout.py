"""Where the header of a text table is not cut like its rows, and which line interrupts them."""

import numpy as np
import pytest

from charz.errors import ReadError
from charz.readers import open_table


def table(tmp_path, text):
    path = tmp_path / "t.dat"
    path.write_text(text)
    return open_table(path)


ROWS = "  1.0   2e4  5\n  -5.5   3e4  6\n   0.5e2   4e4  7\n"


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a b c", ["a", "b", "c"]),
        ("Drive (mV)   R (ohm)   n", ["Drive", "R", "n"]),
        ("Drive [mV] R n", ["Drive", "R", "n"]),
        ("set point   R of wire    n", ["set point", "R of wire", "n"]),
        ("set\tR of wire\tn", ["set", "R of wire", "n"]),
        ("# Drive (mV)   R (ohm)   n", ["Drive", "R", "n"]),
    ],
)
def test_blanks_within_names_do_not_shift_the_columns(tmp_path, header, names):
    found = table(tmp_path, f"{header}\n\n{ROWS}")
    assert [column.name for column in found.columns] == names
    np.testing.assert_array_equal(found.numbers([0, 2]), [[1, -5.5, 50], [5, 6, 7]])


@pytest.mark.parametrize("header", ["set point R n", "the log of wire 7", "a b", "x"])
def test_a_header_that_cannot_be_cut_names_nothing(tmp_path, header):
    found = table(tmp_path, f"{header}\n\n{ROWS}")
    assert [column.name for column in found.columns] == [None] * 3
    assert found.attrs["metadata"] == [header]


@pytest.mark.parametrize(("before", "after"), [(2, 5), (5, 2), (1, 9)])
def test_the_line_that_interrupts_the_table_is_named(tmp_path, before, after):
    rows = [f"{n},{n}" for n in range(before + after)]
    text = "\n".join(["a,b", *rows[:before], "pause", *rows[before:], ""])
    with pytest.raises(ReadError, match=f"line {before + 2}: the table is interrupted by a line"):
        table(tmp_path, text)
