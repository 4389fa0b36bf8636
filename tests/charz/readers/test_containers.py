"""Named arrays, NumPy files and tagged YAML: which arrays become columns, and what is refused, by name."""

import io
import warnings
import zipfile

import numpy as np
import pytest

from charz.errors import ReadError
from charz.readers import arrays as module
from charz.readers import numpy_files
from charz.readers.arrays import Stored, floats, tables_of_arrays
from charz.readers.containers import library, printable, refuse_larger
from charz.readers.contract import Column
from charz.readers.numpy_files import READER
from charz.readers.tagged_yaml import refuse_tagged_yaml

N = 6
RISING = np.arange(N) / 4


def names(table):
    return [column.joined for column in table.columns]


# --- arrays -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "columns", "first_row"),
    [
        (RISING, ["x"], [0.0]),
        (RISING[:, None], ["x"], [0.0]),
        (RISING[None, :], ["x"], [0.0]),
        (np.stack([RISING, 2 * RISING + 1], axis=1), ["x[0]", "x[1]"], [0.0, 1.0]),
        (np.asfortranarray(np.arange(18.0).reshape(N, 3)), ["x[0]", "x[1]", "x[2]"], [0.0, 1.0, 2.0]),
        (np.array([True, False] * 3), ["x"], [1.0]),
        (np.arange(N, dtype=np.uint8) + 250, ["x"], [250.0]),
        (np.full(N, 2**53), ["x"], [2.0**53]),
        (np.arange(N, dtype=">i2"), ["x"], [0.0]),
        (np.arange(N, dtype=np.float16), ["x"], [0.0]),
        (np.arange(N).astype("m8[ms]"), ["x"], [0.0]),
        (np.ma.masked_array(RISING), ["x"], [0.0]),
    ],
)
def test_an_array_becomes_columns(tmp_path, array, columns, first_row):
    (table,) = tables_of_arrays(tmp_path / "a", {"x": array}, {"x": "V"})
    assert names(table) == columns
    assert all(column.unit == "V" for column in table.columns)
    assert len(table.rows) == N
    assert table.rows[0] == 1
    assert table.noun == "row"
    numbers = table.numbers(range(len(columns)))
    assert numbers.shape == (len(columns), N)
    assert numbers.dtype == np.float64
    assert numbers[:, 0].tolist() == first_row


def test_columns_are_lent_in_the_order_asked(tmp_path):
    (table,) = tables_of_arrays(tmp_path / "a", {"x": np.arange(12.0).reshape(N, 2), "y": -RISING})
    np.testing.assert_array_equal(
        table.numbers([2, 1, 0]), [-RISING, np.arange(1, 12, 2), np.arange(0, 12, 2)]
    )
    assert table.numbers([]).shape == (0, N)
    assert table.index("x[1]") == 1


def test_lengths_are_tables_and_single_values_metadata(tmp_path):
    arrays = {
        "t": np.arange(5),
        "u": np.arange(3),
        "v": np.arange(5),
        "T": np.array([[300]]),
        "who": np.array("me"),
    }
    tables = tables_of_arrays(tmp_path / "a", arrays, {"T": "K"}, {"metadata": ["first"]}, "run1")
    assert [table.name for table in tables] == ["run1/5 rows", "run1/3 rows"]
    assert [names(table) for table in tables] == [["t", "v"], ["u"]]
    assert tables[1].attrs["metadata"] == ["first", "T: 300 K", "who: me"]
    (alone,) = tables_of_arrays(tmp_path / "a", {"t": np.arange(5)}, name="run1")
    assert alone.name == "run1"
    assert "metadata" not in alone.attrs


def test_single_values_alone_are_one_row(tmp_path):
    (table,) = tables_of_arrays(tmp_path / "a", {"R": np.array([5.0]), "V": np.array(0.5)})
    assert names(table) == ["R", "V"]
    assert table.numbers([1, 0]).tolist() == [[0.5], [5.0]]


def test_structured_arrays_give_a_column_a_field(tmp_path):
    array = np.zeros(4, dtype=[("v", "f8"), ("pair", "i2", (2,)), ("in", [("deep", "f4")]), ("label", "S3")])
    array["pair"][:, 1] = range(4)
    array["label"] = [b"a", b"b ", b"\xb5", b"d"]
    (table,) = tables_of_arrays(tmp_path / "a", {"rec": array})
    assert names(table) == ["rec.v", "rec.pair[0]", "rec.pair[1]", "rec.in.deep", "rec.label"]
    assert table.numbers([2]).tolist() == [[0, 1, 2, 3]]
    assert table.texts(4, None) == ["a", "b", "µ", "d"]
    assert table.index("label") == 4
    (bare,) = tables_of_arrays(tmp_path / "a", {"": array})
    assert names(bare)[0] == "v"


def test_dates_are_seconds_since_the_first(tmp_path):
    dates = np.array(["2026-01-01T00:00:10", "2026-01-01T00:00:12", "NaT"], dtype="M8[ms]")
    (table,) = tables_of_arrays(tmp_path / "a", {"when": dates})
    np.testing.assert_array_equal(table.numbers([0]), [[0, 2, np.nan]])
    assert table.columns == [Column("when", "s")]
    assert table.remarks == ("when holds dates: read as seconds since the first, 2026-01-01T00:00:10.000",)


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (np.array([1.0, 2.5, np.nan]), ["1", "2.5", ""]),
        (np.array([7, 8, 9]), ["7", "8", "9"]),
        (np.array([True, False, True]), ["1", "0", "1"]),
        (np.array([" a ", "b", ""]), ["a", "b", ""]),
        (np.array([b"W\xc3\xa9", b"\xe9", b"c"]), ["Wé", "é", "c"]),
        (np.array(["2026-01-01"] * 3, dtype="M8[D]"), ["2026-01-01"] * 3),
    ],
)
def test_texts(tmp_path, cells, texts):
    (table,) = tables_of_arrays(tmp_path / "a", {"x": cells})
    assert table.texts(0, None) == texts
    assert table.texts(0, 2) == texts[:2]
    assert table.texts(0, 99) == texts


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4)), r"array 'x' of shape \(2, 3, 4\) .* array of its own, of shape \(3, 4\)"),
        (np.array([1 + 2j, 3]), "array 'x' .* complex; store its real and imaginary part"),
        (np.zeros(3, dtype=[("real", "f8"), ("imag", "f8")]), "array 'x' .* complex"),
        (np.array([{}, None]), "array 'x' .* its type object is no number"),
        (np.zeros(3, dtype="V4"), r"its type \|V4 is no number"),
        (np.zeros((0, 3)), "array 'x' .* is empty"),
        (np.zeros((2, 4097)), "4097 columns are more than 4096; transpose it"),
    ],
)
def test_what_cannot_be_columns_is_named(tmp_path, array, message):
    with pytest.raises(ReadError, match=message):
        tables_of_arrays(tmp_path / "a", {"x": array})
    (table,) = tables_of_arrays(tmp_path / "a", {"x": array, "y": RISING}, remarks=["before"])
    assert names(table) == ["y"]
    assert table.remarks[0] == "before"
    assert "'x'" in table.remarks[1]


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="no extended precision on this platform")
def test_extended_precision_is_refused(tmp_path):
    with pytest.raises(ReadError, match="more digits than float64"):
        tables_of_arrays(tmp_path / "a", {"x": np.zeros(3, dtype=np.longdouble)})


def test_no_arrays(tmp_path):
    with pytest.raises(ReadError, match="a, run1: nothing in it can be read as a column: it holds no arrays"):
        tables_of_arrays(tmp_path / "a", {}, name="run1")


def test_text_is_no_number(tmp_path):
    (table,) = tables_of_arrays(tmp_path / "a", {"chip": np.array(["W1", "W2"]), "v": np.arange(2)})
    with pytest.raises(ReadError, match=r"a, array 'chip', row 1: 'W1' is text, not a number; map the array"):
        table.numbers([1, 0])


@pytest.mark.parametrize(
    "values", [np.array([0, 2**53 + 1]), np.array([0, -(2**53) - 1]), np.array([0, 2**63], dtype=np.uint64)]
)
def test_integers_are_exact_or_refused(values):
    with pytest.raises(ReadError, match=rf"place, row 12: the integer {values[1]} is beyond 2\*\*53"):
        floats(values, "place", first_row=11)


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (np.array(["NaT", "2026-01-01"], dtype="M8[s]"), "row 1: the first date is missing"),
        # Years so far apart that their distance in seconds is no 64-bit integer.
        (np.array([0, 2**62]).view("M8[Y]"), "an array of dates"),
    ],
)
def test_dates_that_cannot_be_counted(tmp_path, dates, message):
    (table,) = tables_of_arrays(tmp_path / "a", {"x": dates})
    with pytest.raises(ReadError, match=message):
        table.numbers([0])


def test_blocks_of_rows_equal_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_ROWS", 4)
    values = np.arange(20.0).reshape(10, 2)
    (table,) = tables_of_arrays(tmp_path / "a", {"x": values})
    blocks = list(table.batches([1, 0]))
    assert [len(block[0]) for block in blocks] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), table.numbers([1, 0]))
    (small,) = tables_of_arrays(tmp_path / "a", {"x": values[:4]})
    assert small.batches is None


def test_only_wanted_rows_are_read(tmp_path):
    asked = []

    def read(start, stop):
        asked.append((start, stop))
        return np.arange(start, stop)

    (table,) = tables_of_arrays(tmp_path / "a", {"x": Stored((1000,), np.dtype(np.int64), read)})
    assert table.texts(0, 2) == ["0", "1"]
    assert asked == [(0, 2)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"mV\x00\x00", "mV"),
        ("a\x00b", "a\\0b"),
        (np.array([b"x", b"y"]), "[x, y]"),
        (np.arange(3), "[0, 1, 2]"),
        (np.zeros((10, 10)), "array of shape (10, 10), float64 (not kept)"),
        ("\ud800", "\\ud800"),
        (b"\xb5", "µ"),
    ],
)
def test_attributes_become_storable_text(value, text):
    assert printable(value) == text


def test_a_missing_library_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"needs the library no_such_library.*pip install 'charz\[extra\]'"):
        library(tmp_path / "a", "no_such_library.sub", "extra", "a file")


def test_the_bound_on_memory(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(10))
    refuse_larger(path, 25, 2, 5, "the arrays")
    with pytest.raises(ReadError, match="the arrays would take 26 bytes in memory, the file has 10"):
        refuse_larger(path, 26, 2, 5, "the arrays")


# --- NumPy files --------------------------------------------------------------------------------------------


def saved(path, *args, **arrays):
    (np.savez_compressed if path.suffix == ".npz" else np.save)(path, *args, **arrays)
    return path


def sniffed(path):
    return READER.sniff(path, path.read_bytes()[:65536])


def test_npz(tmp_path):
    path = saved(
        tmp_path / "a.npz", inputs=np.arange(12.0).reshape(4, 3), outputs=np.arange(4)[:, None], T=300.0
    )
    assert sniffed(path)
    (table,) = READER.open(path)
    assert names(table) == ["inputs[0]", "inputs[1]", "inputs[2]", "outputs"]
    assert table.numbers([3]).tolist() == [[0, 1, 2, 3]]
    assert table.attrs["metadata"] == ["T: 300"]
    assert table.remarks == ()


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_mapped(tmp_path, order):
    values = np.arange(12.0).reshape(4, 3)
    path = saved(tmp_path / "a.npy", np.asarray(values, order=order))
    assert sniffed(path)
    (table,) = READER.open(path)
    assert names(table) == [None, None, None]
    np.testing.assert_array_equal(table.numbers([2, 0]), [values[:, 2], values[:, 0]])
    with pytest.raises(ReadError, match="no header row; name the column by its number, @1 to @3"):
        table.index("x")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_versions_and_fields(tmp_path, version):
    path = tmp_path / "a.npy"
    field = "µ" if version == (3, 0) else "m"
    with path.open("wb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(stream, np.ones(3, dtype=[(field, "f8")]), version=version)
    (table,) = READER.open(path)
    assert names(table) == [field]
    assert table.numbers([0]).tolist() == [[1, 1, 1]]


def test_a_single_number_is_a_row(tmp_path):
    (table,) = READER.open(saved(tmp_path / "a.npy", np.float64(2.5)))
    assert table.numbers([0]).tolist() == [[2.5]]


def test_an_empty_array(tmp_path):
    with pytest.raises(ReadError, match=r"array '' of shape \(0, 2\) is left out: it is empty"):
        READER.open(saved(tmp_path / "a.npy", np.zeros((0, 2))))


class Bomb:
    """Would be called by a loader of pickles."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


def test_pickles_are_named_and_never_opened(tmp_path):
    evil = np.array([Bomb(), None], dtype=object)
    both = saved(tmp_path / "both.npz", v=RISING, configs=evil)
    (table,) = READER.open(both)
    assert names(table) == ["v"]
    assert table.remarks[0].startswith("member 'configs' is a Python pickle and is never opened")
    with pytest.raises(ReadError, match="nothing is left to read: member 'configs' is a Python pickle"):
        READER.open(saved(tmp_path / "evil.npz", configs=evil))
    with pytest.raises(ReadError, match="the array is a Python pickle and is never opened"):
        READER.open(saved(tmp_path / "evil.npy", evil))


def npy(array, shape=None):
    """Bytes of an npy file, whose header may lie about the shape."""
    stream = io.BytesIO()
    np.save(stream, array)
    content = stream.getvalue()
    if shape is not None:
        old = f"{array.shape}".encode()
        content = content.replace(old + b", }", f"{shape}".encode() + b", }", 1)
        size = int.from_bytes(content[8:10], "little") + len(f"{shape}") - len(old)
        content = content[:8] + size.to_bytes(2, "little") + content[10:]
    return content


@pytest.mark.parametrize("shape", [(7,), (10**15,), (-1,), (10**10, 10**10)])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_header_that_promises_too_much_is_not_believed(tmp_path, shape, suffix):
    path = tmp_path / f"a.{suffix}"
    content = npy(RISING, shape)
    if suffix == "npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
    with pytest.raises(
        ReadError, match=r"the header promises shape .* and 48 are there; the file is cut short"
    ):
        READER.open(path)


def test_members_that_are_no_arrays(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "text")
        archive.writestr("x.npy", npy(RISING))
    assert sniffed(path)
    (table,) = READER.open(path)
    assert table.remarks == (
        "member 'readme.txt' is no array (its name does not end in .npy) and is left out",
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy(RISING))
        archive.writestr("x.npy", npy(RISING))
    with pytest.raises(ReadError, match="two members are called 'x'"):
        READER.open(path)


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.npz", x=np.zeros(10**6))
    assert READER.open(path)
    monkeypatch.setattr(numpy_files, "MAX_EXTRA", 1000)
    with pytest.raises(ReadError, match=r"the archive would take 8e\+06 bytes in memory"):
        READER.open(path)


@pytest.mark.parametrize("damage", ["cut", "middle", "no numpy member"])
def test_damaged_npz(tmp_path, damage):
    path = saved(tmp_path / "a.npz", x=np.random.default_rng(0).random(100))
    content = path.read_bytes()
    damaged = {"cut": content[:200], "middle": content[:150] + b"!!!!" + content[154:]}
    if damage in damaged:
        path.write_bytes(damaged[damage])
        assert sniffed(path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("word/document.xml", "text")
        assert not sniffed(path)
    with pytest.raises(ReadError, match=r"a\.npz"):
        READER.open(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"1,2\n", b"PK\x03\x04" + bytes(60)])
def test_other_files_are_left_to_others(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert not sniffed(path)


# --- tagged YAML --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system ['x']\n", "a tag such as '!!python/object/apply:os.system'"),
        ("- !!python/tuple\n  - !!python/name:numpy.ndarray ''\n", "2 tags such as '!!python/tuple'"),
        ("a: !python/object:x\n", "a tag such as '!python/object:x'"),
        ("a: !<tag:yaml.org,2002:python/tuple> [1]\n", "a tag such as"),
        ("a: [!!python/tuple]\n" + "x: 1\n" * 30000 + "b: !!python/tuple\n", "2 tags"),
    ],
)
@pytest.mark.parametrize(("name", "encoding"), [("a.json", "utf-8"), ("a.yaml", "utf-16")])
def test_tagged_yaml_is_refused(tmp_path, text, message, name, encoding):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    with pytest.raises(ReadError, match=f"{message}.* would run code, charz never does; export the arrays"):
        refuse_tagged_yaml(path, path.read_bytes()[:65536])


@pytest.mark.parametrize(
    "text", ["a: 1\n", '{"a": [1, 2]}', "written by python 3\n1,2\n", "a: b!!python/tuple\n", ""]
)
def test_plain_files_pass(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    assert refuse_tagged_yaml(path, path.read_bytes()) is None
