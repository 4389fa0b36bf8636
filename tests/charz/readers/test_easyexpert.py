"""EasyEXPERT exports, written here with invented numbers: one record, several, aborted and damaged ones."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charz.errors import ReadError
from charz.readers.easyexpert import READER

HEAD = """SetupTitle, Sweep of wire 7
PrimitiveTest, I/V Sweep
TestParameter, Context.MainFrame, B1500A
TestParameter, Channel.Unit, SMU1:HR, SMU2:HR
TestParameter, Measurement.Primary.Start, 0
MetaData, TestRecord.Remarks, after the weekend
AnalysisSetup, Analysis.Setup.Title, I/V
Dimension1, 3, 3
Dimension2, 1, 1
"""
ROWS = "DataName, V1, I1\nDataValue, 0, 1.2E-12\nDataValue, 0.1, -3E-12\nDataValue, 0.2, \n"
RECORD = HEAD + ROWS
EXPECTED = [[0, 0.1, 0.2], [1.2e-12, -3e-12, np.nan]]
PLAIN = """Setup title,Sweep of wire 7
Classic test name,"I/V Sweep"
Device ID,
Channel.Unit,SMU1:HR,SMU2:HR
AutoAnalysis.Marker.Data.StartCondition,
V1,I1
0,1.2E-12
0.1,-3E-12
0.2,
"""


def opened(tmp_path, text):
    return READER.open(write(tmp_path, text))


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "export.csv"
    path.write_bytes(text.encode(encoding))
    return path


def sniffed(path):
    return READER.sniff(path, path.read_bytes()[: 1 << 16])


VARIANTS = {
    "tagged": RECORD,
    "crlf": RECORD.replace("\n", "\r\n"),
    "no blanks": RECORD.replace(", ", ","),
    "only rows": ROWS,
    "trailing empty cells": RECORD.replace("V1, I1\n", "V1, I1, \n").replace("E-12\n", "E-12, \n"),
    "empty lines": RECORD.replace("DataName", "\n\nDataName").replace("DataValue, 0.2", "\nDataValue, 0.2"),
    "lines below the rows": RECORD + "\nAutoAnalysis, done\n",
    "without tags": PLAIN,
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", VARIANTS)
def test_one_record(tmp_path, name, encoding):
    path = write(tmp_path, VARIANTS[name], encoding)
    assert sniffed(path)
    (table,) = READER.open(path)
    assert table.name == ""
    assert [(column.name, column.unit) for column in table.columns] == [("V1", None), ("I1", None)]
    np.testing.assert_array_equal(table.numbers([0, 1]), EXPECTED)
    assert table.texts(0, 2) == ["0", "0.1"]
    assert table.remarks == []


@pytest.mark.parametrize("text", [RECORD, PLAIN])
def test_settings_and_title_are_kept(tmp_path, text):
    (table,) = opened(tmp_path, text)
    assert table.attrs["setup_title"] == "Sweep of wire 7"
    assert json.loads(table.attrs["settings"])["Channel.Unit"] == ["SMU1:HR", "SMU2:HR"]


def test_other_lines_are_metadata(tmp_path):
    (table,) = opened(tmp_path, RECORD)
    assert table.attrs["metadata"] == [
        "PrimitiveTest, I/V Sweep",
        "MetaData, TestRecord.Remarks, after the weekend",
        "AnalysisSetup, Analysis.Setup.Title, I/V",
    ]
    assert json.loads(table.attrs["settings"])["Measurement.Primary.Start"] == "0"


def test_units_in_the_names_are_read_and_no_others_guessed(tmp_path):
    (table,) = opened(tmp_path, RECORD.replace("V1, I1", "V1 (mV), I1"))
    assert [(column.name, column.unit) for column in table.columns] == [("V1", "mV"), ("I1", None)]


def test_records_are_tables_of_their_own(tmp_path):
    second = HEAD.replace("wire 7", "wire 8").replace("Start, 0", "Start, 5") + ROWS.replace("0.1", "0.7")
    tables = opened(tmp_path, RECORD + "\n" + second + ROWS)
    assert [table.name for table in tables] == ["Sweep of wire 7 1", "Sweep of wire 8 2", "Sweep of wire 8 3"]
    assert [table.numbers([0])[0, 1] for table in tables] == [0.1, 0.7, 0.1]
    starts = [json.loads(table.attrs["settings"])["Measurement.Primary.Start"] for table in tables[:2]]
    assert starts == ["0", "5"]
    assert [table.rows[0] for table in tables] == [11, 25, 29]


def test_records_without_tags(tmp_path):
    tables = opened(tmp_path, PLAIN + "\n" + PLAIN.replace("wire 7", "wire 8"))
    assert [table.name for table in tables] == ["Sweep of wire 7 1", "Sweep of wire 8 2"]
    np.testing.assert_array_equal(tables[1].numbers([0, 1]), EXPECTED)


def test_an_aborted_measurement_is_told(tmp_path):
    (table,) = opened(
        tmp_path, RECORD.replace("Dimension1, 3, 3", "Dimension1, 5, 5").replace("n2, 1, 1", "n2, 2, 2")
    )
    assert table.remarks == ["the header announces 10 rows (5 x 2), the file holds 3"]
    (table,) = opened(tmp_path, RECORD + HEAD + "DataName, V1, I1\n")
    assert table.remarks == ["record 2 (Sweep of wire 7) holds no values"]


REFUSED = {
    "row too short": (RECORD + "DataValue, 0.3\n", "line 14: 1 cells where the header names 2 columns"),
    "row too long": (RECORD + "DataValue, 0.3, 1, 2\n", "line 14: 3 cells where the header names 2 columns"),
    "text": (RECORD + "DataValue, 0.3, OVLD\n", r"column @2 \(I1\), line 14: 'OVLD' is not a number"),
    "empty row": (RECORD + "DataValue,\n", "line 14: DataValue without values"),
    "rows without names": (HEAD + "DataValue, 1, 2\n", "line 10: DataValue without a DataName line"),
    "names without a name": (HEAD + "DataName,\n", "line 10: DataName without names"),
    "no rows": (HEAD + "DataName, V1, I1\n", "no data row"),
    "no names after the marker": (
        PLAIN.replace("V1,I1\n", ""),
        "line 6: '0,1.2E-12' is not the row of names",
    ),
    "text without tags": (PLAIN.replace("0.1", "x"), r"column @1 \(V1\), line 8: 'x' is not a number"),
    "nothing after the marker": (PLAIN.split("V1,I1")[0], "no data row"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_damaged_records_are_refused_with_the_line(tmp_path, name):
    text, message = REFUSED[name]
    path = write(tmp_path, text)
    with pytest.raises(ReadError, match=message) as caught:
        READER.open(path)[0].numbers([0, 1])
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["Vg,Id\n1,2\n", "DataValue, 1, 2\n", "Setup title,x\n1,2\n", "", "# SetupTitle, x\n"]
)
def test_other_texts_are_not_recognised(tmp_path, text):
    assert not sniffed(write(tmp_path, text))


mutation = st.tuples(
    st.integers(0, 500),
    st.integers(0, 12),
    st.sampled_from([",", "\n", '"', "DataValue", "DataName,", "9" * 400, ""]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.sampled_from([RECORD * 2, PLAIN]), mutations=st.lists(mutation, min_size=1, max_size=5))
def test_a_table_or_one_clear_line(tmp_path, text, mutations):
    for start, removed, inserted in mutations:
        text = text[:start] + inserted + text[start + removed :]
    try:
        tables = [(table, table.numbers(range(len(table.columns)))) for table in opened(tmp_path, text)]
    except ReadError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is fine
    else:
        assert tables
        assert all(numbers.shape == (len(table.columns), len(table.rows)) for table, numbers in tables)
