"""HDF5: groups to tables, units and attributes kept, no other file opened, damaged files refused in time."""

import numpy as np
import pytest

from charz.errors import ReadError
from charz.readers import hdf5, hdf5_probe
from charz.readers.hdf5 import READER

h5py = pytest.importorskip("h5py")


@pytest.fixture
def write(tmp_path):
    """Write an HDF5 file by a function of the open file, and return its path."""

    def written(fill, name="a.h5", **options):
        path = tmp_path / name
        with h5py.File(path, "w", **options) as file:
            fill(file)
        return path

    return written


def names(table):
    return [column.joined for column in table.columns]


def columns(path):
    return {
        f"{t.name}|{t.label(n)}": t.numbers([n])[0].tolist()
        for t in READER.open(path)
        for n in range(len(t.columns))
    }


def fill_runs(file):
    file.attrs["operator"] = "me"
    file["T"] = 300.0
    file["T"].attrs["units"] = "K"
    for run in ("run1", "run2"):
        group = file.create_group(f"data/{run}")
        group.attrs["pulse width"] = 2.0
        voltage = group.create_dataset("v", data=np.arange(4) / 2)
        voltage.attrs.update({"Unit": "mV", "gain": 10})
        group["label"] = ["a", "b", "c", "d"]


def test_a_group_is_a_table(write):
    path = write(fill_runs)
    assert READER.sniff(path, path.read_bytes()[:65536])
    first, second = READER.open(path)
    assert [first.name, second.name] == ["data/run1", "data/run2"]
    assert names(first) == ["label", "v"]
    assert first.columns[1].unit == "mV"
    assert second.numbers([1]).tolist() == [[0, 0.5, 1, 1.5]]
    assert first.texts(0, 2) == ["a", "b"]
    # Those of the file, of the group, of its arrays; not those of the other run.
    assert first.attrs["metadata"] == [
        "/@operator: me",
        "/T: 300.0 K",
        "/data/run1@pulse width: 2.0",
        "/data/run1/v@gain: 10",
    ]


@pytest.mark.parametrize("attribute", ["units", "unit", "Units", "Unit", "UNIT"])
def test_units(write, attribute):
    def fill(file):
        file["v"] = np.arange(3)
        file["v"].attrs[attribute] = np.bytes_("kΩ".encode())

    (table,) = READER.open(write(fill))
    assert table.columns[0].unit == "kΩ"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"chunks": (7, 1), "maxshape": (None, 2)},
    ],
)
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_storage(write, options, libver):
    values = np.random.default_rng(0).random((50, 2))
    path = write(lambda file: file.create_dataset("m", data=values, **options), libver=libver)
    assert columns(path) == {"|m[0]": values[:, 0].tolist(), "|m[1]": values[:, 1].tolist()}


def test_types(write):
    def fill(file):
        file["flag"] = np.array([True, False])
        file["big"] = np.array([1, 2], dtype=">i2")
        file["record"] = np.array([(1.5, 2), (3.5, 4)], dtype=[("x", "f4"), ("n", "u1")])
        file.create_dataset("kind", data=np.array([0, 1]), dtype=h5py.enum_dtype({"up": 0, "down": 1}))

    assert columns(write(fill)) == {
        "|flag": [1, 0],
        "|big": [1, 2],
        "|record.x": [1.5, 3.5],
        "|record.n": [2, 4],
        "|kind": [0, 1],
    }


def test_a_user_block_may_stand_in_front(write):
    path = write(lambda file: file.create_dataset("v", data=np.arange(3)), userblock_size=1024)
    assert READER.sniff(path, path.read_bytes()[:65536])
    assert columns(path) == {"|v": [0, 1, 2]}


def test_only_single_values(write):
    (table,) = READER.open(write(fill_single))
    assert table.numbers([0, 1]).tolist() == [[5], [2]]


def fill_single(file):
    file["R"], file["V"] = 5.0, 2.0


def test_what_is_left_out_is_named(write):
    def fill(file):
        file["v"] = np.arange(3)
        file["cube"] = np.zeros((2, 2, 2))
        file["to"] = h5py.Empty("f8")
        file["reference"] = file.ref

    (table,) = READER.open(write(fill))
    said = " ".join(table.remarks)
    assert names(table) == ["v"]
    assert all(f"{name!r}" in said for name in ("cube", "/to", "reference"))


def test_no_other_file_is_opened(write, tmp_path):
    secret = write(lambda file: file.create_dataset("v", data=np.full(3, 7.0)), "secret.h5")
    (tmp_path / "raw.bin").write_bytes(np.full(3, 7.0).tobytes())

    def fill(file):
        file["own"] = np.arange(3)
        file["out"] = h5py.ExternalLink("secret.h5", "/v")
        file["soft"] = h5py.SoftLink("/out")
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(str(secret), "v", (3,))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", (3,), "f8", external=[(str(tmp_path / "raw.bin"), 0, 24)])

    (table,) = READER.open(write(fill))
    assert names(table) == ["own"]
    said = " ".join(table.remarks)
    assert "link 'out' leads to another file and is never followed" in said
    assert "link 'soft' is not followed" in said
    assert said.count("its data lie in other files, which are never opened") == 2


def test_only_what_lies_elsewhere(write):
    with pytest.raises(ReadError, match="link 'out' leads to another file"):
        READER.open(write(lambda file: file.__setitem__("out", h5py.ExternalLink("b.h5", "/v"))))


def test_a_filter_that_is_not_installed(write):
    def fill(file):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((3,))
        # Optional when written; a reader without it must refuse.
        properties.set_filter(40000, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"packed", h5py.h5t.IEEE_F64LE, space, properties)

    with pytest.raises(
        ReadError, match=r"'/packed' is left out: it is packed with the filter 40000 .* h5repack"
    ):
        READER.open(write(fill))


def test_cycles_end(write):
    def fill(file):
        file["g/v"] = np.arange(3)
        file["g/up"] = file["/"]

    assert columns(write(fill)) == {"g|v": [0, 1, 2]}


def test_an_empty_file(write):
    with pytest.raises(ReadError, match="it holds no arrays; there is nothing to read"):
        READER.open(write(lambda file: file.create_group("g")))


def test_only_arrays_that_cannot_be_columns(write):
    with pytest.raises(ReadError, match=r"array 'cube' .* only one and two axes"):
        READER.open(write(lambda file: file.create_dataset("cube", data=np.zeros((2, 2, 2)))))


def test_an_array_far_larger_than_its_file(write):
    path = write(lambda file: file.create_dataset("v", (10**9,), "f8", chunks=(10**6,), compression="gzip"))
    with pytest.raises(ReadError, match=r"its arrays would take 8e\+09 bytes in memory"):
        READER.open(path)


@pytest.mark.parametrize("place", [0, 30, 200])
def test_a_damaged_file(write, place):
    path = write(fill_runs)
    path.write_bytes(path.read_bytes()[: place + 100])
    with pytest.raises(ReadError, match=r"a\.h5: not an HDF5 file that can be read"):
        READER.open(path)


def test_a_damaged_array_is_found_at_the_latest_when_read(write, monkeypatch):
    values = np.random.default_rng(0).random(1000)
    path = write(lambda file: file.create_dataset("v", data=values, chunks=(1000,), fletcher32=True))
    content = path.read_bytes()
    broken = content.replace(values[500:501].tobytes(), bytes(8))
    assert broken != content
    path.write_bytes(broken)
    with pytest.raises(ReadError, match="not an HDF5 file that can be read"):
        READER.open(path)
    path.write_bytes(content)
    (table,) = READER.open(path)
    path.write_bytes(broken)
    with pytest.raises(ReadError, match=r"a\.h5, /v: not an HDF5 file that can be read"):
        table.numbers([0])


def test_a_file_on_which_the_library_hangs(write, monkeypatch):
    path = write(fill_runs)
    monkeypatch.setattr(hdf5, "MAX_SECONDS", 0.0)
    with pytest.raises(ReadError, match="libhdf5 was still busy after 0 s, as it is with damaged files"):
        READER.open(path)


def test_a_file_on_which_the_library_crashes(write, tmp_path, monkeypatch):
    script = tmp_path / "crash.py"
    script.write_text("import os; os._exit(70)", encoding="utf-8")
    monkeypatch.setattr(hdf5_probe, "__file__", str(script))
    with pytest.raises(ReadError, match=r"libhdf5 crashed \(exit code 70\)"):
        READER.open(write(fill_runs))


def test_a_heap_that_never_ends(write, monkeypatch):
    """HDF5 2.0.0 loops forever over a global heap whose object has no size."""

    def fill(file):
        file["v"] = np.arange(3)
        file.attrs.create("note", "hello", dtype=h5py.string_dtype())

    path = write(fill)
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    # Behind the object comes free space, with index 0; here it becomes an object of size -16.
    free = content.index(b"hello", heap) + 8
    path.write_bytes(
        content[:free]
        + b"\x02\x00\x00\x00"
        + bytes(4)
        + (2**64 - 16).to_bytes(8, "little")
        + content[free + 16 :]
    )
    monkeypatch.setattr(hdf5, "MAX_SECONDS", 3.0)
    try:
        tables = READER.open(path)
    except ReadError as error:
        assert "not an HDF5 file that can be read" in str(error)  # noqa: PT017 - a mended library may read it
    else:
        assert names(tables[0]) == ["v"]


def test_the_probe_counts_objects(write, monkeypatch):
    path = write(fill_runs)
    monkeypatch.setattr(hdf5_probe, "MAX_OBJECTS", 3)
    with pytest.raises(ValueError, match="more than 3 groups and arrays"):
        hdf5_probe.probe(str(path))
