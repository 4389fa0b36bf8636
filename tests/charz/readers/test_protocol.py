"""What holds for every reader: found by content, exact numbers, the contract of tables, damage refused."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import charz
from charz.errors import ReadError, UnitError
from charz.readers import READERS
from charz.readers.contract import Table
from charz.readers.registry import find_reader, open_table, open_tables

DESCRIPTORS = Path("/proc/self/fd")


def number_of(table: Table, source: str) -> np.ndarray:
    return table.numbers([table.index(source)])[0]


def test_every_reader_has_examples(examples):
    assert {name for name, found in examples.items() if found} == set(READERS)


def test_delimited_text_is_asked_last():
    assert list(READERS)[-1] == "delimited"


@pytest.mark.parametrize("ending", [".csv", ".txt", ""])
def test_content_decides_and_not_the_name(tmp_path, reader_name, example, ending):
    path = example.write(tmp_path).rename(tmp_path / f"renamed{ending}")
    assert find_reader(path).name == reader_name


def test_the_numbers_are_those_of_the_file(tmp_path, reader_name, example):
    path = example.write(tmp_path)
    for tables in (open_tables(path), open_tables(path, reader_name)):
        assert len(tables) == example.tables
        for source, expected in example.columns.items():
            np.testing.assert_array_equal(number_of(tables[0], source), expected)


def test_an_example_is_the_same_bytes_every_time(tmp_path, reader_name, example):
    (tmp_path / "again").mkdir()
    assert example.write(tmp_path).read_bytes() == example.write(tmp_path / "again").read_bytes()


def numeric_columns(table: Table) -> list[int]:
    """Columns of which numbers can be asked; text must be refused by name of column and row."""
    found = []
    for index in range(len(table.columns)):
        try:
            table.numbers([index])
        except ReadError as error:
            words = str(error)
            assert table.label(index).rpartition(".")[2] in words
            assert re.search(rf"{table.noun} \d", words)
        else:
            found.append(index)
    return found


def test_tables_obey_the_contract(tmp_path, reader_name, example):
    path = example.write(tmp_path)
    tables = open_tables(path)
    names = [table.name for table in tables]
    assert len(set(names)) == len(names)
    assert len(names) == 1 or all(names)
    for table in tables:
        size, width = len(table.rows), len(table.columns)
        assert table.path == path
        assert size > 0
        assert table.place == (f"{path}, {table.name}" if table.name else str(path))
        assert table.noun in ("line", "row")
        places = np.asarray(table.rows)
        assert places.shape == (size,)
        assert (np.diff(places) > 0).all()
        assert places[0] >= 1
        numeric = numeric_columns(table)
        together = table.numbers(numeric)
        assert together.shape == (len(numeric), size)
        assert together.dtype == np.float64
        assert table.numbers([]).shape == (0, size)
        backward = table.numbers(numeric[::-1])
        np.testing.assert_array_equal(backward, together[::-1])
        for index in range(width):
            cells = table.texts(index, None)
            assert len(cells) == size
            assert all(isinstance(cell, str) and cell == cell.strip() for cell in cells)
            assert table.texts(index, 2) == cells[:2]
            assert table.texts(index, 0) == []
            assert table.texts(index, size + 5) == cells
            assert table.index(f"@{index + 1}") == index
        assert table.indices(f"@1..@{width}") == list(range(width))
        for position, index in enumerate(numeric):
            empty = np.array([not cell or cell.startswith("#") for cell in table.texts(index, None)])
            assert np.isnan(together[position][empty]).all()
        if table.batches is not None:
            blocks = list(table.batches(numeric))
            joined = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
            np.testing.assert_array_equal(joined, together)


def test_named_columns_are_found_by_their_name(tmp_path, reader_name, example):
    for table in open_tables(example.write(tmp_path)):
        joined = [column.joined for column in table.columns]
        for index, column in enumerate(table.columns):
            if column.joined and joined.count(column.joined) == 1:
                assert table.index(column.joined) == index
                assert table.label(index) == column.joined
            else:
                assert table.label(index) == column.joined or f"@{index + 1}"


def test_places_that_do_not_exist_are_refused(tmp_path, reader_name, example):
    for table in open_tables(example.write(tmp_path)):
        width = len(table.columns)
        for source in ("@0", f"@{width + 1}", f"@1..@{width + 1}", "@2..@1"):
            with pytest.raises(ReadError, match=rf"column {source} does not exist; .* @1 to @{width}"):
                table.indices(source)
        with pytest.raises(ReadError, match=r"there is no column 'no such'|has no header row"):
            table.index("no such")


def test_opening_leaves_the_file_alone(tmp_path, reader_name, example):
    path = example.write(tmp_path)
    before, content = sorted(tmp_path.iterdir()), path.read_bytes()
    handles = open_handles()
    for table in open_tables(path):
        for index in numeric_columns(table):
            if table.batches is not None:
                next(iter(table.batches([index])))
            table.texts(index, 1)
    assert open_handles() == handles
    assert sorted(tmp_path.iterdir()) == before
    assert path.read_bytes() == content
    path.rename(tmp_path / "moved").unlink()


def open_handles() -> list[str]:
    """Files that this process has open, where the system tells."""
    if not DESCRIPTORS.is_dir():
        return []
    found = []
    for entry in os.listdir(DESCRIPTORS):
        try:
            found.append(os.readlink(DESCRIPTORS / entry))
        except OSError:
            continue  # the listing's own handle
    return sorted(name for name in found if Path(name).is_file())


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_file_cut_short_is_refused_or_a_part_of_the_whole(tmp_path, reader_name, example, share):
    path = example.write(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    try:
        table = open_tables(path, reader_name)[0]
        values = {source: number_of(table, source) for source in example.columns}
    except ReadError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - either outcome is fine
        assert "\n" not in str(error)  # noqa: PT017
    else:
        # Text cannot know where it should end, and its last number may be cut; binary formats can.
        assert b"\x00" not in content or "interrupted" in " ".join(table.remarks)
        for source, found in values.items():
            whole = example.columns[source]
            assert 0 < len(found) <= len(whole)
            np.testing.assert_array_equal(found[:-1], whole[: len(found) - 1])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", [b"", b"\n \n", b"\x00" * 40, b"no numbers at all\n"])
def test_what_holds_nothing_is_refused_by_each(tmp_path, name, content):
    path = tmp_path / "hollow.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        open_tables(path, name)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ReadError):
        open_tables(path)


@pytest.mark.parametrize("name", READERS)
def test_recognising_never_raises(name):
    for head in (
        b"",
        b"\x00",
        b"PK\x03\x04",
        b"\x89HDF\r\n\x1a\n",
        b"CDF\x01",
        b"MATLAB 7.3",
        b"\x93NUMPY",
        b"Model,",
    ):
        assert READERS[name].sniff(Path("/nowhere/at all"), head) in (True, False)


def test_through_read_to_a_file_and_back(tmp_path, reader_name, example):
    path = example.write(tmp_path)
    dataset = charz.read(path, **example.keys)
    assert charz.validate(dataset) is dataset
    named = charz.read(path, **example.keys, reader=reader_name)
    assert named.drop_attrs().identical(dataset.drop_attrs())
    charz.save(dataset, tmp_path / "saved.nc")
    assert charz.load(tmp_path / "saved.nc").identical(dataset)
    assert charz.read(tmp_path / "saved.nc").identical(dataset)


def test_a_unit_that_nobody_states_is_asked_for(tmp_path, reader_name, example):
    path = example.write(tmp_path)
    if not example.unstated:
        assert (
            charz.read(path, **{**example.keys, "units": {}}).attrs["experiment"]
            == example.keys["experiment"]
        )
        return
    units = {name: unit for name, unit in example.keys["units"].items() if name != example.unstated}
    with pytest.raises(UnitError) as caught:
        charz.read(path, **{**example.keys, "units": units})
    assert repr(example.unstated) in str(caught.value)
    assert f"--unit {example.unstated}=" in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_of_several_tables_is_no_single_one(tmp_path, reader_name, example):
    path = example.write(tmp_path)
    if example.tables == 1:
        assert len(open_table(path).rows) > 0
        return
    with pytest.raises(ReadError, match=f"{example.tables} tables .*; open them with open_tables"):
        open_table(path)


def test_names_of_readers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("V,I\n1,2\n")
    with pytest.raises(ReadError, match=r"reader 'exel' does not exist \(did you mean 'excel'\?\); valid: "):
        find_reader(path, "exel")
    with pytest.raises(ReadError, match=r"reader 'zzz' does not exist; valid: .*numpy, "):
        find_reader(path, "zzz")
    with pytest.raises(FileNotFoundError, match="no such file"):
        find_reader(tmp_path / "none.csv")
    with pytest.raises(ReadError, match="a folder or device"):
        find_reader(tmp_path)


def test_a_file_that_no_reader_wants(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("V,I\n1,2\n")
    delimited = READERS["delimited"]
    monkeypatch.setitem(READERS, "delimited", delimited._replace(sniff=lambda path, head: False))
    with pytest.raises(ReadError, match=r"no reader recognises this file; readers: .*numpy"):
        open_tables(path)


def test_a_copy_elsewhere_gives_the_same_dataset(tmp_path, reader_name, example):
    path = example.write(tmp_path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(path, other)
    first, second = (charz.read(one, **example.keys) for one in (path, other / path.name))
    assert first.identical(second)


def test_text_that_only_looks_like_utf_16(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(("V,I\n" + "1,2\n" * 30).encode("utf-16-le") + b"\x01\xd8")
    with pytest.raises(ReadError, match="looks like utf-16-le but is not valid"):
        open_tables(path)
    path.write_bytes(("V,I\n" + "1,2\n" * 30).encode("utf-16-be"))
    assert len(open_tables(path)[0].rows) == 30
