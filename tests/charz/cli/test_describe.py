"""`charz describe`: a draft with questions, and from the answers a dataset."""

import json
import os
import tomllib

import numpy as np
import pytest

import charz
from charz.draft import QUESTION, draft_description
from charz.errors import ReadError, SchemaError
from charz.kinds import KINDS

SWEEP = "# chip 7\nvoltage (mV),I (uA),note\n100,1,a\n200,2,b\n300,,c\n"


def questions(draft):
    """Names that are asked for, in order."""
    return [line.split()[1] for line in draft.splitlines() if line.startswith(QUESTION)]


def answered(draft, keys):
    """The draft with the answers written over its questions, and what it does not ask for put in its place."""
    parts = {name: dict(keys.get(name, {})) for name in ("columns", "units")}
    top = {name: value for name, value in keys.items() if name not in (*parts, "mask")}
    lines, section = [], top
    for line in draft.splitlines():
        if line.startswith("["):
            lines += [f"{name} = {json.dumps(value)}" for name, value in section.items()]
            section.clear()
            section = parts[line[1:].partition("]")[0]]
        name = line.removeprefix(QUESTION).split("=")[0].strip()
        if name in section:
            # A header that is spelled like the variable is there already.
            lines.append(f"{name} = {json.dumps(section.pop(name), ensure_ascii=False)}")
        else:
            lines.append(line)
    lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in section.items()]
    lines += ["[mask]", *(f"{name} = {json.dumps(rule)}" for name, rule in keys.get("mask", {}).items())]
    return "\n".join(lines) + "\n"


def test_a_draft_of_every_format_and_its_answers(tmp_path, run, reader_name, example):
    path = example.write(tmp_path)
    code, out, err = run(f"describe '{path.name}' -o d.toml --experiment {example.keys['experiment']}")
    assert (code, err) == (0, "")
    draft = (tmp_path / "d.toml").read_text(encoding="utf-8")
    said = tomllib.loads(draft)
    assert (said["reader"], said["experiment"]) == (reader_name, example.keys["experiment"])
    assert f"({len(questions(draft))} questions)" in out
    assert questions(draft)
    (tmp_path / "d.toml").write_text(answered(draft, example.keys), encoding="utf-8")
    code, out, err = run(f"convert '{path.name}' -d d.toml -o out.nc")
    assert code == 0, err
    expected = charz.read(path, **example.keys)
    assert charz.load("out.nc").drop_attrs().identical(expected.drop_attrs())


def test_without_answers_the_first_question_is_asked(tmp_path, run, reader_name, example):
    path = example.write(tmp_path)
    code, out, _ = run(f"describe '{path.name}'")
    assert code == 0
    assert questions(out)[0] == "experiment"
    (tmp_path / "d.toml").write_text(out, encoding="utf-8")
    code, out, err = run(f"convert '{path.name}' -d d.toml -o out.nc")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "experiment kind is not said" in err
    kind = example.keys["experiment"]
    code, out, err = run(f"convert '{path.name}' -d d.toml -o out.nc --experiment {kind}")
    if code == 0:
        # The headers are the variables of the kind, with their units.
        assert reader_name == "parquet"
        return
    assert code == 2
    asked = [f"needs '{name}'" for name in (variable.name for variable in KINDS[kind].variables)]
    assert any(words in err for words in (*asked, "stated nowhere", "has no cycles", "outcome of the pulses"))
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out.nc").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_asks_for_its_variables(tmp_path, kind):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    draft = draft_description(path, kind)
    assert tomllib.loads(draft)["experiment"] == kind
    _, _, columns = draft.partition("[columns]")
    asked = questions(columns)
    for variable in KINDS[kind].variables:
        assert asked.count(variable.name) == (1 if variable.units == ("1",) else 2)
    lines = {line.split()[1]: line for line in columns.splitlines() if line.startswith(QUESTION)}
    assert ("device" in questions(draft)) == (KINDS[kind].dims[0] == "device")
    for variable in KINDS[kind].variables:
        if variable.units != ("1",):
            # The last line of a name is that of its unit.
            assert all(unit in lines[variable.name] for unit in variable.units)


def test_what_the_file_says_is_filled_in(tmp_path):
    path = tmp_path / "chip7.csv"
    path.write_text(SWEEP)
    draft = draft_description(path, "iv_sweep")
    said = tomllib.loads(draft)
    assert said == {
        "reader": "delimited",
        "experiment": "iv_sweep",
        "columns": {"voltage": "voltage"},
        "units": {"voltage": "mV"},
    }
    assert questions(draft) == ["device", "path", "current", "compliance", "current", "compliance"]
    assert "# The file says: chip 7" in draft
    assert "#  @1 voltage in mV: 100, 200, 300, ... from 100 to 300" in draft
    assert "#  @2 I in uA: 1, 2, (empty), ... from 1 to 2, 1 empty" in draft
    assert "#  @3 note, unit not stated: a, b, c, ... (text)" in draft


def test_a_header_whose_brackets_hold_no_unit(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("voltage (peak),current (A)\n1,2\n3,4\n")
    draft = draft_description(path, "iv_sweep")
    assert tomllib.loads(draft)["units"] == {"current": "A"}
    assert '#? voltage = "V"' in draft


def test_a_file_without_header_asks_for_its_schema(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("\t".join(map(str, range(12))) + "\n" + "\t".join(map(str, range(12))) + "\n")
    draft = draft_description(path)
    assert (
        '#? schema = ["name_1", "name_2", "name_3", "name_4", "name_5", "name_6", "name_7", "name_8", "..."]'
        in draft
    )
    assert "no header row; it has 12 columns" in draft


def test_many_columns_and_tables_are_shown_in_part(tmp_path):
    arrays = {f"c{n}": np.arange(5.0) for n in range(80)} | {f"d{n}": np.arange(6.0 + n) for n in range(20)}
    np.savez(tmp_path / "a.npz", **arrays)
    draft = draft_description(tmp_path / "a.npz")
    assert "#  ... and 20 more" in draft
    assert "# The file holds 21 tables: '5 rows', " in draft
    assert ", ..." in draft
    assert questions(draft)[:3] == ["experiment", "table", "tables"]
    assert "tables" not in questions(draft_description(tmp_path / "a.npz", "retention"))


def test_a_stimulus_programme_is_said_to_be_one(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("v,t\n" + "1,2\n0,3\n" * 40)
    draft = draft_description(path, "iv_sweep")
    assert "# Not a measurement? its columns take only 2, 2 different" in draft
    assert "few_values" in questions(draft)
    assert "few_values" not in questions(draft_description(path, "telegraph"))


HOSTILE = 'V "x" \\ (a) = [b] # µ\t\x7f'


def test_names_that_toml_could_mistake(tmp_path):
    arrays = {HOSTILE: np.arange(3.0), "\x01\x1f\n[columns]": np.arange(3.0)}
    names = ["a\nb.npz", '"quote\\.npz', "'#.npz", os.fsdecode(b"\xff.npz"), "{x}.npz"]
    for name in names:
        with (tmp_path / name).open("wb") as stream:
            np.savez(stream, **arrays)
        for kind in (None, *KINDS):
            draft = draft_description(tmp_path / name, kind)
            said = tomllib.loads(draft)
            assert set(said) <= {"reader", "experiment", "columns", "units"}
            draft.encode()


def test_an_older_description_is_never_overwritten(tmp_path, run):
    (tmp_path / "a.csv").write_text(SWEEP)
    (tmp_path / "d.toml").write_text("experiment = 'iv_sweep'\n")
    code, out, err = run("describe a.csv -o d.toml")
    assert (code, out) == (2, "")
    assert "-o d.toml: exists; a description holds your answers" in err
    assert (tmp_path / "d.toml").read_text() == "experiment = 'iv_sweep'\n"
    code, _, err = run("describe a.csv -o a.csv")
    assert code == 2
    assert "is also an input" in err
    assert (tmp_path / "a.csv").read_text() == SWEEP


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("describe none.csv", "no such file"),
        ("describe .", "a folder"),
        ("describe a.csv --experiment iv_sweeps", "did you mean 'iv_sweep'"),
        ("describe a.csv --reader exel", "did you mean 'excel'"),
        ("describe a.csv --reader tdms", "a.csv: "),
        ("describe a.csv -o none/d.toml", "the folder none does not exist"),
        ("describe a.csv -o .", "is a folder"),
    ],
)
def test_what_is_refused(tmp_path, run, command, words):
    (tmp_path / "a.csv").write_text(SWEEP)
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == ["a.csv"]


def test_json_holds_the_draft(tmp_path, run):
    (tmp_path / "a.csv").write_text(SWEEP)
    code, out, err = run("describe a.csv --json --experiment iv_sweep")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["draft"] == draft_description(tmp_path / "a.csv", "iv_sweep")
    assert (found["file"], found["output"], found["questions"]) == ("a.csv", None, 6)
    code, out, err = run("describe a.csv --json -o d.toml")
    assert json.loads(out)["output"] == "d.toml"
    assert (tmp_path / "d.toml").read_text() == json.loads(out)["draft"]


def test_a_draft_that_is_named_as_beside_the_data_is_found(tmp_path, run):
    (tmp_path / "a.csv").write_text(SWEEP.replace("300,,c\n", ""))
    run("describe a.csv -o charz.toml --experiment iv_sweep")
    text = (tmp_path / "charz.toml").read_text()
    (tmp_path / "charz.toml").write_text(text.replace('#? current = "@1"', 'current = "I"'))
    code, out, err = run("convert a.csv -o out.nc")
    assert (code, err) == (0, "")
    assert "Description: charz.toml" in out
    np.testing.assert_allclose(charz.load("out.nc")["current"], [[[1e-6, 2e-6]]])


def test_of_no_kind(tmp_path):
    (tmp_path / "a.csv").write_text(SWEEP)
    with pytest.raises(SchemaError, match="'sweep' is no kind"):
        draft_description(tmp_path / "a.csv", "sweep")
    (tmp_path / "b.csv").write_bytes(b"")
    with pytest.raises(ReadError, match="the file is empty"):
        draft_description(tmp_path / "b.csv")


CONVERT = "convert a.csv -o out.nc --experiment iv_sweep --column voltage=voltage --column current=I"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--column voltage", "--column 'voltage' is not NAME=VALUE; write for example --column amplitude=@4"),
        ("--column voltage=x", "--column voltage=x: 'voltage' was already given as 'voltage'; give it once"),
        ("--unit 'a b=V'", "the name 'a b' must be a word"),
        ("--mask =x", "is not NAME=VALUE"),
        ("--derive x=", "is not NAME=VALUE"),
        ("--constant x", "is not NAME=VALUE"),
        ("--set wide.values", "--set wide.values: not TOML"),
        ("--set x=" + "9" * 5000, "not TOML"),
        ("--set wid.values=1", "unknown key 'wid'; did you mean 'wide'?"),
        ("--set 'files=3'", "files = 3 is not valid; it must be a text, or a list of texts"),
    ],
)
def test_flags_that_are_wrong(tmp_path, run, more, words):
    (tmp_path / "a.csv").write_text(SWEEP)
    code, out, err = run(f"{CONVERT} {more}")
    assert (code, out) == (2, "")
    assert words in err
    assert not (tmp_path / "out.nc").exists()


def test_every_flag_is_a_key(tmp_path, run):
    (tmp_path / "r5um_c3.csv").write_text("100,1,9\n200,2,9\n300,1e9,9\n")
    code, out, err = run(
        "convert . -o out.nc --experiment iv_sweep --schema 'v (mV),i,...' --column voltage=v --column current=i "
        "--unit current=uA --unit radius=um --mask 'current=i > 1e6' --derive 'g=current / voltage' --unit g=S "
        "--constant 'gap=5 nm' --path 'r{radius}um_c{n}.csv' --device 'wire {radius}' --cycle '{n}' "
        "--where 'v > 0' --set 'files=[\"*.csv\"]' --set 'expect=[\"voltage < 1\"]' --family rram "
        "--temperature 300 --instrument B1500 --few-values --reader delimited"
    )
    assert code == 0, err
    assert "1 values of current are masked (where i > 1e6)" in err
    dataset = charz.load("out.nc")
    assert dataset["device"].values.tolist() == ["wire 5"]
    assert dataset["cycle"].values.tolist() == [3]
    np.testing.assert_allclose(dataset["g"], [[[1e-5, 1e-5, np.nan]]])
    np.testing.assert_allclose([dataset["radius"].item(), dataset["gap"].item()], [5e-6, 5e-9])
    attrs = dataset.attrs
    assert (attrs["device_family"], attrs["temperature"], attrs["instrument"]) == ("rram", 300.0, "B1500")
    assert "Rows: 3 of 3 kept" in out
