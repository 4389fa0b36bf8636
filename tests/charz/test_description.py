"""The measurement description: every key in every form, and each mistake in one line."""

from pathlib import Path

import pytest
import xarray as xr

import charz
from charz.description import KEYS, Description, Join, Wide, description_from, load_description
from charz.errors import ReadError

RULES = [{"rule": "thresholds", "direction": "up"}]
# Values of each form: what is given, and what is kept.
VALID = {
    "text": [("pulse", "pulse")],
    "flag": [(True, True), (False, False)],
    "number": [(300, 300.0), (4.2, 4.2)],
    "list": [("*.csv", ("*.csv",)), (["a", "b"], ("a", "b")), (("a",), ("a",)), ([], ())],
    "pairs": [({"x": "@1", "größe": "V"}, {"x": "@1", "größe": "V"}), ({}, {})],
    "rules": [(RULES, tuple(RULES)), (RULES[0], tuple(RULES)), ([], ())],
    "wide": [
        ({"values": ["hrs", "lrs"]}, Wide((), ("hrs", "lrs"), "position", "", "")),
        (
            {"keep": "@1", "values": "r", "position": "pulse", "label": "level", "line": "device"},
            Wide(("@1",), ("r",), "pulse", "level", "device"),
        ),
        (Wide(values=("r",)), Wide(values=("r",))),
    ],
    "join": [
        ({"file": "total.csv"}, Join("total.csv", {})),
        ({"file": "{file}_i.csv", "columns": {"current": "@2"}}, Join("{file}_i.csv", {"current": "@2"})),
        (Join("a.csv", {"x": "y"}), Join("a.csv", {"x": "y"})),
    ],
}
WRONG = {
    "text": ["", "  ", 3, True, ["a"], {"a": "b"}],
    "flag": ["true", 1, 0, ["a"]],
    "number": ["300", True, [300], 10**400],
    "list": [3, [3], [""], "", {"a": "b"}, ["a", None], True],
    "pairs": ["x=@1", ["x"], {"x": 1}, {"x": None}, 3],
    "rules": ["thresholds", [3], [{"direction": "up"}], [{"rule": 3}], {}],
    "wide": ["r", ["r"], 3],
    "join": ["total.csv", 3],
}
SAID_AS = {
    "text": "a text",
    "flag": "true or false",
    "number": "a number",
    "list": "a text, or a list of texts",
    "pairs": "a table of NAME = text",
    "rules": "a list of tables",
    "wide": "a table with keep, values, position, label, line",
    "join": "a table with file and columns",
}


@pytest.mark.parametrize("name", KEYS)
def test_every_key_takes_each_way_of_writing_its_form(name):
    for given, kept in VALID[KEYS[name].form]:
        assert getattr(description_from({name: given}, "here"), name) == kept
    assert KEYS[name].meaning


@pytest.mark.parametrize("name", KEYS)
def test_every_key_refuses_other_forms(name):
    form = KEYS[name].form
    for given in WRONG[form]:
        with pytest.raises(ReadError) as caught:
            description_from({name: given}, "here")
        assert str(caught.value).startswith(f"here: {name} = ")
        assert SAID_AS[form] in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", KEYS)
def test_none_means_not_said(name):
    assert description_from({name: None}, "here") == Description()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"exprimant": "x", "a": 1},
            "here: unknown key 'exprimant'; did you mean 'experiment'? valid: experiment, ",
        ),
        ({"zzzz": "x"}, "here: unknown key 'zzzz'; valid: experiment, reader, files"),
        ({"columns": {"r after": "@1"}}, "columns.'r after': the name must be a word"),
        ({"units": {"1x": "V"}}, "units.'1x': the name must be a word"),
        ({"columns": {3: "@1"}}, "columns.3: the name must be a word"),
        ({"wide": {"value": ["r"]}}, "unknown key wide.value; did you mean 'values'? valid: keep, values"),
        ({"wide": {"keep": ["a"]}}, "wide needs 'values'"),
        ({"wide": {"values": []}}, "wide needs 'values'"),
        ({"wide": Wide()}, "wide needs 'values'"),
        ({"wide": {"values": 3}}, "wide.values = 3 is not valid; it must be a text, or a list"),
        ({"wide": Join("a.csv")}, "unknown key wide.file"),
        ({"join": {"columns": {"x": "@1"}}}, "join needs 'file'"),
        ({"join": {"file": ["a"]}}, "join.file = ['a'] is not valid; it must be a text"),
        ({"join": {"file": "a", "columns": {"x": 1}}}, "join.columns = {'x': 1} is not valid"),
        ({"join": {"file": "a", "columns": {"x y": "@1"}}}, "join.columns.'x y': the name must be a word"),
        ({"join": {"fil": "a"}}, "unknown key join.fil; did you mean 'file'?"),
    ],
)
def test_mistakes_inside_a_key(keys, words):
    with pytest.raises(ReadError) as caught:
        description_from(keys, "here")
    assert words in str(caught.value)


def test_later_keys_replace_and_pairs_are_merged():
    first = description_from(
        {"experiment": "iv_sweep", "columns": {"voltage": "V", "current": "I"}, "files": ["*.csv"]}, "file"
    )
    both = first.updated(
        {"columns": {"current": "@3", "x": "@4"}, "files": ["*.txt"], "experiment": None, "where": "x > 0"},
        "flags",
    )
    assert both.columns == {"voltage": "V", "current": "@3", "x": "@4"}
    assert (both.experiment, both.files, both.where) == ("iv_sweep", ("*.txt",), "x > 0")
    assert first.columns == {"voltage": "V", "current": "I"}
    with pytest.raises(ReadError, match="flags: unknown key"):
        first.updated({"colums": {}}, "flags")


def test_settings_hold_what_was_said_as_plain_values():
    said = description_from(
        {
            "experiment": "retention",
            "files": "*.csv",
            "few_values": False,
            "temperature": 300,
            "wide": {"values": ["r"], "keep": ["t"]},
            "extract": RULES,
        },
        "here",
    )
    assert said.settings() == {
        "experiment": "retention",
        "files": ["*.csv"],
        "temperature": 300.0,
        "wide": {"keep": ["t"], "values": ["r"], "position": "position", "label": "", "line": ""},
        "extract": RULES,
    }
    assert Description().settings() == {}
    assert description_from(said.settings() | {"wide": {"values": ["r"], "keep": ["t"]}}, "again") == said


def test_a_file_says_the_same(tmp_path):
    path = tmp_path / "charz.toml"
    path.write_text(
        "experiment = 'pulse_switching'\nfew_values = true\ntemperature = 77\nfiles = ['*.csv', '*.txt']\n"
        "[columns]\namplitude = '@4'\n[units]\namplitude = 'mV'\n[wide]\nvalues = ['r']\n"
        "[[extract]]\nrule = 'thresholds'\n",
        encoding="utf-8",
    )
    said = load_description(path)
    assert said == description_from(
        {
            "experiment": "pulse_switching",
            "few_values": True,
            "temperature": 77,
            "files": ["*.csv", "*.txt"],
            "columns": {"amplitude": "@4"},
            "units": {"amplitude": "mV"},
            "wide": {"values": ["r"]},
            "extract": [{"rule": "thresholds"}],
        },
        "here",
    )
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_description(str(path)) == said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"experiment = 'a'\nwhere =\n", "not a valid TOML file: Invalid value (at line 2, column 8)"),
        (b"[columns]\nx = '@1'\nx = '@2'\n", "at line 3"),
        (b"\nexperiment = pulse_switching\n", "(at line 2, column 14)"),
        (b"instrument = '\xe9'\n", "not a valid TOML file: 'utf-8' codec"),
        (b"temperature = " + b"9" * 5000, "not a valid TOML file: Exceeds the limit"),
        (b"files = " + b"[" * 20_000, "not a valid TOML file:"),
        (b"x" * (1 << 21), "larger than 1 MiB"),
        (b"wher = 'x > 0'\n", "unknown key 'wher'; did you mean 'where'?"),
        (b"temperature = 2026-01-01\n", "temperature = datetime.date(2026, 1, 1) is not valid"),
        (b"temperature = 1" + b"0" * 400, "is not valid; it must be a number"),
    ],
)
def test_files_that_are_no_description(tmp_path, content, words):
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        load_description(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(ReadError, match="a folder, not a measurement description"):
        load_description(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none\.toml"):
        load_description(Path(tmp_path / "none.toml"))


def test_a_dataset_beside_its_description_needs_none(tmp_path):
    (tmp_path / "a.csv").write_text("elapsed (s),r (ohm)\n0,1\n1,2\n")
    (tmp_path / "charz.toml").write_text('experiment = "retention"\n[columns]\nresistance = "r"\n')
    dataset = charz.read(tmp_path / "a.csv")
    charz.save(dataset, tmp_path / "a.nc")
    xr.testing.assert_identical(charz.read(tmp_path / "a.nc"), charz.load(tmp_path / "a.nc"))
