from pathlib import Path

import pytest

from charz.datasets.idx import FILES
from charz.datasets.locate import data_roots, find_files
from charz.errors import ReadError


def test_an_explicit_root_is_the_only_one(monkeypatch, tmp_path):
    monkeypatch.setenv("CHARZ_DATA", str(tmp_path / "other"))
    assert data_roots(tmp_path) == (tmp_path,)


def test_environment_comes_before_the_user_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CHARZ_DATA", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert data_roots() == (tmp_path / "named", tmp_path / "xdg" / "charz")


@pytest.mark.parametrize("xdg", [None, ""])
def test_user_folder_without_xdg(monkeypatch, xdg):
    monkeypatch.delenv("CHARZ_DATA", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if xdg is not None:
        monkeypatch.setenv("XDG_DATA_HOME", xdg)
    assert data_roots() == (Path.home() / ".local" / "share" / "charz",)


def test_second_place_is_searched(monkeypatch, tmp_path, tiny_root):
    monkeypatch.setenv("CHARZ_DATA", str(tmp_path / "empty"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    tiny_root.rename(tmp_path / "charz")
    names = [path.name for path in find_files("mnist", FILES)]
    assert names == [FILES[0] + ".gz", *FILES[1:]]


def test_absent_set_says_what_where_and_how(monkeypatch, tmp_path):
    monkeypatch.setenv("CHARZ_DATA", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    with pytest.raises(ReadError) as caught:
        find_files("mnist", FILES)
    message = str(caught.value)
    for part in (
        *FILES,
        str(tmp_path / "named" / "mnist"),
        str(tmp_path / "xdg" / "charz" / "mnist"),
        "CHARZ_DATA",
    ):
        assert part in message


def test_incomplete_set_names_the_missing_file(tiny_root):
    (tiny_root / "mnist" / FILES[3]).unlink()
    with pytest.raises(ReadError, match=rf"a folder is there, but lacks {FILES[3]}\)"):
        find_files("mnist", FILES, tiny_root)
