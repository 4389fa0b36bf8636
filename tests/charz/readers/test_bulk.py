"""Large plain tables go another way than small ones, and must give the same numbers, rows and refusals."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charz.errors import ReadError
from charz.readers import bulk, open_table
from charz.readers.bulk import NotPlain

ROWS = [f"{n},{0.5 * n - 9:.3f},{n % 7}e-{n % 5}" for n in range(90)]
HEADER = "a,b (mV),c"
NEVER = 1 << 40


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Make files of a few hundred bytes large."""
    shrink(monkeypatch)


def shrink(monkeypatch, size=200):
    monkeypatch.setattr(bulk, "BULK_BYTES", size)
    monkeypatch.setattr(bulk, "_EDGE_BYTES", 150)
    monkeypatch.setattr(bulk, "_BLOCK_BYTES", 130)


def write(tmp_path, *rows, header=HEADER, end="\n", last=True, encoding="utf-8"):
    lines = [*([header] if header else []), *rows]
    path = tmp_path / "large.csv"
    path.write_bytes((end.join(lines) + end * last).encode(encoding))
    return path


def numbers(path):
    """Table, and its numbers or why there are none."""
    try:
        table = open_table(path)
        return table, table.numbers(range(len(table.columns)))
    except ReadError as error:
        return None, str(error)


def slowly(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(bulk, "BULK_BYTES", NEVER)
        return numbers(path)


def with_delimiter(delimiter, comma=False):
    return [row.replace(".", ",") if comma else row for row in (row.replace(",", delimiter) for row in ROWS)]


PLAIN = {
    "plain": (ROWS, {}),
    "no line end": (ROWS, {"last": False}),
    "carriage returns": (ROWS, {"end": "\r\n"}),
    "carriage returns, no line end": (ROWS, {"end": "\r\n", "last": False}),
    "tabs": (with_delimiter("\t"), {"header": HEADER.replace(",", "\t")}),
    "decimal commas": (with_delimiter(";", comma=True), {"header": HEADER.replace(",", ";")}),
    "pipes": (with_delimiter("|"), {"header": None}),
    "no header": (ROWS, {"header": None}),
    "comments above": (ROWS, {"header": f"# lab 3\n# T = 300\n{HEADER}"}),
    "empty lines below": ([*ROWS, "", "", "  "], {}),
    "empty cells": ([*ROWS[:40], "1,,2", ",,3", *ROWS[40:], "7,8,"], {}),
    "blanks around numbers": ([*ROWS[:40], " 1 ,  2,3 ", *ROWS[40:]], {}),
    "not a number": ([*ROWS[:40], "nan,-nan,NaN", *ROWS[40:]], {}),
    "infinite": ([*ROWS[:40], "inf,-Infinity,1e999", *ROWS[40:]], {}),
    "a leading plus": ([*ROWS[:40], "+1,+2e3,3", *ROWS[40:]], {}),
    "long digits": (
        [*ROWS[:40], "0.1234567890123456789,4.9e-324,123456789012345678901234567890", *ROWS[40:]],
        {},
    ),
    "one column": ([f"{0.1 * n:.3f}" for n in range(200)], {"header": "signal (V)"}),
    "only one block": (ROWS[:30], {}),
}
# What the ends of a file do not show; each goes back to the reader of lines.
NOT_PLAIN = {
    "an empty line between": ([*ROWS[:40], "", *ROWS[40:]], {}),
    "two empty lines between": ([*ROWS[:40], "", "", *ROWS[40:]], {"end": "\r\n"}),
    "an empty line in one column": (
        [*map(str, range(100)), "", *map(str, range(100))],
        {"header": "signal (V)"},
    ),
    "a comment between": ([*ROWS[:40], "# pause", *ROWS[40:]], {}),
    "quotes": ([*ROWS[:40], '"1","2","3"', *ROWS[40:]], {}),
    "a cell of blanks": ([*ROWS[:40], "1,  ,3", *ROWS[40:]], {}),
    "a sign of typeset tables": ([*ROWS[:40], "−1,2,3", *ROWS[40:]], {}),
    "a bare carriage return": ([*ROWS[:40], "1,2,3\r4,5,6", *ROWS[40:]], {}),
    "another encoding": ([*ROWS[:40], "1,2,3", "# 5 µm", *ROWS[40:]], {"encoding": "latin-1"}),
    "nan with a payload": ([*ROWS[:40], "1,nan(ind),3", *ROWS[40:]], {}),
    "a word": ([*ROWS[:40], "1,OVLD,3", *ROWS[40:]], {}),
    "an underscore": ([*ROWS[:40], "1,1_000,3", *ROWS[40:]], {}),
    "hexadecimal": ([*ROWS[:40], "1,0x10,3", *ROWS[40:]], {}),
    "null": ([*ROWS[:40], "1,null,3", *ROWS[40:]], {}),
    "a second header": ([*ROWS[:40], HEADER, *ROWS[40:]], {}),
    "a row too long": ([*ROWS[:40], "1,2,3,4", *ROWS[40:]], {}),
    "a row too short": ([*ROWS[:40], "1,2", *ROWS[40:]], {}),
    "a mixed decimal sign": (
        [*with_delimiter(";", comma=True)[:40], "1;2.5;3", *with_delimiter(";", comma=True)[40:]],
        {"header": HEADER.replace(",", ";")},
    ),
    "zero bytes": ([*ROWS[:40], "1,\x00,3", *ROWS[40:]], {}),
    "a last line of text": ([*ROWS, "done,,"], {}),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_tables_are_parsed_at_once(tmp_path, monkeypatch, name):
    rows, how = PLAIN[name]
    path = write(tmp_path, *rows, **how)
    (fast, found), (slow, expected) = numbers(path), slowly(path, monkeypatch)
    assert fast.batches is not None
    assert slow.batches is None
    np.testing.assert_array_equal(found, expected)
    assert list(fast.rows) == list(slow.rows)
    assert len(fast.rows) == len(slow.rows)
    assert np.asarray(fast.rows).tolist() == list(slow.rows)
    assert fast.columns == slow.columns
    assert fast.attrs == slow.attrs
    assert fast.dialect == slow.dialect
    for index in range(len(slow.columns)):
        for stop in (None, 0, 1, 2, 47, 10_000):
            assert fast.texts(index, stop) == slow.texts(index, stop)
    chosen = list(range(len(slow.columns)))[::-1]
    blocks = list(open_table(path).batches(chosen))
    assert len(blocks) > 1
    np.testing.assert_array_equal(
        [np.concatenate(parts) for parts in zip(*blocks, strict=True)], expected[chosen]
    )


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_less_plain_tables_are_read_line_by_line(tmp_path, monkeypatch, name):
    rows, how = NOT_PLAIN[name]
    path = write(tmp_path, *rows, **how)
    (fast, found), (slow, expected) = numbers(path), slowly(path, monkeypatch)
    if isinstance(expected, str):
        assert found == expected
        return
    np.testing.assert_array_equal(found, expected)
    assert list(fast.rows) == list(slow.rows)
    assert fast.texts(len(slow.columns) - 1, None) == slow.texts(len(slow.columns) - 1, None)
    if fast.batches is not None:
        with pytest.raises(NotPlain):
            list(fast.batches(range(len(slow.columns))))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("5,1.2.3,0", "column @2 (b), line 42: '1.2.3' is not a number"),
        ("x,1,2", "column @1 (a), line 42: 'x' is not a number"),
        ("1,2,3,4", "line 42: the table is interrupted by a line with another number of fields than 3"),
        ("1;2,3", "line 42: the table is interrupted by a line with another number of fields than 3"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path, row, words):
    path = write(tmp_path, *ROWS[:40], row, *ROWS[40:])
    _, message = numbers(path)
    assert message.startswith(str(path))
    assert words in message


NAMED = [f"wire {n % 3},{n},{0.5 * n:.2f}" for n in range(90)]


def test_columns_of_text(tmp_path, monkeypatch):
    path = write(tmp_path, *NAMED, header="name,n,x")
    fast = open_table(path)
    assert fast.batches is not None
    np.testing.assert_array_equal(fast.numbers([2, 1]), [np.arange(90) / 2, np.arange(90)])
    assert fast.texts(0, None) == [row.split(",")[0] for row in NAMED]
    assert fast.texts(0, 60) == fast.texts(0, None)[:60]
    for ask in (fast.numbers, lambda indices: list(fast.batches(indices))):
        with pytest.raises(ReadError, match=r"column @1 \(name\), line 2: 'wire 0' is not a number"):
            ask([0])
    np.testing.assert_array_equal(np.concatenate([block[0] for block in fast.batches([1])]), np.arange(90))


@pytest.mark.parametrize(
    "odd", ['"wire, 9",5,6', '"wire 9",5,6', "# pause,5,6", "% pause,5,6", "// pause,5,6"]
)
def test_odd_texts_are_as_in_small_files(tmp_path, monkeypatch, odd):
    path = write(tmp_path, *NAMED[:50], odd, *NAMED[50:], header="name,n,x")
    fast, (slow, _) = open_table(path), slowly(path, monkeypatch)
    slow = slow or open_small(path, monkeypatch)
    assert fast.texts(0, None) == slow.texts(0, None)
    np.testing.assert_array_equal(fast.numbers([1, 2]), slow.numbers([1, 2]))
    assert list(fast.rows) == list(slow.rows)


def open_small(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(bulk, "BULK_BYTES", NEVER)
        return open_table(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (("a b c\n" + "1 2 3\n" * 90).encode(), "blanks"),
        (("a,b\n" + "1,2\n" * 90).encode("utf-8-sig"), "byte-order mark"),
        (("a,b\n" + "1,2\n" * 90).encode("utf-16"), "UTF-16"),
        (('"a","b"\n' + "1,2\n" * 90).encode(), "quotes at the top"),
        (("a,b\n" + "1,2\n" * 90 + "Mean: 3\n").encode(), "footer"),
        (("a,b\n" + "1,2\n" * 90 + "µ,2\n").encode("latin-1"), "Latin-1 at the end"),
        (("a,µ\n" + "1,2\n" * 90).encode("latin-1"), "Latin-1 at the top"),
        (("a,b\n" + "1,2\n# pause\n" * 90).encode(), "comments between"),
        (("x" * 300 + ",b\n" + "1,2\n" * 90).encode(), "a line longer than what is looked at"),
        (("a,b\r" + "1,2\r" * 90).encode(), "old line ends"),
    ],
)
def test_what_is_not_plainly_a_table_is_left_to_the_reader_of_lines(tmp_path, monkeypatch, content, reason):
    path = tmp_path / "large.csv"
    path.write_bytes(content)
    fast, slow = numbers(path), slowly(path, monkeypatch)
    if isinstance(slow[1], str):
        assert fast[1] == slow[1]
        return
    assert fast[0].batches is None
    np.testing.assert_array_equal(fast[1], slow[1])


def test_small_files_are_read_line_by_line(tmp_path, monkeypatch):
    path = write(tmp_path, *ROWS)
    shrink(monkeypatch, size=path.stat().st_size + 1)
    assert open_table(path).batches is None
    shrink(monkeypatch, size=path.stat().st_size)
    assert open_table(path).batches is not None


def test_the_file_is_closed_and_may_be_left_half_read(tmp_path):
    path = write(tmp_path, *ROWS)
    blocks = open_table(path).batches([0])
    first = next(blocks)[0]
    blocks.close()
    assert first.tolist() == list(range(len(first)))
    path.unlink()


CELLS = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(
        ["", " ", "nan", "1e5", ".5", "5.", "-0", "x", "#", '"1"', "1,2", "1e", "nan(1)", "+3", "\t"]
    ),
)


@settings(
    max_examples=120,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4),
    place=st.integers(0, 90),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_both_ways_agree_on_any_rows(tmp_path, monkeypatch, rows, place, end):
    plain = [f"{n},{0.25 * n}" for n in range(90)]
    odd = [",".join(row) for row in rows]
    path = write(tmp_path, *plain[:place], *odd, *plain[place:], header="a,b", end=end)
    (fast, found), (slow, expected) = numbers(path), slowly(path, monkeypatch)
    if isinstance(expected, str):
        assert found == expected
        return
    np.testing.assert_array_equal(found, expected)
    assert list(fast.rows) == list(slow.rows)
