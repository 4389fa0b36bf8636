"""Tables as laboratories lay them out: columns named by a schema, wide tables, second files beside the first."""

import numpy as np
import pytest

import charz
from charz.description import Wide
from charz.errors import ReadError, UnitError
from charz.readers import open_table, reshape
from charz.readers.contract import Column
from charz.readers.reshape import beside, unpivot, with_schema

NAN = np.nan


def table(tmp_path, text, name="t.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return open_table(tmp_path / name)


def number(one, source):
    return one.numbers([one.index(source)])[0].tolist()


BARE = "1,10,0.5\n2,20,0.6\n3,30,0.7\n"


@pytest.mark.parametrize(
    ("schema", "columns"),
    [
        (["addr", "width (ns)", "v_bl"], [Column("addr", None), Column("width", "ns"), Column("v_bl", None)]),
        (["addr", "..."], [Column("addr", None), Column(None, None), Column(None, None)]),
        (["a", "b", "c", "..."], [Column(name, None) for name in "abc"]),
        (["..."], [Column(None, None)] * 3),
        ([], [Column(None, None)] * 3),
    ],
)
def test_a_schema_names_the_columns(tmp_path, schema, columns):
    named = with_schema(table(tmp_path, BARE), schema)
    assert list(named.columns) == columns
    np.testing.assert_array_equal(named.numbers([0, 2]), [[1, 2, 3], [0.5, 0.6, 0.7]])


@pytest.mark.parametrize(
    ("text", "schema", "words"),
    [
        (BARE, ["a", "b"], r"3 columns, but the schema names 2 \(a, b\)"),
        (BARE, ["a", "b", "c", "d"], r"3 columns, but the schema names 4 \(a, b, c, d\)"),
        (BARE, ["a", "b", "c", "d", "..."], "3 columns, but the schema names 4"),
        (BARE, ["a", "...", "c"], r"'\.\.\.' stands inside the schema"),
        ("x,y,z\n" + BARE, ["a", "b", "c"], r"the file names its columns itself \(x, \.\.\.\)"),
    ],
)
def test_a_schema_that_does_not_fit(tmp_path, text, schema, words):
    with pytest.raises(ReadError, match=words):
        with_schema(table(tmp_path, text), schema)


def test_a_trace_across_each_line(tmp_path):
    wide = table(tmp_path, "cell,t0,t1,t2\na,1,2,3\nb,4,,6\n")
    long = unpivot(wide, Wide(keep=("cell",), values=("r",), position="time", line="row"))
    assert [column.name for column in long.columns] == ["cell", "r", "time", "row"]
    assert number(long, "r")[:3] == [1, 2, 3]
    np.testing.assert_array_equal(long.numbers([1, 2, 3]), [
        [1, 2, 3, 4, NAN, 6], [0, 1, 2, 0, 1, 2], [1, 1, 1, 2, 2, 2]
    ])  # fmt: skip
    assert long.texts(0, None) == ["a", "a", "a", "b", "b", "b"]
    assert long.texts(0, 2) == ["a", "a"]
    assert long.texts(1, None) == ["1", "2", "3", "4", "", "6"]
    assert long.texts(1, 4) == ["1", "2", "3", "4"]
    assert long.texts(2, 4) == ["0", "1", "2", "0"]
    assert long.texts(3, 4) == ["1", "1", "1", "2"]
    assert list(long.rows) == [2, 2, 2, 3, 3, 3]
    assert long.numbers([]).shape == (0, 6)


def test_quantities_that_alternate(tmp_path):
    text = "1,1e5,1e3,2e5,2e3\n2,3e5,3e3,4e5,4e3\n"
    long = unpivot(table(tmp_path, text), Wide(keep=("@1",), values=("hrs", "lrs")))
    assert number(long, "hrs") == [1e5, 2e5, 3e5, 4e5]
    assert number(long, "lrs") == [1e3, 2e3, 3e3, 4e3]
    assert number(long, "position") == [0, 1, 0, 1]
    assert number(long, "@1") == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("header", "unit", "labels"),
    [
        ("n,0.9 V,1.0 V,1.1V", "V", [0.9, 1.0, 1.1]),
        ("n,900 (mV),1000 (mV),1100 (mV)", "mV", [900, 1000, 1100]),
    ],
)
def test_numbers_in_the_header(tmp_path, header, unit, labels):
    wide = table(tmp_path, f"{header}\nx,5,6,7\ny,8,9,10\n")
    long = unpivot(wide, Wide(keep=("n",), values=("g",), label="amplitude"))
    assert number(long, "amplitude") == labels * 2
    assert long.columns[long.index("amplitude")] == Column("amplitude", unit)
    # The unit of the label is not that of the values.
    assert long.columns[long.index("g")] == Column("g", None)


def test_numbers_in_the_upper_of_two_header_rows(tmp_path):
    text = ",0.9 V,0.9 V,1 V,1 V\nn,HRS (kohm),LRS (kohm),HRS (kohm),LRS (kohm)\n1,5,6,7,8\n2,50,60,70,80\n"
    long = unpivot(table(tmp_path, text), Wide(keep=("n",), values=("hrs", "lrs"), label="amplitude"))
    assert number(long, "amplitude") == [0.9, 1, 0.9, 1]
    assert number(long, "lrs") == [6, 8, 60, 80]
    assert long.columns[1] == Column("hrs", "kohm")


@pytest.mark.parametrize(
    ("text", "wide", "error", "words"),
    [
        (
            "n,a,b,c\n1,2,3,4\n",
            Wide(("n",), ("x", "y")),
            ReadError,
            "3 columns beside 1 kept ones are no whole number",
        ),
        ("n,a\n1,2\n", Wide(("n", "a"), ("x",)), ReadError, "0 columns beside 2 kept ones"),
        ("n,a\n1,2\n", Wide(("m",), ("x",)), ReadError, "there is no column 'm'"),
        (
            "n,0.9 V,900 mV\n1,2,3\n",
            Wide(("n",), ("x",), label="v"),
            ReadError,
            "headers of v are in different units",
        ),
        (
            "n,a,b\n1,2,3\n",
            Wide(("n",), ("x",), label="v"),
            UnitError,
            "v in the header = 'a' is not a number",
        ),
        (
            "n,a (V),b (mV)\n1,2,3\n",
            Wide(("n",), ("x",)),
            ReadError,
            r"headers of x are in different units \(V, mV\)",
        ),
    ],
)
def test_wide_tables_that_do_not_fit(tmp_path, text, wide, error, words):
    with pytest.raises(error, match=words) as caught:
        unpivot(table(tmp_path, text), wide)
    assert str(caught.value).startswith(str(tmp_path / "t.csv"))


def test_a_wide_table_is_not_blown_up(tmp_path, monkeypatch):
    monkeypatch.setattr(reshape, "MAX_ROWS", 3)
    with pytest.raises(ReadError, match="2 lines of 2 groups are more rows than are read"):
        unpivot(table(tmp_path, "1,2\n3,4\n"), Wide(values=("x",)))


def test_without_a_word_nothing_changes(tmp_path):
    one = table(tmp_path, BARE)
    assert unpivot(one, None) is one
    assert with_schema(one, ()) is one


def test_a_second_file_beside(tmp_path):
    first = table(tmp_path, "V,x\n1,a\n2,b\n", "v.csv")
    second = table(tmp_path, "n,I (uA),who\n7,10,p\n8,,q\n", "i.csv")
    both = beside(first, second, {"current": "I", "who": "who"})
    assert [column.name for column in both.columns] == ["V", "x", "current", "who"]
    assert both.columns[2] == Column("current", "uA")
    np.testing.assert_array_equal(both.numbers([2, 0]), [[10, NAN], [1, 2]])
    assert both.texts(3, None) == ["p", "q"]
    assert both.texts(1, 1) == ["a"]
    assert both.numbers([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("second", "columns", "words"),
    [
        ("I\n1\n2\n3\n", {"current": "I"}, r"i\.csv: 3 rows, but .*v\.csv has 2"),
        ("I,x\n1,2\n2,3\n", {"current": "J"}, r"i\.csv: there is no column 'J'"),
    ],
)
def test_second_files_that_do_not_fit(tmp_path, second, columns, words):
    first = table(tmp_path, "V,x\n1,2\n2,3\n", "v.csv")
    with pytest.raises(ReadError, match=words):
        beside(first, table(tmp_path, second, "i.csv"), columns)


def test_through_read(tmp_path):
    (tmp_path / "hrs.csv").write_text("5,6,7\n8,9,10\n")
    dataset = charz.read(
        tmp_path / "hrs.csv",
        "pulse_train",
        columns={"conductance": "g", "cycle": "line"},
        units={"conductance": "uS"},
        wide={"values": ["g"], "line": "line"},
    )
    np.testing.assert_allclose(dataset["conductance"], [[[5e-6, 6e-6, 7e-6], [8e-6, 9e-6, 1e-5]]])
    assert dataset["cycle"].values.tolist() == [1, 2]


def test_joined_files_through_read(tmp_path):
    for run in (1, 2):
        (tmp_path / f"run{run}.csv").write_text("v (mV),x\n100,0\n200,0\n")
        (tmp_path / f"run{run}_i.dat").write_text(f"i (nA)\n{run}\n{2 * run}\n")
    dataset = charz.read(
        tmp_path,
        "iv_sweep",
        columns={"voltage": "v", "current": "current"},
        files="*.csv",
        join={"file": "{file}_i.dat", "columns": {"current": "@1"}},
    )
    assert dataset["device"].values.tolist() == ["run1", "run2"]
    np.testing.assert_allclose(dataset["current"][:, 0], [[1e-9, 2e-9], [2e-9, 4e-9]])
