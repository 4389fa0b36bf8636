"""Keithley 4200A-SCS: workbooks of runs and tables of cycles, written here with invented numbers."""

import json

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charz.errors import ReadError
from charz.readers import excel
from charz.readers.keithley import READER

RULE = ["=" * 30]
NAMES = ["Time", "AI", "AV", "ILRS", "ID", "VSET"]


def run(scale):
    """Rows of a run sheet: scalars in the first row only, #REF where a difference has no neighbour."""
    return [
        NAMES,
        [0.5, 1e-9 * scale, 0, 1e-4 * scale, "#REF", 0.02],
        [0.6, 3e-9 * scale, -0.01, None, 2e-9 * scale],
        [0.7, 9e-9 * scale, -0.02, None, 6e-9 * scale],
        [0.8, 9e-9 * scale, -0.01, None, "#REF"],
    ]


def block(number, modes=("Common", "Voltage Linear Sweep"), cycle=None):
    """Settings of one run."""
    heading = [RULE, [f"Cycle {cycle}"], RULE] if cycle else []
    return [
        *[RULE, [f"Run{number}"], RULE, *heading, []],
        ["Test Name", "SET_negative#1@1"],
        ["Last Executed", f"12/05/2025 12:27:{number:02d}"],
        ["Execution Time"],
        [],
        ["Device Terminal", "B", "A"],
        ["Operation Mode", *modes],
        ["Start/Bias", "N/A", "0"],
        ["Stop", "N/A", "-0.02"],
        ["Step", "N/A", "-0.01"],
        ["Number of Points", "N/A", "4"],
        ["Compliance", "0.105", "0.0005"],
        [],
        ["Formulas"],
        ["I = ABS(AI)"],
        ["VSET = ABS(AT(AV, MAXPOS(ID)))"],
        ["     "],
    ]


def book(tmp_path, sheets, name="book.xlsx"):
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    workbook.save(tmp_path / name)
    return tmp_path / name


def runs(tmp_path, settings=None):
    """Book with runs 9, 10 and 11, newest first, and the other sheets between them."""
    stated = [*block(11), *block(10), *block(9)] if settings is None else settings
    sheets = {
        "Run11": run(4),
        "Calc": [["never", "read"], [1, 2]],
        "Settings": stated,
        "Run10": run(2),
        "Run9": run(1),
    }
    return book(tmp_path, sheets)


def sniffed(path):
    return READER.sniff(path, path.read_bytes()[: 1 << 16])


def test_runs_come_in_the_order_of_their_numbers(tmp_path):
    path = runs(tmp_path)
    assert sniffed(path)
    tables = READER.open(path)
    assert [table.name for table in tables] == ["Run9", "Run10", "Run11"]
    currents = [table.numbers([table.index("AI")])[0] for table in tables]
    np.testing.assert_array_equal(currents, [[k * 1e-9, k * 3e-9, k * 9e-9, k * 9e-9] for k in (1, 2, 4)])


def test_scalars_stand_in_the_first_row_and_errors_are_nan(tmp_path):
    table = READER.open(runs(tmp_path))[0]
    assert [column.name for column in table.columns] == NAMES
    nan = np.nan
    np.testing.assert_array_equal(
        table.numbers([2, 3, 4, 5]),
        [[0, -0.01, -0.02, -0.01], [1e-4, nan, nan, nan], [nan, 2e-9, 6e-9, nan], [0.02, nan, nan, nan]],
    )
    assert list(table.remarks) == ["column ID: 2 cells #REF became NaN"]


def test_settings_of_each_run_and_of_its_swept_terminal(tmp_path):
    for number, table in zip((9, 10, 11), READER.open(runs(tmp_path)), strict=True):
        attrs = table.attrs
        assert attrs["compliance"] == 0.0005
        assert (attrs["start"], attrs["stop"], attrs["step"], attrs["num_points"]) == (0, -0.02, -0.01, 4)
        assert attrs["swept_terminal"] == "A"
        assert attrs["last_executed"] == f"12/05/2025 12:27:{number:02d}"
        assert attrs["formulas"] == "I = ABS(AI); VSET = ABS(AT(AV, MAXPOS(ID)))"
        settings = json.loads(attrs["settings"])
        assert settings["Compliance"] == ["0.105", "0.0005"]
        assert settings["Test Name"] == "SET_negative#1@1"
        assert settings["Execution Time"] == ""


def test_the_cycle_of_a_run_is_kept(tmp_path):
    stated = [row for n in (11, 10, 9) for row in block(n, cycle=n - 8)]
    assert [table.attrs["cycle"] for table in READER.open(runs(tmp_path, stated))] == [1, 2, 3]


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (("Common", "Voltage Linear Sweep"), 0.0005),
        (("Voltage Log Sweep", "Common"), 0.105),
        (("Current List Sweep", "Voltage Bias"), 0.105),
        (("Voltage Linear Sweep", "Voltage Linear Sweep"), None),
        (("Common", "Voltage Bias"), None),
    ],
)
def test_compliance_is_that_of_the_only_swept_terminal(tmp_path, modes, expected):
    path = book(tmp_path, {"Run1": run(1), "Settings": block(1, modes)})
    assert READER.open(path)[0].attrs.get("compliance") == expected


def test_settings_may_name_the_runs_and_nothing_else(tmp_path):
    named = [row for n in (11, 10, 9) for row in (RULE, [f"Run{n}"], RULE)]
    tables = READER.open(runs(tmp_path, named))
    assert [dict(table.attrs) for table in tables] == [{}, {}, {}]


UPPER = ["Cycle", "SET#1", "SET#1", "CVS#1", "RESET#1", "RESET#1", "CVS#2"]
LOWER = ["Index", "ILRS", "V", "AI", "ILRS", "V", "AI"]
CYCLES = [[1, 1e-4, 1.5, None, 2e-4, 0.9], [2, 2e-4, 2.5, None, 3e-4, 0.8], [3, 3e-4, 0.5, None, 4e-4, 0.7]]
FOOTER = ["Subsite Name,reram", "Cycle Mode,Cycle Mode", "", "Total Cycles,3", "Last Executed,12/06/2025 03:42:25",
          "Total Execution Time:,00:14:54:41"]  # fmt: skip
EMPTY = "no values in the columns of CVS#1, CVS#2: these tests did not run"


def cycles_csv(tmp_path, rows=None, footer=FOOTER, encoding="utf-8-sig", end="\n"):
    cells = CYCLES if rows is None else rows
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in [UPPER, LOWER, *cells]]
    path = tmp_path / "cycles.csv"
    path.write_bytes((end.join([*lines, *footer]) + end).encode(encoding))
    return path


def cycles_book(tmp_path):
    rows = [UPPER, LOWER, *([str(row[0]), *row[1:]] for row in CYCLES)]
    footer = [line.split(",") if line else [] for line in FOOTER]
    return book(tmp_path, {"2-wire-resistor": rows, "Calc": [], "Settings": footer})


@pytest.mark.parametrize("write", [cycles_csv, cycles_book])
def test_both_header_rows_name_a_column_and_the_footer_is_no_cycle(tmp_path, write):
    path = write(tmp_path)
    assert sniffed(path)
    (table,) = READER.open(path)
    assert len(table.rows) == 3
    assert [column.joined for column in table.columns] == [
        f"{u}.{low}" for u, low in zip(UPPER, LOWER, strict=True)
    ]
    for source, expected in {
        "Cycle.Index": [1, 2, 3],
        "SET#1.V": [1.5, 2.5, 0.5],
        "RESET#1.V": [0.9, 0.8, 0.7],
        "RESET#1.ILRS": [2e-4, 3e-4, 4e-4],
        "CVS#1.AI": [np.nan] * 3,
        "CVS#2.AI": [np.nan] * 3,
    }.items():
        np.testing.assert_array_equal(table.numbers([table.index(source)]), [expected])
    assert table.attrs["total_cycles"] == 3
    assert table.attrs["last_executed"] == "12/06/2025 03:42:25"
    assert json.loads(table.attrs["settings"])["Subsite Name"] == "reram"
    assert EMPTY in table.remarks
    assert list(table.rows) == [3, 4, 5]


def test_text_of_cycles_is_counted(tmp_path):
    assert "column Cycle.Index: 3 numbers are stored as text" in READER.open(cycles_book(tmp_path))[0].remarks


@pytest.mark.parametrize(("encoding", "end"), [("utf-8", "\n"), ("utf-8-sig", "\r\n"), ("utf-8", "\r")])
def test_encodings_and_line_ends(tmp_path, encoding, end):
    path = cycles_csv(tmp_path, encoding=encoding, end=end)
    assert sniffed(path)
    np.testing.assert_array_equal(READER.open(path)[0].numbers([0]), [[1, 2, 3]])


def test_a_table_without_footer(tmp_path):
    (table,) = READER.open(cycles_csv(tmp_path, footer=[]))
    assert len(table.rows) == 3
    assert dict(table.attrs) == {}


BAD = {
    "text in a cell": ([[1, 2e-4, "x", None, 1, 2]], r"column @3 \(SET#1.V\), line 3: 'x' is not a number"),
    "a line among the cycles": ([[1, 2], ["oops", 3], [2, 4]], "line 4: 'oops,3' stands among the cycles"),
    "a row too long": ([[1, 2, 3, 4, 5, 6, 7, 8]], "line 3: 8 cells below a header of 7 names"),
    "no row": ([], "there is no data row"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_cycles_are_refused(tmp_path, name):
    rows, message = BAD[name]
    path = cycles_csv(tmp_path, rows)
    with pytest.raises(ReadError, match=message):
        READER.open(path)[0].numbers([1, 2])


def test_header_rows_of_different_width_are_refused(tmp_path):
    path = tmp_path / "cycles.csv"
    path.write_text("Cycle,SET#1,SET#1\nIndex,V\n1,2,3\n")
    assert sniffed(path)
    with pytest.raises(ReadError, match="line 2: 2 names below 3 tests"):
        READER.open(path)


def test_a_book_of_empty_runs_is_refused(tmp_path):
    path = book(tmp_path, {"Run1": [NAMES], "Calc": [], "Settings": block(1)})
    with pytest.raises(ReadError, match=r"no sheet of this Keithley workbook .* \(sheets: Run1\)"):
        READER.open(path)


def test_only_its_own_files_are_recognised(tmp_path):
    plain = book(tmp_path, {"Sheet1": run(1), "Settings": []})
    assert not sniffed(plain)
    assert excel.READER.sniff(plain, plain.read_bytes())
    for text in ("Cycle,V,I\nIndex,1,2\n", "Cycle,SET#1\n1,2\n", "V,I\n1,2\n", ""):
        other = tmp_path / "other.csv"
        other.write_text(text)
        assert not sniffed(other)


mutation = st.tuples(
    st.integers(0, 400), st.integers(0, 9), st.sampled_from([",", "\n", '"', "x", "9" * 400, "#REF", ""])
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations=st.lists(mutation, min_size=1, max_size=5))
def test_a_table_or_one_clear_line(tmp_path, mutations):
    path = cycles_csv(tmp_path)
    text = path.read_text(encoding="utf-8")
    for start, removed, inserted in mutations:
        text = text[:start] + inserted + text[start + removed :]
    path.write_text(text, encoding="utf-8")
    try:
        (table,) = READER.open(path)
        numbers = table.numbers(range(len(table.columns)))
    except ReadError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is fine
    else:
        assert numbers.shape == (len(table.columns), len(table.rows))
