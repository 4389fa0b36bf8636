"""LabVIEW measurement files, written here: separators, x columns, segments, special blocks, damage."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charz.errors import ReadError
from charz.readers.labview import READER

HEAD = (
    "LabVIEW Measurement\t\nWriter_Version\t2\nReader_Version\t2\nSeparator\tTab\nDecimal_Separator\t.\n"
    "Multi_Headings\tYes\nX_Columns\tNo\nOperator\tAda\nDate\t2024/07/30\n***End_of_Header***\t\n\t\n"
)
SEGMENT = (
    "Channels\t2\t\t\nSamples\t3\t3\t\nX_Dimension\tTime\tTime\t\nX0\t0.0E+0\t0.0E+0\t\nDelta_X\t1.0\t1.0\t\n"
    "***End_of_Header***\t\t\t\nX_Value\tUntitled\tUntitled 1\tComment\n"
)
ROWS = "\t0.5\t-120.25\n\t1.5\t0\n\t2.5\t3e2\n"
FILE = HEAD + SEGMENT + ROWS + "\n"
EXPECTED = [[0.5, 1.5, 2.5], [-120.25, 0, 300]]
NAMES = ["X_Value", "Untitled", "Untitled 1"]


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "loop"
    path.write_bytes(text.encode(encoding))
    return path


def only(tmp_path, text):
    tables = READER.open(write(tmp_path, text))
    assert len(tables) == 1
    return tables[0]


def sniffed(path):
    return READER.sniff(path, path.read_bytes()[: 1 << 16])


def decimal_comma(text):
    return text.replace("Decimal_Separator\t.", "Decimal_Separator\t,").replace("0.5", "0,5").replace(
        "1.5", "1,5").replace("2.5", "2,5").replace("120.25", "120,25").replace("1.0", "1,0")  # fmt: skip


def by_comma(text):
    return text.replace("\t", ",").replace("Separator,Tab", "Separator,Comma")


VARIANTS = {
    "tab": FILE,
    "crlf": FILE.replace("\n", "\r\n"),
    "comma": by_comma(FILE),
    "decimal comma": decimal_comma(FILE),
    "decimal comma not stated": decimal_comma(FILE).replace("Decimal_Separator\t,\n", ""),
    "decimal point not stated": FILE.replace("Decimal_Separator\t.\n", ""),
    "with the empty comment": FILE.replace("0.5\t-120.25", "0.5\t-120.25\t").replace("3e2", "3e2\t"),
    "no comment column": FILE.replace("\tComment", ""),
    "no line end": FILE.rstrip(),
    "no segment header": HEAD + "X_Value\tUntitled\tUntitled 1\tComment\n" + ROWS,
    "special block": HEAD + "***Start_Special***\n[notes]\nChannels\t7\n***End_Special***\n" + SEGMENT + ROWS,
    "special block below": FILE + "***Start_Special***\n1\t2\t3\n***End_Special***\n",
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_dialect_gives_the_same_numbers(tmp_path, name):
    path = write(tmp_path, VARIANTS[name])
    assert sniffed(path)
    (table,) = READER.open(path)
    assert [column.name for column in table.columns] == NAMES
    np.testing.assert_array_equal(table.numbers([1, 2]), EXPECTED)
    assert np.isnan(table.numbers([0])).all()
    assert table.name == ""


def test_rows_know_their_lines(tmp_path):
    table = only(tmp_path, FILE)
    assert list(table.rows) == [19, 20, 21]
    assert table.dialect["header"] == "line 18"
    assert table.texts(1, None) == ["0.5", "1.5", "2.5"]


def test_both_headers_are_metadata_and_the_step_is_no_time(tmp_path):
    table = only(tmp_path, FILE)
    for line in ("Operator: Ada", "Date: 2024/07/30", "Samples: 3, 3", "Delta_X: 1.0, 1.0"):
        assert line in table.attrs["metadata"]
    assert "not used as a time axis" in table.dialect["x_columns"]


def test_units_are_those_of_the_labels(tmp_path):
    labelled = SEGMENT.replace("X0", "Y_Unit_Label\tOe\tVolts\nX_Unit_Label\ts\ts\nX0")
    columns = only(tmp_path, HEAD + labelled + ROWS).columns
    assert [column.unit for column in columns] == ["s", "Oe", "Volts"]
    columns = only(tmp_path, HEAD + labelled.replace("Oe\tVolts", "\tVolts") + ROWS).columns
    assert [column.unit for column in columns] == ["s", None, "Volts"]
    assert [column.unit for column in only(tmp_path, FILE).columns] == [None] * 3


def test_one_x_column(tmp_path):
    text = (
        FILE.replace("X_Columns\tNo", "X_Columns\tOne")
        .replace("\n\t0.5", "\n7\t0.5")
        .replace("\n\t1.5", "\n8\t1.5")
    )
    table = only(tmp_path, text.replace("\n\t2.5", "\n9\t2.5"))
    np.testing.assert_array_equal(table.numbers([0, 1, 2]), [[7, 8, 9], *EXPECTED])


def test_an_x_column_for_each_channel_of_different_length(tmp_path):
    segment = SEGMENT.replace("Samples\t3\t3", "Samples\t3\t2").replace(
        "\tUntitled 1", "\tX_Value\tUntitled 1"
    )
    text = HEAD.replace("Columns\tNo", "Columns\tMulti") + segment.replace("X0", "X_Unit_Label\ts\tms\nX0")
    table = only(tmp_path, text + "0\t1\t0\t4\n1\t2\t5\t5\n2\t3\t\t\n")
    assert [column.name for column in table.columns] == ["X_Value", "Untitled", "X_Value", "Untitled 1"]
    assert [column.unit for column in table.columns] == ["s", None, "ms", None]
    nan = np.nan
    np.testing.assert_array_equal(
        table.numbers([0, 1, 2, 3]), [[0, 1, 2], [1, 2, 3], [0, 5, nan], [4, 5, nan]]
    )
    assert table.remarks == []


def test_segments_are_tables_of_their_own(tmp_path):
    tables = READER.open(write(tmp_path, FILE + SEGMENT + ROWS.replace("0.5", "9.5") + "\n"))
    assert [table.name for table in tables] == ["segment 1", "segment 2"]
    assert [table.numbers([1])[0, 0] for table in tables] == [0.5, 9.5]
    assert list(tables[1].rows) == [30, 31, 32]


def test_a_segment_without_rows_is_told(tmp_path):
    (table,) = READER.open(write(tmp_path, FILE + SEGMENT))
    assert table.name == "segment 1"
    assert list(table.remarks) == ["1 of 2 segments hold no values"]


def test_comments_are_kept_as_text(tmp_path):
    table = only(tmp_path, FILE.replace("-120.25", "-120.25\tlamp on"))
    assert table.texts(table.index("Comment"), None) == ["lamp on", "", ""]
    np.testing.assert_array_equal(table.numbers([1, 2]), EXPECTED)


def test_other_counts_than_announced_and_special_blocks_are_told(tmp_path):
    table = only(tmp_path, FILE.replace("Samples\t3\t3", "Samples\t5\t5"))
    assert list(table.remarks) == ["the header announces 5 samples, the file holds 3 rows"]
    table = only(tmp_path, FILE + "***Start_Special***\n1\n***End_Special***\n")
    assert list(table.remarks) == ["1 special blocks (***Start_Special***) were left out"]


REFUSED = {
    "text": (
        FILE.replace("-120.25", "overload"),
        r"column @3 \(Untitled 1\), line 19: 'overload' is not a number",
    ),
    "row too short": (FILE.replace("\t1.5\t0", "\t1.5"), "line 20: 2 cells where the header names 3 columns"),
    "row too short beside a comment": (
        FILE.replace("-120.25", "-120.25\tlamp on").replace("\t1.5\t0", "\t1.5"),
        "line 20: 2 cells where the header names 4 columns",
    ),
    "row too long": (
        FILE.replace("\t1.5\t0", "\t1.5\t0\t\t7"),
        "line 20: 5 cells where the header names 4 columns",
    ),
    "comma where a point is stated": (FILE.replace("2.5", "2,5"), "line 21: '2,5' has a decimal ','"),
    "point where a comma is stated": (
        decimal_comma(FILE).replace("2,5", "2.5"),
        "line 21: '2.5' has a decimal '.'",
    ),
    "no end of the header": (FILE.split("***")[0], r"the header does not end"),
    "cut in the segment header": (HEAD + "Channels\t2\n", "there is no data row"),
    "cut in a later header": (FILE + "Channels\t2\nSamples\t3\n", "ends inside a segment header"),
    "cut in a special block": (FILE + "***Start_Special***\n", "ends inside a special block"),
    "no names": (FILE.replace("X_Value\tUntitled\tUntitled 1\tComment\n", ""), "line 18: .* where the names"),
    "no rows": (HEAD + SEGMENT, "there is no data row"),
    "separator": (FILE.replace("Separator\tTab", "Separator\tPipe"), "Separator 'pipe' is unknown"),
    "decimal": (FILE.replace("Decimal_Separator\t.", "Decimal_Separator\tx"), "Decimal_Separator 'x'"),
    "decimal and separator alike": (
        by_comma(FILE).replace("_Separator,.", "_Separator,,"),
        "Decimal_Separator ','",
    ),
    "x columns": (FILE.replace("X_Columns\tNo", "X_Columns\tTwo"), "X_Columns 'two' is unknown"),
    "another text": ("t\tV\n1\t2\n", "line 1: .* where a LabVIEW measurement file says"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_damaged_files_are_refused(tmp_path, name):
    text, message = REFUSED[name]
    path = write(tmp_path, text)
    with pytest.raises(ReadError, match=message.replace("'.'", "'[.]'")) as caught:
        READER.open(path)[0].numbers([1, 2])
    assert str(path) in str(caught.value)


def test_content_decides(tmp_path):
    assert sniffed(write(tmp_path, FILE, "utf-8-sig"))
    assert READER.open(write(tmp_path, FILE, "utf-8-sig"))[0].numbers([1]).shape == (1, 3)
    assert not sniffed(write(tmp_path, "Channels\t2\n"))
    assert not sniffed(write(tmp_path, ""))


mutation = st.tuples(
    st.integers(0, 600),
    st.integers(0, 12),
    st.sampled_from(["\t", ",", "\n", '"', "***End_of_Header***", "Channels", "Comment", "9" * 400, ""]),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from([FILE + SEGMENT + ROWS, by_comma(FILE)]),
    mutations=st.lists(mutation, min_size=1, max_size=5),
)
def test_a_table_or_one_clear_line(tmp_path, text, mutations):
    for start, removed, inserted in mutations:
        text = text[:start] + inserted + text[start + removed :]
    try:
        tables = [
            (table, table.numbers(range(len(table.columns)))) for table in READER.open(write(tmp_path, text))
        ]
    except ReadError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is fine
    else:
        assert tables
        assert all(numbers.shape == (len(table.columns), len(table.rows)) for table, numbers in tables)
