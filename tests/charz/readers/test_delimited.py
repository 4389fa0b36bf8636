"""Delimited text in all its dialects, each written here; the same numbers must come out of every one."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charz.errors import ReadError
from charz.readers import open_table
from charz.readers.contract import Column, split_unit
from charz.readers.text import split_lines

EXPECTED = [[0.5, 100.0, 3.0], [1.25, 100.0, 50.0], [-2e-3, 90.0, 89.0]]
PLAIN = "v,n,k\n0.5,100,3\n1.25,100,50\n-2e-3,90,89\n"

DIALECTS = {
    "comma": PLAIN,
    "tab": PLAIN.replace(",", "\t"),
    "semicolon": PLAIN.replace(",", ";"),
    "pipe": PLAIN.replace(",", " | "),
    "blanks": PLAIN.replace(",", "   "),
    "leading blanks": "\n".join("  " + line for line in PLAIN.replace(",", "  ").splitlines()),
    "no header": PLAIN.split("\n", 1)[1],
    "no newline at the end": PLAIN.rstrip(),
    "blank after comma": PLAIN.replace(",", ", "),
    "crlf": PLAIN.replace("\n", "\r\n"),
    "cr": PLAIN.replace("\n", "\r"),
    "mixed line ends": PLAIN.replace("\n", "\r\n", 2),
    "empty lines": PLAIN.replace("\n", "\n\n"),
    "quoted": '"v","n","k"\n"0.5","100","3"\n"1.25",100,50\n"-2e-3","90",89\n',
    "quoted header with delimiter": PLAIN.replace("v,n,k", '"v, applied",n,k'),
    "plus signs": PLAIN.replace("0.5,", "+5.0000E-01,"),
    "typeset minus": PLAIN.replace("-2e-3", "−0.002"),
    "comments": "# wire 7\n% taken at night\n// by hand\n; and so on\n"
    + PLAIN.replace("1.25", "# a remark\n1.25"),
    "header is a comment": "# " + PLAIN,
    "metadata above": "Operator: Ada, Lab 3\nDate,2026-01-02\n\n" + PLAIN,
    "count on top": "3\n" + PLAIN,
    "footer": PLAIN + "\nTotal Cycles,1000\nLast Executed,12/06/2025 03:42:25\n",
    "decimal comma, semicolon": PLAIN.replace(",", ";").replace(".", ",").replace("-2e-3", "-2,0e-3"),
    "decimal comma, tab": PLAIN.replace(",", "\t").replace(".", ","),
    "decimal comma, blanks": PLAIN.replace(",", "  ").replace(".", ","),
    "units in the header": PLAIN.replace("v,n,k", "v (V),n,k"),
    "row of units": PLAIN.replace("v,n,k\n", "v,n,k\nVolt,1,1\n").replace("Volt,1,1", "(V),(s),(s)"),
    "two header rows": "--,1 V,2 V\n" + PLAIN,
    "numbered channels": PLAIN.replace("v,n,k", "x-axis,1,2"),
    "long header": PLAIN.replace("v,n,k", "v,n,k,never measured"),
}


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "table.dat"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_gives_the_same_numbers(tmp_path, name):
    table = open_table(write(tmp_path, DIALECTS[name]))
    np.testing.assert_array_equal(table.numbers([0, 1, 2]).T, EXPECTED)
    assert len(table.columns) == 3


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"]
)
def test_encodings(tmp_path, encoding):
    text = PLAIN.replace("v,", "Größe [µs],")
    table = open_table(write(tmp_path, text, encoding))
    assert table.columns[0] == Column("Größe", "µs")
    np.testing.assert_array_equal(table.numbers([0, 1, 2]).T, EXPECTED)


def test_lines_keep_their_numbers(tmp_path):
    table = open_table(write(tmp_path, DIALECTS["comments"]))
    assert table.rows.tolist() == [6, 8, 9]
    assert table.attrs["metadata"] == ["wire 7", "taken at night", "by hand", "and so on", "a remark"]


def test_metadata_around_the_table_is_kept(tmp_path):
    table = open_table(write(tmp_path, "Operator: Ada, Lab 3\n" + DIALECTS["footer"]))
    assert table.attrs["metadata"] == [
        "Operator: Ada, Lab 3",
        "Total Cycles,1000",
        "Last Executed,12/06/2025 03:42:25",
    ]
    assert table.dialect["header"] == "line 2"


def test_a_single_column(tmp_path):
    table = open_table(write(tmp_path, "4305.223\r\n12.5\r\n"))
    np.testing.assert_array_equal(table.numbers([0]), [[4305.223, 12.5]])


def test_text_columns(tmp_path):
    table = open_table(write(tmp_path, "wire;v;n\nM 1;0,5;3\nM 2, left;0,25;4\n"))
    assert table.texts(0) == ["M 1", "M 2, left"]
    np.testing.assert_array_equal(table.numbers([1]), [[0.5, 0.25]])


def test_whole_numbers_first_decimal_comma_late(tmp_path):
    rows = [f"{n};{n}" for n in range(1000)]
    rows[501] = "501,5;501"
    assert open_table(write(tmp_path, "\n".join(rows))).numbers([0])[0, 501] == 501.5


def test_an_empty_cell_is_nan(tmp_path):
    np.testing.assert_array_equal(
        open_table(write(tmp_path, "v,n\n1,2\n,3\n4,5\n")).numbers([0]), [[1, np.nan, 4]]
    )


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("amplitude (mV)", Column("amplitude", "mV")),
        ("V [mV]", Column("V", "mV")),
        ("Smu1.V[1]", Column("Smu1.V[1]", None)),
        ("f(x)", Column("f", "x")),
        ("plain", Column("plain", None)),
        ("(V)", Column("(V)", None)),
        ("", Column(None, None)),
    ],
)
def test_units_in_headers(header, column):
    assert split_unit(header) == column


@pytest.mark.parametrize(
    ("source", "index"), [("v", 0), ("v (V)", 0), ("@1", 0), ("K", 2), (" k ", 2), ("@3", 2)]
)
def test_sources(tmp_path, source, index):
    assert open_table(write(tmp_path, DIALECTS["units in the header"])).index(source) == index


@pytest.mark.parametrize(
    ("text", "source", "words"),
    [
        (PLAIN, "@4", "@4 does not exist; the table has 3 columns"),
        (PLAIN, "@0", "@0 does not exist"),
        (PLAIN, "volt", "no column 'volt'.*v, n, k.*delimiter recognised: comma"),
        (PLAIN, "kk", "did you mean 'k'"),
        (
            PLAIN.replace("n,", "v,"),
            "v",
            "ambiguous, 2 columns are called so; choose one by its number: @1, @2",
        ),
        (DIALECTS["no header"], "v", "no header row; name the column by its number, @1 to @3"),
    ],
)
def test_sources_that_are_not_there(tmp_path, text, source, words):
    with pytest.raises(ReadError, match=words):
        open_table(write(tmp_path, text)).index(source)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \n\t\n", "empty"),
        ("v,n,k\n", "no data row"),
        ("# v\n# n\n", "every line is empty or a comment"),
        ("v,n\na,b\nc,d\n", "no data row"),
        ("x\ny\n", "no data row"),
        (b"\x00\x01\x02\x03" * 10, "binary"),
        (b"1,2\n3,4\n\x1b\x07", "binary"),
        (b"1,2\x00\n3,4\n", "binary.*byte-order mark"),
        (b"\xff\xfe1", "mark of utf-16"),
        (b"\x80\x04\x95", "pickle"),
        (b"PK\x03\x04xx", "zip archive"),
        (b"\x89HDF\r\n\x1a\nxx", "HDF5"),
        (PLAIN + "1,2\n", "line 5: 2 fields where the other rows have 3"),
        (PLAIN + "1,2,3,4\n", "line 5: 4 fields where the other rows have 3"),
        (PLAIN.replace("1.25,100,50", "1.25,100"), "line 3: 2 fields"),
        (PLAIN.replace("1.25,100,50", "broken off"), "line 3: the table is interrupted"),
        ("w,v,n\nM1,0.5,3\nM2,0.25,3\nM3,0.5\n", "line 4: 2 fields"),
    ],
)
def test_what_is_no_table(tmp_path, text, words):
    with pytest.raises(ReadError, match=words):
        open_table(write(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("1.25", "#REF", "line 3: '#REF' is not a number"),
        ("1.25", "1_25", "line 3: '1_25' is not a number"),
        ("1.25", "0x12", "line 3: '0x12' is not a number"),
        ("1.25", "1.25 V", "line 3: '1.25 V' is not a number"),
        ("1.25", "1;25", "line 3: '1;25' is not a number"),
    ],
)
def test_text_among_numbers_names_the_cell(tmp_path, old, new, words):
    table = open_table(write(tmp_path, PLAIN.replace(old, new)))
    with pytest.raises(ReadError, match=f"column @1 \\(v\\), {words}"):
        table.numbers([0])


def test_a_failed_first_reading_is_not_taken_for_a_header(tmp_path):
    table = open_table(write(tmp_path, "wire,r\nw1,OVLD\nw2,5\nw3,6\n"))
    with pytest.raises(ReadError, match=r"column @2 \(r\), line 2: 'OVLD' is not a number"):
        table.numbers([1])


def test_decimal_signs_are_not_mixed(tmp_path):
    table = open_table(write(tmp_path, "0,5;1\n0,25;2\n0.75;3\n"))
    with pytest.raises(ReadError, match=r"line 3: '0.75' is not a number \(decimal comma\)"):
        table.numbers([0])


def test_readers_by_name(tmp_path):
    path = write(tmp_path, PLAIN)
    assert len(open_table(path, "delimited").rows) == 3
    with pytest.raises(ReadError, match=r"reader 'exel' does not exist .did you mean 'excel'"):
        open_table(path, "exel")
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_table(tmp_path / "absent.csv")
    with pytest.raises(ReadError, match="not a file"):
        open_table(tmp_path)


def test_a_format_that_no_reader_knows(tmp_path, monkeypatch):
    monkeypatch.setattr("charz.readers.registry.READERS", {})
    with pytest.raises(ReadError, match="no reader recognises this file"):
        open_table(write(tmp_path, PLAIN))


def test_lines_end_at_line_ends_only():
    assert split_lines("a\x0cb\r\nc\rd\ne\u2028f") == ["a\x0cb", "c", "d", "e\u2028f"]


finite = st.floats(-1e12, 1e12, allow_subnormal=False)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    delimiter=st.sampled_from([",", ";", "\t", "|", "  ", " ; "]),
    comma=st.booleans(),
    header=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    preamble=st.sampled_from(["", "# comment", "% 1 2 3", "Sample: A7", "// x, y"]),
    style=st.sampled_from([repr, "{:.6e}".format, "{:+.3f}".format]),
)
def test_random_dialects(tmp_path, data, delimiter, comma, header, end, encoding, preamble, style):
    width = data.draw(st.integers(2, 5))
    row = st.lists(finite, min_size=width, max_size=width)
    cells = [[style(x) for x in row] for row in data.draw(st.lists(row, min_size=2, max_size=8))]
    expected = np.array([[float(cell) for cell in row] for row in cells])
    if comma and delimiter != ",":
        cells = [[cell.replace(".", ",") for cell in row] for row in cells]
    lines = [delimiter.join(row) for row in cells]
    if header:
        lines.insert(0, delimiter.join("abcde"[:width]))
    if preamble:
        lines.insert(0, preamble)
    path = tmp_path / "table.txt"
    path.write_bytes((end.join(lines) + end).encode(encoding))
    table = open_table(path)
    np.testing.assert_array_equal(table.numbers(range(width)).T, expected)
    assert table.has("a") == header
