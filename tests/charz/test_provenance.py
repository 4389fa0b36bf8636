"""Sources of a result: every file with its checksum, whatever the files are called."""

import hashlib
import json

import pytest

from charz.provenance import provenance, source_names


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], []),
        (["run/a.csv"], ["a.csv"]),
        (["run/a.csv", "run/b.csv"], ["a.csv", "b.csv"]),
        (["r1/loop.csv", "r2/loop.csv", "r2/b.csv"], ["r1/loop.csv", "r2/loop.csv", "r2/b.csv"]),
        (["d1/r/loop.csv", "d2/r/loop.csv"], ["d1/r/loop.csv", "d2/r/loop.csv"]),
    ],
)
def test_names_have_only_the_folders_that_tell_them_apart(tmp_path, paths, expected):
    assert source_names([tmp_path / path for path in paths]) == expected


def test_files_of_one_name_keep_a_checksum_each(tmp_path):
    files = [tmp_path / f"{10**n}Hz" / "loop.csv" for n in range(3)]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(f"{number}\n")
    sources = json.loads(provenance(files)["provenance"])["sources"]
    assert sources == {f"{10**n}Hz/loop.csv": hashlib.sha256(f"{n}\n".encode()).hexdigest() for n in range(3)}


def test_one_file_twice_is_one_source(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("1\n")
    assert list(json.loads(provenance([file, file])["provenance"])["sources"]) == ["a.csv"]
