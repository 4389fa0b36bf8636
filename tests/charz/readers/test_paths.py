"""What names of files and folders say: fields, numbers in them, templates, and files of folders."""

from pathlib import Path

import pytest

from charz.errors import ReadError
from charz.natural import natural
from charz.readers.paths import expand, field_number, filled, path_fields

OHM_SIGN, OMEGA = "\u2126", "\u03a9"


@pytest.mark.parametrize(
    ("path", "pattern", "fields"),
    [
        ("lab/5um/1.5V_a.csv", "{radius}um/{amplitude}V_*.csv", {"radius": "5", "amplitude": "1.5"}),
        ("lab/5um/1.5V_a.csv", "{radius}um/**", {"radius": "5"}),
        ("lab/5um/1.5V_a.csv", "*/{radius}um/...", {"radius": "5"}),
        ("lab/5um/1.5V_a.csv", "{any}", {"any": "1.5V_a.csv"}),
        ("lab/p1V_m4V.txt", "{set}V_{reset}V.txt", {"set": "p1", "reset": "m4"}),
        ("lab/x_y_z.csv", "{first}_{rest}.csv", {"first": "x", "rest": "y_z"}),
        ("lab/Wire [3] (a+b).csv", "Wire [{n}] (a+b).csv", {"n": "3"}),
        (f"lab/5k{OHM_SIGN}.csv", f"{{r}}k{OMEGA}.csv", {"r": "5"}),
        (f"lab/5k{OMEGA}.csv", f"{{r}}k{OHM_SIGN}.csv", {"r": "5"}),
        ("lab/gro\u0308ße_7.csv", "größe_{größe}.csv", {"größe": "7"}),
        ("lab/.8V.csv", "{v}V.csv", {"v": ".8"}),
        ("lab/noending", "{name}", {"name": "noending"}),
    ],
)
def test_fields_of_a_path(path, pattern, fields):
    found = path_fields(Path(path), pattern)
    name = Path(path).name
    stem = Path(path).stem if "." in name.lstrip(".") else name
    assert found == {"file": stem, "folder": Path(path).parent.name, **fields}


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("lab/5um/1.5V_a.csv", "{radius}nm/*"),
        ("lab/5um/1.5V_a.csv", "{amplitude}V.csv"),
        ("lab/5um/1.5V_a.csv", "{x}/{y}um/{z}/*"),
        ("lab/5um/V_a.csv", "{amplitude}V_*.csv"),
        ("lab/a.csv", "lab/*.CSV"),
        ("lab/a/b.csv", "lab*b.csv"),
    ],
)
def test_paths_that_do_not_fit_are_refused(path, pattern):
    with pytest.raises(ReadError) as caught:
        path_fields(Path(path), pattern)
    assert str(caught.value).startswith(f"{Path(path)}: the path does not fit the pattern {pattern!r}")
    assert "'files'" in str(caught.value)


@pytest.mark.parametrize("pattern", ["{}_*", "{a b}.csv", "{1}.csv", "{a}_{a}.csv", "{a-b}"])
def test_fields_must_be_words_used_once(pattern):
    with pytest.raises(ReadError, match="must be a word of letters, digits and _, used once"):
        path_fields(Path("lab/a_a.csv"), pattern)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.5", 1.5),
        (".8", 0.8),
        ("0,8", 0.8),
        (",8", 0.8),
        ("m4", -4.0),
        ("-4", -4.0),
        ("p1", 1.0),
        ("+1", 1.0),
        ("m.5", -0.5),
        ("2.", 2.0),
        ("1e-3", 1e-3),
        ("007", 7.0),
        ("", None),
        ("4m", None),
        ("1p5", None),
        ("1_5", None),
        ("-", None),
        ("pm1", None),
        ("nan", None),
        ("1 5", None),
    ],
)
def test_numbers_that_fields_spell(text, number):
    assert field_number(text) == number


def test_templates():
    values = {"die": "M12", "sample": "3", "file": "a"}
    assert filled("{die}_{sample} {file}", values, "device", "here") == "M12_3 a"
    assert filled("plain", values, "device", "here") == "plain"
    with pytest.raises(ReadError) as caught:
        filled("{die}_{wire}", values, "device", "here")
    assert str(caught.value).startswith("here: device = '{die}_{wire}' uses {wire}, which is no field")
    assert "known: die, sample, file" in str(caught.value)


def tree(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    return folder


def listed(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_files_of_a_folder_come_in_natural_order(tmp_path):
    tree(tmp_path, "wire_10.csv", "wire_9.csv", "wire_1.txt", ".hidden.csv", "charz.toml", "sub/wire_2.csv")
    assert listed(expand([tmp_path], [], ["charz.toml"]), tmp_path) == [
        "wire_1.txt",
        "wire_9.csv",
        "wire_10.csv",
    ]
    assert listed(expand([tmp_path], ["*.csv"], []), tmp_path) == ["wire_9.csv", "wire_10.csv"]
    assert listed(expand([tmp_path], ["*.csv", "wire_9*"], []), tmp_path) == ["wire_9.csv", "wire_10.csv"]
    both = listed(expand([tmp_path], ["**/*.csv"], []), tmp_path)
    assert both == ["sub/wire_2.csv", "wire_9.csv", "wire_10.csv"]
    file = tmp_path / "wire_10.csv"
    assert expand([file, tmp_path / "sub"], ["*.csv"], []) == [file, tmp_path / "sub" / "wire_2.csv"]


def test_copies_in_hidden_folders_are_no_data(tmp_path):
    tree(tmp_path, "a.csv", ".ipynb_checkpoints/a-checkpoint.csv", "sub/.git/b.csv")
    assert listed(expand([tmp_path], ["**/*.csv"], []), tmp_path) == ["a.csv"]


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ([], "a folder, but there is no file in it with data"),
        (["*.dat"], r"no file in it that fits files = \['\*\.dat'\]"),
        (["/abs/*.csv"], "files = '/abs/.*' is not a pattern of file names"),
        ([""], "files = '' is not a pattern of file names"),
    ],
)
def test_folders_without_files(tmp_path, patterns, words):
    tree(tmp_path, "charz.toml", ".hidden")
    with pytest.raises(ReadError, match=words):
        expand([tmp_path], patterns, ["charz.toml"])


def test_natural_order_of_names():
    names = ["w10", "w9", "w", "10", "9a", "W2", "w9.5", "w09b"]
    assert sorted(names, key=natural) == ["9a", "10", "W2", "w", "w9", "w9.5", "w09b", "w10"]
    assert natural("") == []
