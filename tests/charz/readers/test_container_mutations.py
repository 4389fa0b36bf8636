"""Mutated binary files end in tables or in a ReadError of one line: no other exception, no hang, no memory."""

import numpy as np
import pytest

from charz.errors import ReadError
from charz.readers import hdf5, matlab, netcdf, numpy_files, parquet, tdms

VALUES = np.random.default_rng(7).random((30, 2))


def write_npy(path):
    # Given a path, NumPy would add a suffix.
    with path.open("wb") as stream:
        np.save(stream, VALUES)


def write_npz(path):
    record = np.zeros(3, dtype=[("x", "f8")])
    with path.open("wb") as stream:
        np.savez_compressed(stream, v=VALUES, label=np.array(["a", "b"]), record=record)


def write_matlab(path, **options):
    io = pytest.importorskip("scipy.io")
    variables = {
        "v": VALUES,
        "s": {"a": VALUES[:, 0], "t": "text"},
        "c": np.array([["ab", "cd"]], dtype=object),
    }
    io.savemat(path, variables if options.get("format") != "4" else {"v": VALUES, "t": "text"}, **options)


def write_parquet(path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"v": VALUES[:, 0], "label": ["a", "b", "c"] * 10}), path, row_group_size=10)


def write_tdms(path):
    nptdms = pytest.importorskip("nptdms")
    with nptdms.TdmsWriter(path) as writer:
        wave = {"wf_increment": 0.1, "unit_string": "V"}
        writer.write_segment([nptdms.ChannelObject("g", "v", VALUES[:, 0], wave)])
        writer.write_segment([nptdms.ChannelObject("g", "label", np.array(["a", "b"]), {})])


def write_netcdf3(path):
    xr = pytest.importorskip("xarray")
    xr.Dataset({"v": (("x", "y"), VALUES)}, coords={"x": np.arange(30.0)}).to_netcdf(path, engine="scipy")


def write_hdf5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("g/v", data=VALUES, chunks=(10, 2), compression="gzip").attrs["units"] = "V"
        file["label"] = ["a", "b", "c"]


def write_netcdf4(path):
    xr = pytest.importorskip("xarray")
    xr.Dataset({"v": (("x", "y"), VALUES)}, coords={"x": np.arange(30.0)}).to_netcdf(path, engine="netcdf4")


FORMATS = {
    "npy": (write_npy, numpy_files.READER, 250),
    "npz": (write_npz, numpy_files.READER, 250),
    "mat4": (lambda path: write_matlab(path, format="4"), matlab.READER, 150),
    "mat5": (write_matlab, matlab.READER, 250),
    "mat7": (lambda path: write_matlab(path, do_compression=True), matlab.READER, 100),
    "parquet": (write_parquet, parquet.READER, 250),
    "tdms": (write_tdms, tdms.READER, 200),
    "netcdf3": (write_netcdf3, netcdf.READER, 200),
    # Each of these starts a process.
    "hdf5": (write_hdf5, hdf5.READER, 12),
    "netcdf4": (write_netcdf4, netcdf.READER, 12),
}


def mutated(content, rng):
    """Flip, overwrite, cut or move some bytes, half of the times in the first 500."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(0, min(len(data), 500) if rng.random() < 0.5 else len(data)))
        action = rng.integers(0, 5)
        if action == 0:
            data[place] ^= 1 << int(rng.integers(0, 8))
        elif action == 1:
            data[place : place + 4] = rng.choice(
                [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4), b"\x7f\xff\xff\xff"]
            )
        elif action == 2 and place > 8:
            del data[place:]
        elif action == 3:
            del data[place : place + int(rng.integers(1, 9))]
        else:
            source = int(rng.integers(0, len(data)))
            data[place : place + 8] = data[source : source + 8]
    return bytes(data)


def read_all(reader, path):
    """Open a file and ask each table for everything."""
    assert reader.sniff(path, path.read_bytes()[:65536]) in (True, False)
    for table in reader.open(path):
        assert len(table.rows) > 0
        for index in range(min(len(table.columns), 8)):
            try:
                assert table.numbers([index]).shape == (1, len(table.rows))
            except ReadError as error:
                assert "\n" not in str(error)  # noqa: PT017 - text is refused as numbers, and lent as text
                assert len(table.texts(index, 2)) == min(2, len(table.rows))


@pytest.mark.parametrize("form", FORMATS)
def test_tables_or_one_clear_line(tmp_path, form, monkeypatch):
    write, reader, count = FORMATS[form]
    monkeypatch.setattr(hdf5, "MAX_SECONDS", 5.0)
    path = tmp_path / "file"
    write(path)
    content = path.read_bytes()
    read_all(reader, path)
    rng = np.random.default_rng(2026)
    refused = 0
    for _ in range(count):
        path.write_bytes(mutated(content, rng))
        try:
            read_all(reader, path)
        except ReadError as error:
            refused += 1
            assert str(error).startswith(str(path))  # noqa: PT017 - either outcome is fine
            assert "\n" not in str(error)  # noqa: PT017
    # The mutations reach what matters.
    assert refused > count // 10
