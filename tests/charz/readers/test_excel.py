"""Excel workbooks written here with every trap of real ones: text numbers, errors, empty sheets, damage."""

import datetime
import io
import re
import struct
import zipfile

import numpy as np
import openpyxl
import openpyxl.chart
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charz.errors import ReadError
from charz.readers.contract import Column
from charz.readers.excel import READER

SHEET = "xl/worksheets/sheet1.xml"
PLAIN = [["t", "V"], [1, 2.5], [2, 3.5], [3, 4.5]]
NAN = np.nan


def book(tmp_path, sheets, name="book.xlsx"):
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    path = tmp_path / name
    workbook.save(path)
    return path


def changed(path, change):
    """Rewrite the parts of a workbook: `change` takes and returns a dictionary of bytes."""
    with zipfile.ZipFile(path) as archive:
        parts = change({name: archive.read(name) for name in archive.namelist()})
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    path.write_bytes(content.getvalue())
    return path


def only(path):
    tables = READER.open(path)
    assert len(tables) == 1
    return tables[0]


def all_numbers(table):
    return table.numbers(range(len(table.columns)))


def sniffed(path):
    return READER.sniff(path, path.read_bytes()[: 1 << 16])


# Layouts of one sheet: rows, names of the columns, numbers by column, Excel row of the first data row.
LAYOUTS = {
    "plain": (PLAIN, ["t", "V"], [[1, 2, 3], [2.5, 3.5, 4.5]], 2),
    "no header": (PLAIN[1:], [None, None], [[1, 2, 3], [2.5, 3.5, 4.5]], 1),
    "one row": (PLAIN[:2], ["t", "V"], [[1], [2.5]], 2),
    "one column": ([["V"], [0.1], [0.2]], ["V"], [[0.1, 0.2]], 2),
    "leading empty rows and columns": ([[], [], *([None, None, *row] for row in PLAIN)], ["t", "V"],
                                       [[1, 2, 3], [2.5, 3.5, 4.5]], 4),
    "empty row below the header": ([PLAIN[0], [], *PLAIN[1:]], ["t", "V"], [[1, 2, 3], [2.5, 3.5, 4.5]], 3),
    "empty rows between": ([*PLAIN[:2], [], *PLAIN[2:]], ["t", "V"], [[1, 2, 3], [2.5, 3.5, 4.5]], 2),
    "title, metadata and footer": ([["Device 7"], ["T", 300], [], *PLAIN, ["Mean", 3.5]], ["t", "V"],
                                   [[1, 2, 3], [2.5, 3.5, 4.5]], 5),
    "row of units": ([["t", "V"], ["s", "mV"], [1, 2], [3, 4]], ["t", "V"], [[1, 3], [2, 4]], 3),
    "scalars in the first row": ([["V", "I", "VSET"], [0, 1, 0.7], [1, 2], [2, 3]], ["V", "I", "VSET"],
                                 [[0, 1, 2], [1, 2, 3], [0.7, NAN, NAN]], 2),
    "header longer than the rows": ([["V", "I", "R"], [0, 1], [1, 2]], ["V", "I", "R"],
                                    [[0, 1], [1, 2], [NAN, NAN]], 2),
    "text numbers": ([["V", "n"], ["0.5", 3], ["-2e-3", 4]], ["V", "n"], [[0.5, -2e-3], [3, 4]], 2),
    "decimal commas": ([["V", "n"], ["0,5", 3], ["1,25", 4]], ["V", "n"], [[0.5, 1.25], [3, 4]], 2),
    "booleans": ([["V", "on"], [0.5, True], [1.5, False]], ["V", "on"], [[0.5, 1.5], [1, 0]], 2),
    "errors": ([["V", "I"], [0.5, "#REF"], [1.5, "#DIV/0!"], [2.5, 7]], ["V", "I"], [[0.5, 1.5, 2.5], [NAN, NAN, 7]],
               2),
    "error first": ([["V", "I"], ["#N/A", "#REF!"], [1.5, 6], [2.5, 7]], ["V", "I"], [[NAN, 1.5, 2.5], [NAN, 6, 7]], 2),
    "long digits": ([["x"], [1 / 3], [1.1e-13]], ["x"], [[1 / 3, 1.1e-13]], 2),
    "numeric header": ([["V", 10, 20], [0.5, 1, 2], [0.7, 3, 4]], ["V", "10", "20"], [[0.5, 0.7], [1, 3], [2, 4]], 2),
    "tabs and quotes in the header": ([['V\t"x"', "I\nabs"], [1, 2]], ['V "x"', "I abs"], [[1], [2]], 2),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path, name):
    rows, names, expected, first = LAYOUTS[name]
    table = only(book(tmp_path, {"Sheet1": rows}))
    assert [column.name for column in table.columns] == names
    np.testing.assert_array_equal(all_numbers(table), expected)
    assert table.rows[0] == first
    assert table.noun == "row"
    assert table.dialect["first_row"] == f"row {first}"
    assert len(table.texts(0, None)) == len(table.rows)
    assert table.texts(0, 1) == table.texts(0, None)[:1]


def test_units_in_brackets_and_in_a_row_of_their_own(tmp_path):
    table = only(book(tmp_path, {"A": [["t (ns)", "V"], [1, 2], [3, 4]]}))
    assert list(table.columns) == [Column("t", "ns"), Column("V", None)]
    table = only(book(tmp_path, {"A": [["t", "V"], ["ns", "(mV)"], [1, 2], [3, 4]]}))
    assert list(table.columns) == [Column("t", "ns"), Column("V", "mV")]


def test_two_header_rows_name_columns_only_together(tmp_path):
    table = only(book(tmp_path, {"A": [["SET", "SET", "RESET"], ["V", "I", "V"], [1, 2, 3], [4, 5, 6]]}))
    assert [column.joined for column in table.columns] == ["SET.V", "SET.I", "RESET.V"]
    np.testing.assert_array_equal(table.numbers([table.index("RESET.V")]), [[3, 6]])


def test_lines_around_the_table_are_metadata(tmp_path):
    table = only(book(tmp_path, {"A": [["Operator", "Ada"], [], *PLAIN, ["Mean", 3.5]]}))
    assert table.attrs["metadata"] == ["Operator, Ada", "Mean, 3.5"]


def test_conversions_are_counted_by_column(tmp_path):
    rows = [["t", "AI", "ID"], [1, "2.5", "#REF"], [2, "3.5", 4], [3, "4.5", "#REF"], [4, 5, 1]]
    assert list(only(book(tmp_path, {"A": rows})).remarks) == [
        "column AI: 3 numbers are stored as text",
        "column ID: 2 cells #REF became NaN",
    ]
    assert list(only(book(tmp_path, {"A": [["a"], [1], ["2"], ["#N/A"]]})).remarks) == [
        "column a: 1 number is stored as text",
        "column a: 1 cell #N/A became NaN",
    ]
    assert only(book(tmp_path, {"A": PLAIN})).remarks == []


def test_names_of_devices_and_dates_are_texts(tmp_path):
    rows = [
        ["device", "date", "V"],
        ["w1", datetime.datetime(2024, 5, 1, 12), 1],
        ["w2", datetime.date(2024, 5, 2), 2],
    ]
    table = only(book(tmp_path, {"A": rows}))
    assert table.texts(0, None) == ["w1", "w2"]
    assert table.texts(1, None) == ["2024-05-01 12:00:00", "2024-05-02 00:00:00"]
    np.testing.assert_array_equal(table.numbers([2]), [[1, 2]])


BAD_CELLS = {
    "date": (datetime.datetime(2024, 5, 1), "2024-05-01 00:00:00"),
    "overload": ("OVLD", "OVLD"),
    "thousands": ("1,234", "1,234"),
    "underscore": ("1_000", "1_000"),
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_text_among_numbers_names_sheet_column_and_row(tmp_path, name):
    cell, shown = BAD_CELLS[name]
    path = book(tmp_path, {"S": [[], [None, "t", "V (mV)"], [None, 1, 2], [None, 2, cell], [None, 3, 4]]})
    with pytest.raises(ReadError, match=re.escape(f"S, column C (V), row 4: {shown!r} is not a number")):
        only(path).numbers([1])
    np.testing.assert_array_equal(only(path).numbers([0]), [[1, 2, 3]])


def test_every_sheet_with_numbers_is_a_table(tmp_path):
    sheets = {"b": PLAIN, "empty": [], "notes": [["taken", "at night"]], "a": [["x"], [1]]}
    tables = READER.open(book(tmp_path, sheets))
    assert [table.name for table in tables] == ["b", "a"]
    assert tables[0].dialect["skipped_sheets"] == "empty (empty), notes (no numbers)"
    assert only(book(tmp_path, {"b": PLAIN, "empty": []})).name == ""


def test_a_sheet_that_is_no_table_is_left_out_with_its_reason(tmp_path):
    torn = [["t", "V"], [1, 2], [3, 4], ["again", "x"], [5, 6]]
    (table,) = READER.open(book(tmp_path, {"good": PLAIN, "torn": torn}))
    assert table.name == "good"
    assert "sheet 'torn' was left out: torn, row 5" in table.remarks[0]
    with pytest.raises(
        ReadError, match=r"torn, row 5: numbers \('5, 6'\) stand outside the table of rows 2 to 3"
    ):
        READER.open(book(tmp_path, {"torn": torn}))


def test_chart_sheets_are_ignored(tmp_path):
    workbook = openpyxl.Workbook()
    for row in PLAIN:
        workbook.active.append(row)
    chart = openpyxl.chart.LineChart()
    chart.add_data(openpyxl.chart.Reference(workbook.active, min_col=2, min_row=1, max_row=4))
    workbook.create_chartsheet("Chart1").add_chart(chart)
    workbook.save(tmp_path / "book.xlsx")
    np.testing.assert_array_equal(only(tmp_path / "book.xlsx").numbers([0]), [[1, 2, 3]])


def test_formulas_without_a_value_are_counted(tmp_path):
    table = only(book(tmp_path, {"A": [["t", "V"], [1, "=A2*2"], [2, "=A3*2"]]}))
    assert np.isnan(table.numbers([1])).all()
    assert "2 formulas of sheet A hold no calculated value" in table.remarks[0]
    with pytest.raises(ReadError, match=r"A \(2 formulas that were never calculated"):
        READER.open(book(tmp_path, {"A": [["t"], ["=1"], ["=2"]]}))


def test_formulas_with_a_value_are_that_value(tmp_path):
    path = changed(
        book(tmp_path, {"A": PLAIN}),
        lambda parts: {**parts, SHEET: parts[SHEET].replace(b"<v>2.5</v>", b"<f>A2*2.5</f><v>2.5</v>")},
    )
    table = only(path)
    np.testing.assert_array_equal(table.numbers([1]), [[2.5, 3.5, 4.5]])
    assert table.remarks == []


@pytest.mark.parametrize("stated", [b"A1:A2", b"A1", b"A1:XFD1048576"])
def test_a_wrong_dimension_cuts_nothing(tmp_path, stated):
    path = changed(
        book(tmp_path, {"A": PLAIN}), lambda parts: {**parts, SHEET: parts[SHEET].replace(b"A1:B4", stated)}
    )
    np.testing.assert_array_equal(all_numbers(only(path)), [[1, 2, 3], [2.5, 3.5, 4.5]])


def without(name):
    return lambda parts: {key: part for key, part in parts.items() if key != name}


def with_entities(parts):
    bomb = b'<!DOCTYPE x [<!ENTITY a "1"><!ENTITY b "&a;&a;">]><worksheet'
    return {**parts, SHEET: parts[SHEET].replace(b"<worksheet", bomb, 1).replace(b"<v>2.5<", b"<v>&b;<")}


def with_far_row(parts):
    return {**parts, SHEET: parts[SHEET].replace(b'<row r="3"', b'<row r="99999999999"')}


def with_wide_rows(parts):
    rows = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(5, 2000))
    return {**parts, SHEET: parts[SHEET].replace(b"</sheetData>", rows + b"</sheetData>")}


def replaced(old, new, part=SHEET):
    return lambda parts: {**parts, part: parts[part].replace(old, new)}


DAMAGED = {
    "rows out of order": (replaced(b'<row r="3"', b'<row r="1"'), "sheet1.xml: row 1 stands below B2; the order"),
    "cell of another row": (replaced(b'"A3"', b'"A1"'), "sheet1.xml: cell A1 stands below 3; the order"),
    "style that is none": (
        replaced(b'"Normal" xfId="0"', b'"Normal" xfId="7"', "xl/styles.xml"),
        "not an Excel workbook that can be read",
    ),
    "cells out of order": (replaced(b'"A2"', b'"C2"'), "sheet1.xml: cell B2 stands below C2; the order"),
    "no sheet part": (without(SHEET), "sheet 'A' is listed in the workbook but is not in the file"),
    "no workbook part": (without("xl/workbook.xml"), "it has no part xl/workbook.xml"),
    "binary workbook": (lambda parts: {"xl/workbook.bin": b"x"}, r"binary workbook \(.xlsb\)"),
    "entities": (with_entities, "declares XML entities"),
    "row beyond the last": (with_far_row, "more than 1048576 rows"),
    "too many cells": (with_wide_rows, "20000000 cells"),
    "not XML": (lambda parts: {**parts, SHEET: b"<worksheet"}, "not an Excel workbook that can be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_and_hostile_books_are_refused(tmp_path, capsys, name):
    change, message = DAMAGED[name]
    path = changed(book(tmp_path, {"A": PLAIN}), change)
    with pytest.raises(ReadError, match=message) as caught:
        READER.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = changed(book(tmp_path, {"A": PLAIN}), lambda parts: {**parts, "xl/media/a.png": bytes(12345)})
    head, tail = path.read_bytes().rsplit(struct.pack("<I", 12345), 1)
    path.write_bytes(head + struct.pack("<I", 2_000_000_000) + tail)
    with pytest.raises(ReadError, match=r"unpacks to 20\d{8} bytes, .* zip bomb"):
        READER.open(path)


REFUSED = {
    "old": (b"\xd0\xcf\x11\xe0" + bytes(600), r"old Excel file .* save it as .xlsx"),
    "password": (b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
    "cut short": (b"PK\x03\x04" + bytes(26) + b"xl/worksheets/sheet1.xml", "cut short"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_zip_archive_is_recognised_and_refused(tmp_path, name):
    content, message = REFUSED[name]
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    assert sniffed(path)
    with pytest.raises(ReadError, match=message):
        READER.open(path)


def test_a_book_without_numbers_is_refused_with_its_sheets(tmp_path):
    with pytest.raises(
        ReadError, match=r"no sheet .* rows of numbers \(sheets: A \(no numbers\), B \(empty\)\)"
    ):
        READER.open(book(tmp_path, {"A": [["only", "text"]], "B": []}))


def test_content_decides_not_the_name(tmp_path):
    assert sniffed(book(tmp_path, {"A": PLAIN}, "book.csv.xlsx").rename(tmp_path / "data.txt"))
    other = tmp_path / "other.xlsx"
    other.write_text("t,V\n1,2\n")
    assert not sniffed(other)
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("data.npy", b"x")
    assert not sniffed(other)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    part=st.sampled_from([SHEET, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml", None]),
    start=st.integers(0, 2000),
    removed=st.integers(0, 20),
    inserted=st.sampled_from([b"", b"<", b"9" * 400, b"\x00", b'r="A7"', b"-1", b"s", b'"', b"nan"]),
)
def test_a_table_or_one_clear_line(tmp_path, part, start, removed, inserted):
    def mutated(content):
        position = start % len(content)
        return content[:position] + inserted + content[position + removed :]

    path = book(tmp_path, {"A": [["t", "V"], [1, "2.5"], [2, "#REF"], [3, None]], "B": PLAIN})
    if part is None:
        path.write_bytes(mutated(path.read_bytes()))
    else:
        changed(path, lambda parts: {**parts, part: mutated(parts[part])})
    try:
        tables = [(table, all_numbers(table)) for table in READER.open(path)]
    except ReadError as error:
        assert str(error).strip()  # noqa: PT017 - either outcome is fine
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert tables
        assert all(numbers.shape == (len(table.columns), len(table.rows)) for table, numbers in tables)
