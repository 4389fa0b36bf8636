"""MATLAB files: variables, structs and cells as columns, alike in versions 4, 5, 7 and 7.3."""

import struct
import zlib

import numpy as np
import pytest

from charz.errors import ReadError
from charz.readers import matlab_classic, matlab_values
from charz.readers.matlab import READER

scipy_io = pytest.importorskip("scipy.io")
V = np.arange(5.0) / 4


def names(table):
    return [column.joined for column in table.columns]


def cell(*values):
    """A cell array of one row."""
    array = np.empty((1, len(values)), dtype=object)
    array[0, :] = values
    return array


def opened(path):
    assert READER.sniff(path, path.read_bytes()[:65536])
    return READER.open(path)


def saved(path, variables, **options):
    scipy_io.savemat(path, variables, **options)
    return path


FORMS = [{"format": "5"}, {"format": "5", "do_compression": True}]


@pytest.mark.parametrize("options", [*FORMS, {"format": "4"}])
def test_vectors_and_matrices(tmp_path, options):
    variables = {
        "column": V[:, None],
        "line": V[None, :],
        "m": np.arange(10.0).reshape(5, 2),
        "T": 300.0,
        "by": "me",
    }
    (table,) = opened(saved(tmp_path / "a.mat", variables, **options))
    assert names(table) == ["column", "line", "m[0]", "m[1]"]
    np.testing.assert_array_equal(table.numbers([0, 1, 3]), [V, V, np.arange(1, 10, 2)])
    assert table.attrs["metadata"] == ["T: 300", "by: me"]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"])
@pytest.mark.parametrize("options", FORMS)
def test_types(tmp_path, dtype, options):
    values = np.array([0, 1, 1, 0, 1]).astype(dtype)
    (table,) = opened(saved(tmp_path / "a.mat", {"x": values}, **options))
    assert table.numbers([0]).tolist() == [[0, 1, 1, 0, 1]]


@pytest.mark.parametrize("options", FORMS)
def test_structs_and_cells(tmp_path, options):
    runs = np.empty((1, 3), dtype=[("bias", object), ("trace", object)])
    for number in range(3):
        runs[0, number] = (number / 2, V + number)
    variables = {
        "s": {"v": V, "deep": {"w": 2 * V}},
        "pair": cell(V, 3 * V),
        "labels": cell("a", "bcé", "d"),
        "numbers": cell(1.0, np.int8(2), 3.0),
        "runs": runs,
        "rows": np.array(["up", "no", "ab"]),
    }
    tables = {len(table.rows): table for table in opened(saved(tmp_path / "a.mat", variables, **options))}
    five, three = tables[5], tables[3]
    assert names(five) == [
        "s.v",
        "s.deep.w",
        "pair{1}",
        "pair{2}",
        "runs(1).trace",
        "runs(2).trace",
        "runs(3).trace",
    ]
    np.testing.assert_array_equal(five.numbers([1, 3, 6]), [2 * V, 3 * V, V + 2])
    assert names(three) == ["labels", "numbers", "runs.bias", "rows"]
    assert three.texts(0, None) == ["a", "bcé", "d"]
    assert three.texts(3, None) == ["up", "no", "ab"]
    assert three.numbers([1, 2]).tolist() == [[1, 2, 3], [0, 0.5, 1]]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.array([1 + 2j, 3]), "complex; store its real and imaginary part"),
        (cell(V, "a"), "its cells are neither single numbers, nor strings, nor vectors of one length"),
        (cell(V, V[:2]), "its cells are neither"),
        (cell(1.0, "a"), "its cells are neither"),
        (np.zeros((2, 2, 2)), "only one and two axes"),
        (np.array([["ab", "cd"], ["ef", "gh"]]), "block of characters"),
    ],
)
def test_what_is_left_out_is_named(tmp_path, value, reason):
    (table,) = opened(saved(tmp_path / "a.mat", {"odd": value, "v": V}))
    assert names(table) == ["v"]
    (remark,) = table.remarks
    assert "'odd'" in remark
    assert reason in remark
    with pytest.raises(ReadError, match=r"nothing in it can be read as a column: .*'odd'"):
        READER.open(saved(tmp_path / "b.mat", {"odd": value}))


@pytest.mark.parametrize("options", [*FORMS, {"format": "4"}])
def test_sparse_matrices(tmp_path, options):
    sparse = pytest.importorskip("scipy.sparse")
    path = saved(tmp_path / "a.mat", {"odd": sparse.csc_matrix(np.eye(3)), "v": V}, **options)
    (table,) = opened(path)
    assert table.remarks == ("variable 'odd' is left out: it is a sparse matrix; store full(...)",)


def test_deep_nesting(tmp_path):
    value = {"v": V}
    for _ in range(20):
        value = {"s": value}
    (table,) = opened(saved(tmp_path / "a.mat", {"deep": value, "v": V}))
    assert names(table) == ["v"]
    assert "nested more than 16 levels deep" in table.remarks[0]


def test_many_cells(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.mat", {"c": cell(1.0, 2.0, 3.0), "s": {"a": 1.0, "b": 2.0, "c": 3.0}, "v": V})
    monkeypatch.setattr(matlab_classic, "MAX_CELLS", 2)
    (table,) = opened(path)
    assert [remark.split()[1] for remark in table.remarks] == ["'c'", "'s'"]
    assert f"more than {matlab_values.MAX_CELLS} cells" in table.remarks[0]


# Files written byte by byte, for what scipy does not write.


def element(kind, data, order="<"):
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(name, kind, *parts, shape=(1, 2), flags=0, order="<"):
    dims = element(5, struct.pack(f"{order}{len(shape)}i", *shape), order)
    head = element(6, struct.pack(order + "II", kind | flags, 0), order) + dims
    return element(14, head + element(1, name.encode(), order) + b"".join(parts), order)


def numbers(order="<"):
    return element(9, struct.pack(order + "2d", 1.5, 2.5), order)


def file5(tmp_path, *variables, mark=b"\x00\x01IM"):
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + mark + b"".join(variables))
    return path


def test_the_other_byte_order(tmp_path):
    (table,) = opened(file5(tmp_path, matrix("x", 6, numbers(">"), order=">"), mark=b"\x01\x00MI"))
    assert table.numbers([0]).tolist() == [[1.5, 2.5]]


def test_characters_in_utf8(tmp_path):
    text = element(16, "µV".encode())
    tables = opened(file5(tmp_path, matrix("unit", 4, text), matrix("x", 6, numbers())))
    assert tables[0].attrs["metadata"] == ["unit: µV"]


@pytest.mark.parametrize("kind", [3, 16, 99])
def test_objects_and_functions(tmp_path, kind):
    (table,) = opened(file5(tmp_path, matrix("f", kind, numbers()), matrix("x", 6, numbers())))
    assert table.remarks[0].startswith(
        "variable 'f' is left out: it is an object, a table or a function handle"
    )


def test_tables_of_matlab_are_opaque(tmp_path):
    opaque = element(14, element(6, struct.pack("<II", 17, 0)) + element(1, b"T") + element(1, b"MCOS"))
    own = matrix("", 9, element(2, b"ab"), shape=(1, 2))
    (table,) = opened(file5(tmp_path, opaque, own, matrix("x", 6, numbers())))
    assert names(table) == ["x"]
    assert table.remarks[0].startswith("variable 'T' is left out: it is an object, a table")


def test_fields_of_one_name(tmp_path):
    fields = element(5, struct.pack("<i", 4)) + element(1, b"a\0\0\0a\0\0\0")
    twice = matrix("s", 2, fields, matrix("", 6, numbers()), matrix("", 6, numbers()), shape=(1, 1))
    (table,) = opened(file5(tmp_path, twice, matrix("x", 6, numbers())))
    assert "two of its fields have one name" in table.remarks[0]


def test_empty_and_nested_cells(tmp_path):
    cells = matrix("c", 1, element(14, b""), matrix("", 6, numbers()))
    deep = matrix("", 6, numbers())
    for _ in range(40):
        deep = matrix("d", 1, deep, shape=(1, 1))
    (table,) = opened(file5(tmp_path, cells, deep, matrix("x", 6, numbers())))
    assert names(table) == ["x"]
    assert [remark.split()[1] for remark in table.remarks] == ["'c'", "'d'"]


def test_an_empty_struct(tmp_path):
    fields = element(5, struct.pack("<i", 4)) + element(1, b"")
    (table,) = opened(file5(tmp_path, matrix("s", 2, fields, shape=(1, 1)), matrix("x", 6, numbers())))
    assert names(table) == ["x"]


CUT = zlib.compress(matrix("x", 6, numbers()))[:-6]
BAD = {
    "a variable begins": element(9, bytes(8)),
    "does not begin with its shape and name": element(
        14, element(6, bytes(8)) + element(9, bytes(8)) + element(1, b"x")
    ),
    r"a variable has the shape \(-1, 2\)": matrix("x", 6, numbers(), shape=(-1, 2)),
    r"a variable has the shape \(\)": matrix("x", 6, numbers(), shape=()),
    "numbers of the unknown type 77": matrix("x", 6, element(77, bytes(8))),
    "characters of the unknown type 77": matrix("x", 4, element(77, bytes(8))),
    "cannot reshape array of size 2": matrix("x", 6, numbers(), shape=(1, 3)),
    "an element of 800 bytes ends after": matrix("x", 6, struct.pack("<II", 9, 800)),
    "a cell or field begins": matrix("x", 1, numbers(), shape=(1, 1)),
    "names of fields of 0 bytes": matrix("x", 2, element(5, struct.pack("<i", 0)) + element(1, b"a")),
    "a packed variable is cut short": struct.pack("<II", 15, len(CUT)) + CUT,
    "incorrect header check": element(15, b"12345678"),
}


@pytest.mark.parametrize("message", BAD)
def test_damaged(tmp_path, message):
    path = file5(tmp_path, BAD[message])
    with pytest.raises(ReadError, match=rf"a\.mat: not a MATLAB file that can be read .*{message}"):
        READER.open(path)


def test_two_variables_of_one_name(tmp_path):
    with pytest.raises(ReadError, match="two variables are called 'x'"):
        READER.open(file5(tmp_path, matrix("x", 6, numbers()), matrix("x", 6, numbers())))


def test_no_variables(tmp_path):
    with pytest.raises(ReadError, match="it holds no arrays"):
        READER.open(file5(tmp_path))


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.mat", {"x": np.zeros(10**6)}, do_compression=True)
    assert READER.open(path)
    monkeypatch.setattr(matlab_classic, "MAX_EXTRA", 1000)
    with pytest.raises(ReadError, match=r"its variables would take .* bytes in memory"):
        READER.open(path)


TWO = struct.pack("<2d", 1.5, 2.5)


def file4(
    tmp_path,
    kind=0,
    rows=1,
    columns=2,
    imaginary=0,
    name=b"x\0",
    data=TWO,
    order="<",
):
    path = tmp_path / "a.mat"
    path.write_bytes(struct.pack(order + "5i", kind, rows, columns, imaginary, len(name)) + name + data)
    return path


def test_version4(tmp_path):
    (table,) = opened(file4(tmp_path))
    assert table.numbers([0]).tolist() == [[1.5, 2.5]]
    (table,) = opened(file4(tmp_path, 1000, data=struct.pack(">2d", 1.5, 2.5), order=">"))
    assert table.numbers([0]).tolist() == [[1.5, 2.5]]
    (table,) = opened(file4(tmp_path, 50, data=b"\x07\x09"))
    assert table.numbers([0]).tolist() == [[7, 9]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": 60}, "a variable of the unknown type 60"),
        ({"kind": 2000}, "a variable of the unknown type 2000"),
        ({"columns": 3}, r"the variable 'x' of shape \(1, 3\) is cut short"),
        ({"data": bytes(16) + b"abc"}, "the header of a variable is cut short"),
        ({"imaginary": 1, "data": bytes(32)}, "complex; store"),
    ],
)
def test_damaged_version4(tmp_path, options, message):
    with pytest.raises(ReadError, match=message):
        READER.open(file4(tmp_path, **options))


@pytest.mark.parametrize("content", [b"", b"1,2\n3,4\n" * 9, bytes(100), b"MATLAB is a language\n" * 9])
def test_other_files_are_left_to_others(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert not READER.sniff(path, content)


# --- version 7.3 --------------------------------------------------------------------------------------------

h5py = pytest.importorskip("h5py")


def put(group, name, array, kind, **attrs):
    """Store as MATLAB does: axes reversed, its class as an attribute."""
    dataset = group.create_dataset(name, data=np.asarray(array).T)
    dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    for key, value in attrs.items():
        dataset.attrs[key] = value
    return dataset


def references(group, name, items, kind="cell"):
    dataset = group.create_dataset(
        name, data=np.array([[item.ref for item in items]], dtype=h5py.ref_dtype).T
    )
    if kind:
        dataset.attrs["MATLAB_class"] = np.bytes_(kind)


def codes(text):
    return np.array([[ord(letter) for letter in text]], dtype=np.uint16)


def file73(path, fill):
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM"
    path.write_bytes(content)
    return path


def fill73(file):
    put(file, "column", V[:, None], "double")
    put(file, "m", np.arange(10.0).reshape(5, 2), "double")
    put(file, "by", codes("mé"), "char", MATLAB_int_decode=2)
    put(file, "flags", np.array([[1, 0, 1, 1, 0]], dtype=np.uint8), "logical")
    own = file.create_group("#refs#")
    references(file, "pair", [put(own, "a", V[None, :], "double"), put(own, "b", 3 * V[None, :], "double")])
    references(file, "labels", [put(own, f"l{n}", codes("xyz"[n]), "char") for n in range(3)])
    inner = file.create_group("s")
    inner.attrs["MATLAB_class"] = np.bytes_("struct")
    put(inner, "w", 2 * V[None, :], "double")
    runs = file.create_group("runs")
    runs.attrs["MATLAB_class"] = np.bytes_("struct")
    references(runs, "bias", [put(own, f"q{n}", [[n / 2]], "double") for n in range(3)], kind=None)


def test_version73(tmp_path):
    tables = {len(table.rows): table for table in opened(file73(tmp_path / "a.mat", fill73))}
    five, three = tables[5], tables[3]
    assert names(five) == ["column", "flags", "m[0]", "m[1]", "pair{1}", "pair{2}", "s.w"]
    np.testing.assert_array_equal(
        five.numbers(range(7)),
        [V, [1, 0, 1, 1, 0], np.arange(0, 10, 2), np.arange(1, 10, 2), V, 3 * V, 2 * V],
    )
    assert names(three) == ["labels", "runs.bias"]
    assert three.texts(0, None) == ["x", "y", "z"]
    assert three.numbers([1]).tolist() == [[0, 0.5, 1]]
    assert five.attrs["metadata"] == ["by: mé"]


def add_sparse(file):
    file.create_group("odd").attrs["MATLAB_sparse"] = 3


def add_object(file):
    put(file, "odd", [[1, 2]], "datetime")


def add_group_object(file):
    file.create_group("odd").attrs["MATLAB_class"] = np.bytes_("containers.Map")


def add_empty(file):
    put(file, "odd", np.array([0, 5], dtype=np.uint64), "double", MATLAB_empty=1)


def add_complex(file):
    file.create_dataset("odd", data=np.zeros(3, dtype=[("real", "f8"), ("imag", "f8")]))
    file["odd"].attrs["MATLAB_class"] = np.bytes_("double")


def add_null(file):
    file["odd"] = h5py.Empty("f8")


def add_nowhere(file):
    file.create_dataset("odd", (2, 1), dtype=h5py.ref_dtype).attrs["MATLAB_class"] = np.bytes_("cell")


def add_uneven(file):
    own = file.require_group("#refs#")
    odd = file.create_group("odd")
    one, two = (put(own, f"u{n}", [[n]], "double") for n in range(2))
    references(odd, "a", [one, two], kind=None)
    references(odd, "b", [one], kind=None)


def add_loop(file):
    odd = file.create_dataset("odd", (1, 1), dtype=h5py.ref_dtype)
    odd.attrs["MATLAB_class"] = np.bytes_("cell")
    odd[0, 0] = odd.ref


def add_float_characters(file):
    put(file, "odd", [[1.0, 2.0]], "char")


def add_elsewhere(file):
    file.create_dataset("odd", (3,), "f8", external=[("raw.bin", 0, 24)])


@pytest.mark.parametrize(
    ("add", "reason"),
    [
        (add_sparse, "sparse matrix; store full"),
        (add_object, "an object, a table or a function handle"),
        (add_group_object, "an object, a table or a function handle"),
        (add_empty, "it is empty"),
        (add_complex, "it is complex"),
        (add_null, "it is no array"),
        (add_nowhere, "its cells are neither"),
        (add_uneven, "fields of the struct array have different lengths"),
        (add_loop, "its cells are neither"),
        (add_float_characters, "characters are not stored as integers"),
        (add_elsewhere, "its data lie in other files"),
    ],
)
def test_version73_names_what_it_leaves_out(tmp_path, add, reason):
    def fill(file):
        put(file, "v", V[:, None], "double")
        add(file)

    (table,) = opened(file73(tmp_path / "a.mat", fill))
    assert names(table) == ["v"]
    (remark,) = table.remarks
    assert "'odd" in remark
    assert reason in remark


def test_version73_limits(tmp_path, monkeypatch):
    path = file73(tmp_path / "a.mat", fill73)
    from charz.readers import matlab_hdf5

    monkeypatch.setattr(matlab_hdf5, "MAX_CELLS", 3)
    assert any("more than" in remark for table in opened(path) for remark in table.remarks)
    monkeypatch.setattr(matlab_hdf5, "MAX_EXTRA", -(10**7))
    with pytest.raises(ReadError, match="its variables would take"):
        READER.open(path)
