"""LabVIEW TDMS: groups to tables, units and properties kept, a column of time for waveforms."""

import sys

import numpy as np
import pytest

from charz.errors import ReadError
from charz.readers.tdms import READER

nptdms = pytest.importorskip("nptdms")
V = np.arange(5.0) / 4
WAVE = {"wf_increment": 0.001, "wf_start_offset": 0.5}


@pytest.fixture
def write(tmp_path):
    def written(*segments, **options):
        """Each segment is a list of (group, channel, values, properties)."""
        path = tmp_path / "a.tdms"
        with nptdms.TdmsWriter(path, **options) as writer:
            for segment in segments:
                objects = [nptdms.RootObject({"operator": "me"})]
                groups = dict.fromkeys(group for group, *_ in segment)
                objects += [nptdms.GroupObject(group, {"bias": 0.2}) for group in groups]
                objects += [
                    nptdms.ChannelObject(g, name, np.asarray(v), about) for g, name, v, about in segment
                ]
                writer.write_segment(objects)
        return path

    return written


def opened(path):
    assert READER.sniff(path, path.read_bytes()[:65536])
    return READER.open(path)


def names(table):
    return [column.name for column in table.columns]


def test_a_group_is_a_table(write):
    first = [
        ("run 1", "v", V, {"unit_string": "mV", "gain": 10}),
        ("run 1", "n", np.arange(5, dtype="i2"), {}),
    ]
    second = [
        ("run 1", "v", 2 * V, {}),
        ("run 1", "n", np.arange(5, dtype="i2"), {}),
        ("other", "x", V[:2], {}),
    ]
    run, other = opened(write(first, second))
    assert (run.name, names(run)) == ("run 1", ["v", "n"])
    assert [column.unit for column in run.columns] == ["mV", None]
    np.testing.assert_array_equal(run.numbers([0, 1]), [[*V, *(2 * V)], [*range(5), *range(5)]])
    assert run.attrs["metadata"] == ["operator: me", "run 1@bias: 0.2", "run 1/v@gain: 10"]
    assert (other.name, other.numbers([0]).tolist()) == ("other", [[0, 0.25]])


def test_waveforms_have_a_time(write):
    (table,) = opened(write([("g", "v", V, WAVE), ("g", "w", V, WAVE)]))
    assert names(table) == ["time", "v", "w"]
    assert table.columns[0].unit == "s"
    np.testing.assert_allclose(table.numbers([0])[0], 0.5 + 0.001 * np.arange(5), rtol=1e-15)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (WAVE, {**WAVE, "wf_increment": 0.002}),
        (WAVE, {}),
        ({"wf_increment": 0.0}, {"wf_increment": 0.0}),
        ({"wf_increment": float("inf")}, {"wf_increment": float("inf")}),
    ],
)
def test_waveforms_that_disagree(write, one, two):
    (table,) = opened(write([("g", "v", V, one), ("g", "w", V, two)]))
    assert names(table) == ["v", "w"]
    assert "no column 'time': the channels do not agree" in table.remarks[0]


def test_an_own_time_is_kept(write):
    (table,) = opened(write([("g", "time", 2 * V, WAVE)]))
    assert names(table) == ["time"]
    np.testing.assert_array_equal(table.numbers([0]), [2 * V])


def test_lengths(write):
    long, short = opened(write([("g", "v", V, WAVE), ("g", "w", V[:3], WAVE), ("g", "e", np.zeros(0), WAVE)]))
    assert [long.name, short.name] == ["g/5 rows", "g/3 rows"]
    assert names(short) == ["time", "w"]
    assert "channel 'e' is left out: it is empty" in long.remarks


def test_text_times_and_complex_numbers(write):
    stamps = np.array(
        ["2026-01-01T00:00:00.25", "2026-01-01T00:00:01", "2026-01-01T01:00:00"], dtype="M8[us]"
    )
    path = write(
        [("g", "chip", ["a", "bc", "d"], {}), ("g", "when", stamps, {}), ("g", "z", np.ones(3) * 1j, {})]
    )
    (table,) = opened(path)
    assert names(table) == ["chip", "when"]
    assert table.texts(0, 2) == ["a", "bc"]
    np.testing.assert_allclose(table.numbers([1]), [[0, 0.75, 3599.75]], rtol=0, atol=1e-9)
    assert table.columns[1].unit == "s"
    said = " ".join(table.remarks)
    assert "'when' holds dates: read as seconds since the first" in said
    assert "array 'z' of shape (3,) is left out: it is complex" in said
    with pytest.raises(ReadError, match="'a' is text, not a number"):
        table.numbers([0])


def test_scaled_channels(write):
    scale = {
        "NI_Number_Of_Scales": np.uint32(1),
        "NI_Scale[0]_Scale_Type": "Linear",
        "NI_Scale[0]_Linear_Slope": 0.5,
        "NI_Scale[0]_Linear_Y_Intercept": 1.0,
        "NI_Scale[0]_Linear_Input_Source": np.uint32(0xFFFFFFFF),
    }
    (table,) = opened(write([("g", "v", np.arange(4, dtype="i2"), scale)]))
    assert table.numbers([0]).tolist() == [[1, 1.5, 2, 2.5]]


def test_an_index_of_another_file_is_ignored(write, tmp_path):
    path = write([("g", "v", V, {})])
    (tmp_path / "a.tdms_index").write_bytes(b"TDSh" + bytes(100))
    (table,) = opened(path)
    assert table.numbers([0]).tolist() == [V.tolist()]


def test_no_channels(write):
    with pytest.raises(ReadError, match="a TDMS file without channels; there is nothing to read"):
        READER.open(write([]))


def test_only_empty_channels(write):
    with pytest.raises(ReadError, match="g: its channels are empty; there is nothing to read"):
        READER.open(write([("g", "v", np.zeros(0), {})]))


def with_length(path, stated):
    """Let the file state another number of values for its only channel, of one axis and five values."""
    content = path.read_bytes()
    old = (1).to_bytes(4, "little") + len(V).to_bytes(8, "little")
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, (1).to_bytes(4, "little") + stated.to_bytes(8, "little")))
    return path


def test_numbers_that_are_not_there(write, capfd):
    (table,) = opened(with_length(write([("g", "v", V, {})]), 10**12))
    assert table.numbers([0]).tolist() == [V.tolist()]
    assert table.remarks[0].startswith("the last segment of the file is incomplete")
    assert capfd.readouterr() == ("", "")


def test_strings_that_are_not_there(write):
    path = with_length(write([("g", "s", ["a", "b", "c", "d", "e"], {})]), 10**12)
    with pytest.raises(
        ReadError, match="channel 's': it states 1000000000000 values, more than the file has bytes"
    ):
        READER.open(path)


def test_a_file_that_shrinks_behind_the_reader(write):
    path = write([("g", "v", np.arange(100.0), {})])
    (table,) = opened(path)
    write([("g", "v", np.arange(60.0), {})])
    with pytest.raises(ReadError, match="channel 'v': it states 100 values and ends before row 61"):
        table.numbers([0])


def test_interrupted_writing_is_told(write):
    path = write([("g", "v", V, {})])
    content = path.read_bytes()
    # The offset of the next segment is unknown until the writer closes the file.
    path.write_bytes(content[:12] + b"\xff" * 8 + content[20:-8])
    (table,) = opened(path)
    assert table.remarks[0].startswith("the last segment of the file is incomplete")
    assert table.numbers([0]).tolist() == [V[:-1].tolist()]


@pytest.mark.parametrize(
    "content", [b"TDSm", b"TDSm" + bytes(40), b"TDSm\x0e\x00\x00\x00\x69\x12\x00\x00" + b"\xff" * 30]
)
def test_damaged(tmp_path, content):
    path = tmp_path / "a.tdms"
    path.write_bytes(content)
    assert READER.sniff(path, content)
    with pytest.raises(ReadError, match=r"a\.tdms"):
        READER.open(path)


def test_without_the_library(write, monkeypatch):
    path = write([("g", "v", V, {})])
    monkeypatch.setitem(sys.modules, "nptdms", None)
    with pytest.raises(
        ReadError, match=r"needs the library nptdms, which is not installed; pip install 'charz\[tdms\]'"
    ):
        READER.open(path)
