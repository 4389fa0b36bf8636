"""Oscilloscope records of three layouts, written here with invented samples."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charz.errors import ReadError
from charz.readers.oscilloscope import READER

EXPECTED = [[-2e-3, -1e-3, 0.0], [-0.0115, 0.012, 0.5e-3], [1.0, -2.0, 3.0]]
KEYSIGHT = (
    "x-axis,1,2\nsecond,Volt,Volt\n"
    "-2.0000000E-03,-11.5E-03,+1.0E+00\n-1.0000000E-03,+12.0E-03,-2.0E+00\n+0.0E+00,+500.0E-06,3.0E+00\n"
)
MSO = (
    "Model,MSO4054\nFirmware Version,2.1\n\nHorizontal Units,s,,\nVertical Units,V,A,\nRecord Length,3,,\n\n"
    "Label,,,\nTIME,CH1,CH2\n-2e-3,-0.0115,1\n-1e-3,0.012,-2\n0,5e-4,3\n"
)
TDS = (
    "Record Length,3.0e+00,,-0.002,-0.0115,\nSample Interval,1.0e-03,,-0.001,0.012,\nSource,CH1,,0,0.0005,\n"
    "Vertical Units,V,,0.001,1,\nHorizontal Units,s,,0.002,2,\n,,,0.003,3,\n"
)


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "record.csv"
    path.write_bytes(text.encode(encoding))
    return path


def only(tmp_path, text):
    tables = READER.open(write(tmp_path, text))
    assert len(tables) == 1
    return tables[0]


def sniffed(path):
    return READER.sniff(path, path.read_bytes()[: 1 << 16])


VARIANTS = {
    "keysight": KEYSIGHT,
    "crlf": KEYSIGHT.replace("\n", "\r\n"),
    "empty trailing cells": KEYSIGHT.replace("\n", ",\n"),
    "empty line at the end": KEYSIGHT + "\n\n",
    "blanks after commas": KEYSIGHT.replace(",", ", "),
    "no line end": KEYSIGHT.rstrip(),
    "tektronix": MSO,
    "tektronix crlf": MSO.replace("\n", "\r\n"),
    "tektronix trailing": MSO.replace("CH2\n", "CH2,\n").replace("3\n", "3,\n"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_samples_from_every_layout(tmp_path, name, encoding):
    path = write(tmp_path, VARIANTS[name], encoding)
    assert sniffed(path)
    (table,) = READER.open(path)
    np.testing.assert_array_equal(table.numbers([0, 1, 2]), EXPECTED)
    assert len(table.columns) == 3
    assert table.texts(2, 2) == table.texts(2, None)[:2]


@pytest.mark.parametrize(
    ("text", "columns", "first"),
    [
        (KEYSIGHT, [("x-axis", "second"), ("1", "Volt"), ("2", "Volt")], 3),
        (KEYSIGHT.replace("1,2", "1,3"), [("x-axis", "second"), ("1", "Volt"), ("3", "Volt")], 3),
        (KEYSIGHT.replace("1,2", "gate,M1").replace("Volt\n", "Ampere\n"),
         [("x-axis", "second"), ("gate", "Volt"), ("M1", "Ampere")], 3),
        (MSO, [("TIME", "s"), ("CH1", "V"), ("CH2", "A")], 10),
        (MSO.replace("Vertical Units,V,A,\n", ""), [("TIME", "s"), ("CH1", None), ("CH2", None)], 9),
        (TDS, [("TIME", "s"), ("CH1", "V")], 1),
    ],
)  # fmt: skip
def test_names_and_units_are_those_of_the_file(tmp_path, text, columns, first):
    table = only(tmp_path, text)
    assert [(column.name, column.unit) for column in table.columns] == columns
    assert table.rows[0] == first


def test_a_channel_is_chosen_by_its_number(tmp_path):
    table = only(tmp_path, KEYSIGHT)
    assert (table.index("2"), table.index("@2"), table.index("x-axis")) == (2, 1, 0)


def test_samples_beside_the_settings(tmp_path):
    table = only(tmp_path, TDS)
    assert sniffed(table.path)
    np.testing.assert_array_equal(
        table.numbers([0, 1]), [[-0.002, -0.001, 0, 0.001, 0.002, 0.003], [-0.0115, 0.012, 0.0005, 1, 2, 3]]
    )
    assert table.attrs["metadata"][0] == "Record Length: 3.0e+00"


def test_settings_above_the_samples_are_metadata(tmp_path):
    assert only(tmp_path, MSO).attrs["metadata"][:2] == ["Model,MSO4054", "Firmware Version,2.1"]


def test_an_empty_sample_is_nan(tmp_path):
    table = only(tmp_path, KEYSIGHT.replace("-2.0E+00", ""))
    np.testing.assert_array_equal(table.numbers([2]), [[1, np.nan, 3]])


REFUSED = {
    "no units": (
        KEYSIGHT.replace("second,Volt,Volt\n", ""),
        "line 2: .* is not the row of units of the 3 columns",
    ),
    "a unit missing": (KEYSIGHT.replace("Volt,Volt", "Volt,"), "line 2: .* is not the row of units"),
    "units too many": (KEYSIGHT.replace("Volt,Volt", "Volt,Volt,Volt"), "line 2: .* is not the row of units"),
    "text": (KEYSIGHT.replace("-2.0E+00", "clip"), r"column @3 \(2\), line 4: 'clip' is not a number"),
    "row too short": (KEYSIGHT.replace(",-2.0E+00", ""), "line 4: 2 cells where the header names 3 columns"),
    "row too long": (
        KEYSIGHT.replace("-2.0E+00", "-2,1"),
        "line 4: 4 cells where the header names 3 columns",
    ),
    "no samples": ("x-axis,1\nsecond,Volt\n", "no data row below line 2"),
    "no names": (MSO.split("TIME")[0], "no line 'TIME,CH1,...'"),
    "settings far below": (
        TDS + ",,,1,2,\n" * 200 + "late,1,,2,3,\n",
        "line 207: text in the first three columns",
    ),
    "another text": ("t,V\n1,2\n", "line 1: 't,V' is no header of an oscilloscope"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_damaged_records_are_refused_with_the_line(tmp_path, name):
    text, message = REFUSED[name]
    path = write(tmp_path, text)
    with pytest.raises(ReadError, match=message) as caught:
        READER.open(path)[0].numbers([0, 1, 2])
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["t,V\n1,2\n", "x axis,1\n", "Record Length of all,1\n", "Model,3\n1,2\n", ""]
)
def test_other_texts_are_not_recognised(tmp_path, text):
    assert not sniffed(write(tmp_path, text))


def test_a_record_of_16000_samples_takes_a_moment(tmp_path):
    times = np.arange(16_000) * 5e-4 - 4
    rows = "\n".join(f"{t:.7E},{t * 1e-3:+.4E},{t * -2e-3:+.4E}" for t in times)
    path = write(tmp_path, f"x-axis,1,2\nsecond,Volt,Volt\n{rows}\n")
    begun = time.process_time()
    numbers = READER.open(path)[0].numbers([0, 1, 2])
    assert time.process_time() - begun < 0.2
    np.testing.assert_allclose(numbers[0], times, atol=1e-7)


mutation = st.tuples(
    st.integers(0, 260),
    st.integers(0, 9),
    st.sampled_from([",", "\n", '"', "Volt", "TIME,", "9" * 400, "\x00", ""]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.sampled_from([KEYSIGHT, MSO, TDS]), mutations=st.lists(mutation, min_size=1, max_size=5))
def test_a_table_or_one_clear_line(tmp_path, text, mutations):
    for start, removed, inserted in mutations:
        text = text[:start] + inserted + text[start + removed :]
    try:
        table = only(tmp_path, text)
        numbers = table.numbers(range(len(table.columns)))
    except ReadError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is fine
    else:
        assert numbers.shape == (len(table.columns), len(table.rows))
