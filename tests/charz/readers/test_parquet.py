"""Parquet: flat columns with their units, empty cells, batches; what is nested is named."""

import datetime
import decimal
import sys

import numpy as np
import pytest

from charz.errors import ReadError
from charz.readers import parquet
from charz.readers.parquet import READER

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def write(tmp_path):
    def written(columns, metadata=None, **options):
        """Columns are name -> array, or name -> (array, metadata of the field)."""
        arrays, fields = [], []
        for name, value in columns:
            array, about = value if isinstance(value, tuple) else (value, None)
            arrays.append(array)
            fields.append(pa.field(name, array.type, metadata=about))
        path = tmp_path / "a.parquet"
        pq.write_table(
            pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata)), path, **options
        )
        return path

    return written


def only(path):
    assert READER.sniff(path, path.read_bytes()[:65536])
    (table,) = READER.open(path)
    return table


def test_columns_and_units(write):
    columns = [
        ("v", (pa.array([0.5, 1.5]), {b"units": b"mV"})),
        ("i", (pa.array([1, 2]), {b"unit": "µA".encode()})),
        ("signal (kΩ)", pa.array([3.0, 4.0], pa.float32())),
        ("plain", pa.array([5, 6], pa.uint8())),
    ]
    table = only(write(columns, {"sample": "wire 3"}))
    assert [(c.name, c.unit) for c in table.columns] == [
        ("v", "mV"),
        ("i", "µA"),
        ("signal", "kΩ"),
        ("plain", None),
    ]
    assert table.numbers([3, 0]).tolist() == [[5, 6], [0.5, 1.5]]
    assert list(table.rows) == [1, 2]
    assert table.attrs["metadata"] == ["sample: wire 3"]
    assert table.noun == "row"


TIMES = [datetime.datetime(2026, 1, 1, 0, 0, second) for second in (5, 6, 9)]


@pytest.mark.parametrize(
    ("array", "numbers", "texts"),
    [
        (pa.array([1, None, 3]), [1, np.nan, 3], ["1", "", "3"]),
        (pa.array([1.5, None, np.nan]), [1.5, np.nan, np.nan], ["1.5", "", ""]),
        (pa.array([True, None, False]), [1, np.nan, 0], ["1", "", "0"]),
        (pa.array([1, 2, 3], pa.float16()), [1, 2, 3], ["1", "2", "3"]),
        (pa.nulls(3), [np.nan] * 3, ["", "", ""]),
        (
            pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3")]),
            [1.25, np.nan, -3],
            ["1.25", "", "-3.00"],
        ),
        (pa.array([0, 1500, None], pa.duration("ms")), [0, 1.5, np.nan], None),
        (pa.array(TIMES), [0, 1, 4], None),
        (pa.array([TIMES[0], None, TIMES[2]], pa.timestamp("ns", "UTC")), [0, np.nan, 4], None),
        (pa.array([d.date() for d in TIMES], pa.date32()), [0, 0, 0], ["2026-01-01"] * 3),
        (pa.array([d.date() for d in TIMES], pa.date64()), [0, 0, 0], None),
        (pa.array([7, 8, 7]).dictionary_encode(), [7, 8, 7], ["7", "8", "7"]),
    ],
)
@pytest.mark.parametrize("rows", [1, 100])
def test_types(write, array, numbers, texts, rows):
    table = only(write([("x", array)], row_group_size=rows))
    np.testing.assert_array_equal(table.numbers([0]), [numbers])
    if texts is not None:
        assert table.texts(0, None) == texts
    if pa.types.is_timestamp(array.type):
        assert table.columns[0].unit == "s"
        assert table.remarks == ["'x' holds times: read as seconds since the first"]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["W1", "W2", None]),
        pa.array(["W1", "W2", None], pa.large_string()),
        pa.array(["W1", "W2", None]).dictionary_encode(),
    ],
)
def test_text(write, array):
    table = only(write([("v", pa.array([1, 2, 3])), ("chip", array)], row_group_size=2))
    assert table.texts(1, None) == ["W1", "W2", ""]
    assert table.texts(1, 1) == ["W1"]
    with pytest.raises(ReadError, match=r"column 'chip', row 1: 'W1' is text, not a number; map the column"):
        table.numbers([0, 1])


def test_names_with_points_and_twins(write):
    columns = [
        ("a.b", pa.array([1.0])),
        ("a", pa.array([2.0])),
        ("t", pa.array([3.0])),
        ("t", pa.array([4.0])),
    ]
    table = only(write(columns))
    assert [column.name for column in table.columns] == ["a.b", "a"]
    assert table.numbers([1, 0, 1]).tolist() == [[2], [1], [2]]
    assert table.remarks[0] == "column 't' is left out: 2 columns are called so"


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1.0], [2.0]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([b"a", b"b"]),
        pa.array([[("k", 1)]] * 2, pa.map_("string", "int8")),
    ],
)
def test_nested_columns_are_named(write, array):
    table = only(write([("odd", array), ("v", pa.array([1, 2]))]))
    assert [column.name for column in table.columns] == ["v"]
    assert table.numbers([0]).tolist() == [[1, 2]]
    with pytest.raises(ReadError, match=r"column 'odd' is left out: its type .* is no number, time or text"):
        READER.open(write([("odd", array)]))


def test_integers_are_exact(write):
    with pytest.raises(ReadError, match=r"column 'x', row 3: the integer 9007199254740993 is beyond"):
        only(write([("x", pa.array([1, None, 2**53 + 1]))])).numbers([0])


def test_blocks_of_rows(write, monkeypatch):
    values = np.random.default_rng(0).random(1000)
    monkeypatch.setattr(parquet, "BLOCK_ROWS", 300)
    table = only(write([("x", pa.array(values)), ("y", pa.array(-values))], row_group_size=170))
    blocks = list(table.batches([1, 0]))
    assert len(blocks) > 3
    assert max(len(block[0]) for block in blocks) <= 300
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), [-values, values])
    np.testing.assert_array_equal(table.numbers([0]), [values])
    assert list(table.batches([])) == []
    monkeypatch.undo()
    assert only(write([("x", pa.array(values))])).batches is None


def test_no_rows(write):
    with pytest.raises(ReadError, match="it has no rows"):
        READER.open(write([("x", pa.array([], pa.float64()))]))


def test_no_columns(write):
    with pytest.raises(ReadError, match="nothing in it can be read as a column: it has no"):
        READER.open(write([]))


def swapped(path, old, new):
    """Exchange the LAST `old` of a file, which stands in its footer."""
    content = path.read_bytes()
    place = content.rindex(old)
    path.write_bytes(content[:place] + new + content[place + len(old) :])


def counts(number):
    """A count of rows in Thrift's compact protocol: field 3 (or behind another), zigzag in 7-bit groups."""
    value, groups = 2 * number, []
    while value >= 128:
        groups.append(value % 128 + 128)
        value //= 128
    return bytes([0x16, *groups, value])


def test_parts_that_disagree(write):
    path = write([("x", pa.array(np.arange(1234.0)))], use_dictionary=False, write_statistics=False)
    content = path.read_bytes()
    places = [n for n in range(len(content)) if content.startswith(counts(1234), n)]
    path.write_bytes(content[: places[0]] + content[places[0] :].replace(counts(1234), counts(1300), 1))
    outcomes = []
    for place in places:
        path.write_bytes(content[:place] + counts(1300) + content[place + len(counts(1234)) :])
        try:
            READER.open(path)
        except ReadError as error:
            outcomes.append(str(error))
    assert any("rows and its row groups" in outcome for outcome in outcomes)


@pytest.mark.parametrize("stated", [1300, 1100])
def test_rows_that_are_not_there(write, stated):
    path = write([("x", pa.array(np.arange(1234.0)))], use_dictionary=False, write_statistics=False)
    footer = int.from_bytes(path.read_bytes()[-8:-4], "little") + 8
    content = path.read_bytes()
    # The counts of the file and of its row group, not that of the values in the column.
    head, tail = content[:-footer], content[-footer:]
    places = [n for n in range(len(tail)) if tail.startswith(counts(1234), n)]
    assert len(places) >= 3
    for place in (places[0], places[-1]):
        tail = tail[:place] + counts(stated) + tail[place + len(counts(stated)) :]
    path.write_bytes(head + tail)
    table = only(path)
    assert len(table.rows) == stated
    if stated > 1234:
        with pytest.raises(
            ReadError, match=rf"the file states {stated} rows and 1234 can be read; it is damaged"
        ):
            table.numbers([0])
        with pytest.raises(
            ReadError, match=rf"the file states {stated} rows and 1234 can be read; it is damaged"
        ):
            table.texts(0, None)
    else:
        assert table.numbers([0]).shape == (1, stated)


@pytest.mark.parametrize("damage", ["cut", "footer", "page"])
def test_damaged(write, damage):
    path = write([("x", pa.array(np.random.default_rng(0).random(1000)))], compression="gzip")
    content = path.read_bytes()
    changed = {
        "cut": content[:-20],
        "footer": content[:-60] + bytes(20) + content[-40:],
        "page": content[:60] + bytes(40) + content[100:],
    }
    path.write_bytes(changed[damage])
    with pytest.raises(ReadError, match=r"a\.parquet: not a Parquet file that can be read"):
        only(path).numbers([0])


def test_without_the_library(write, monkeypatch):
    path = write([("x", pa.array([1]))])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        ReadError, match=r"needs the library pyarrow, which is not installed; pip install 'charz\[parquet\]'"
    ):
        READER.open(path)
