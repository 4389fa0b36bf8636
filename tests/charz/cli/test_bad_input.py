"""Bad input: each of many broken files gives one clear line, exit code 2, and leaves no file behind."""

import pickle
import shlex
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

import charz
from charz.cli.app import main

HEAD = "amplitude (V),width (ns),num_trials,num_switched\n"
GOOD = HEAD + "".join(f"{volts / 10},20,100,{volts}\n" for volts in range(1, 6))
CONVERT = "convert bad.csv -o out.nc --experiment pulse_switching"


def truncated_netcdf(folder):
    """A dataset of which the disk took only the first bytes."""
    (folder / "good.csv").write_text(GOOD)
    charz.save(charz.read(folder / "good.csv", "pulse_switching"), folder / "whole.nc")
    (folder / "bad.nc").write_bytes((folder / "whole.nc").read_bytes()[:2500])
    (folder / "whole.nc").unlink()


def dataset(folder):
    """A dataset as `charz convert` writes it: amplitude in V, all pulses equally wide."""
    (folder / "good.csv").write_text(GOOD)
    charz.save(charz.read(folder / "good.csv", "pulse_switching"), folder / "data.nc")


def priors_in(text):
    """The dataset and a file of priors beside it."""

    def write(folder):
        dataset(folder)
        (folder / "priors.toml").write_text(text)

    return write


def telegraph(folder):
    """A dataset of another kind."""
    (folder / "trace.csv").write_text("signal (V)\n" + "0.1\n0.9\n" * 20)
    charz.save(charz.read(folder / "trace.csv", "telegraph"), folder / "data.nc")


def npz(folder):
    np.savez(folder / "bad.csv", a=np.arange(3))
    (folder / "bad.csv.npz").rename(folder / "bad.csv")


class Case(NamedTuple):
    """Content of bad.csv (text, bytes, or a function), words of the message in order, command."""

    content: object
    words: str
    command: str = CONVERT


FIT = "fit data.nc -o out.nc --model logistic"

CASES = {
    # the file
    "missing file": Case(None, "bad.csv no such file"),
    "an empty folder": Case(lambda folder: (folder / "bad.csv").mkdir(), "bad.csv a folder no file in it"),
    "empty": Case("", "bad.csv empty"),
    "only blanks": Case("\n \n\t\n", "empty"),
    "only a header": Case(HEAD, "no data row"),
    "only comments": Case("# a\n# b\n", "no data row comment"),
    "prose": Case("Dear all,\nthe wires are dead.\n", "no data row"),
    "binary": Case(bytes(range(256)) * 4, "binary"),
    "pickle": Case(pickle.dumps({"amplitude": [1.0]}), "pickle runs the code"),
    "npz without the columns": Case(npz, "bad.csv needs 'amplitude' --column"),
    "NUL bytes": Case(GOOD.replace("0.3", "0.3\0").encode(), "binary UTF-16 byte-order mark"),
    "broken utf-16": Case(b"\xff\xfe" + b"a", "utf-16 not valid"),
    # its shape
    "unusual delimiter": Case(GOOD.replace(",", "&"), "no data row delimiters"),
    "wrong delimiter in one line": Case(GOOD.replace("3,20,100,3", "3;20;100;3"), "line 4 interrupted comma"),
    "row too short": Case(GOOD.replace("0.3,20,100,3", "0.3,20,100"), "line 4 3 fields 4"),
    "row too long": Case(GOOD.replace("0.3,20,100,3", "0.3,20,100,3,9"), "line 4 5 fields 4"),
    "broken off in the last line": Case(GOOD.rstrip()[:-4], "line 6 3 fields 4"),
    "table interrupted": Case(GOOD.replace("0.3,20,100,3", "laser off"), "line 4 interrupted"),
    "duplicate columns": Case(GOOD.replace("width (ns)", "amplitude (V)"), "'amplitude' ambiguous @1, @2"),
    "column not there": Case(GOOD, "no column 'volts' amplitude", CONVERT + " --column amplitude=volts"),
    "column number beyond the last": Case(GOOD, "@9 not exist 4 columns", CONVERT + " --column amplitude=@9"),
    "name without a header": Case("1,2\n3,4\n", "no header row @1", CONVERT + " --column amplitude=V"),
    # its cells
    "text in numbers": Case(GOOD.replace("0.3", "0.3 V"), "@1 (amplitude) line 4 '0.3 V' not a number"),
    "failed formula": Case(GOOD.replace(",100,3", ",#REF,3"), "(num_trials) line 4 '#REF'"),
    "mixed decimal signs": Case("0,1;9;1\n0.2;9;1\n0,3;9;1\n", "line 2 '0.2' decimal comma",
                                CONVERT + " --column amplitude=@1 --unit amplitude=V --column num_trials=@2"
                                " --column num_switched=@3"),
    "empty cell": Case(GOOD.replace("0.3,", ","), "line 4 (amplitude) empty --where"),
    "NaN amplitude": Case(GOOD.replace("0.3", "nan"), "line 4 (amplitude) NaN"),
    "infinite amplitude": Case(GOOD.replace("0.3", "inf"), "line 4 amplitude = inf a number"),
    "negative width": Case(GOOD.replace("0.3,20", "0.3,-20"), "line 4 width = -2e-08 s above zero"),
    "zero width": Case(GOOD.replace(",20,", ",0,"), "line 2 width = 0 s (5 such rows)"),
    "counts above trials": Case(GOOD.replace("100,3", "2,3"), "line 4 num_switched = 3 at most num_trials"),
    "negative counts": Case(GOOD.replace("100,3", "100,-3"), "line 4 num_switched = -3 zero or more"),
    "fractional counts": Case(GOOD.replace("100,3", "100,3.5"), "line 4 num_switched = 3.5 whole number"),
    "no trials at all": Case(HEAD + "1,1,0,0\n2,1,0,0\n", "num_trials zero everywhere nothing to fit"),
    "outcome neither 0 nor 1": Case("amplitude (V),switched\n1,0\n2,7\n", "line 3 switched = 7 0 or 1"),
    # units
    "missing unit": Case(GOOD.replace(" (V)", ""), "'amplitude' never guessed --unit amplitude=V"),
    "unknown unit": Case(GOOD, "'volz' V, mV", CONVERT + " --unit amplitude=volz"),
    "wrong dimension": Case(GOOD, "'ns' 'amplitude' wrong dimension", CONVERT + " --unit amplitude=ns"),
    "width in unknown unit": Case(GOOD, "'width' 'arb'", CONVERT + " --unit width=arb"),
    "unit for nothing": Case(GOOD, "--unit r=ohm belongs to no column", CONVERT + " --unit r=ohm"),
    # expressions
    "broken expression": Case(GOOD, "'amplitude >' ends too early", CONVERT + " --where 'amplitude >'"),
    "unknown name": Case(GOOD, "'amplitud' did you mean 'amplitude'", CONVERT + " --where 'amplitud > 1'"),
    "a call": Case(GOOD, "__import__ cannot read", CONVERT + " --where \"__import__('os').getcwd() > 0\""),
    "an attribute": Case(GOOD, "cannot read", CONVERT + " --where 'amplitude.real > 0'"),
    "where keeps nothing": Case(GOOD, "keeps none of the 5 rows", CONVERT + " --where 'amplitude > 9'"),
    "rule and counts": Case(GOOD, "both counts", CONVERT + " --switched 'amplitude > 0.2'"),
    "no outcome": Case("amplitude (V),r\n1,2\n3,4\n", "num_trials num_switched --switched"),
    # the command line
    "unknown kind": Case(GOOD, "'pulses' pulse_switching", CONVERT.replace("pulse_switching", "pulses")),
    "unknown reader": Case(GOOD, "'exel' did you mean 'excel' delimited", CONVERT + " --reader exel"),
    "column without source": Case(GOOD, "--column NAME=VALUE amplitude=@4", CONVERT + " --column amplitude"),
    "column given twice": Case(GOOD, "already given", CONVERT + " --column width=@1 --column width=@2"),
    "name that is no word": Case(GOOD, "'r-1' letters", CONVERT + " --column r-1=@1"),
    "no kind": Case(GOOD, "kind is not said --experiment charz describe", "convert bad.csv -o out.nc"),
    "missing option": Case(GOOD, "--output charz convert --help", "convert bad.csv --experiment telegraph"),
    "wrong reader": Case(GOOD, "bad.csv not an Excel workbook", CONVERT + " --reader excel"),
    "description missing": Case(GOOD, "absent.toml", CONVERT + " -d absent.toml"),
    "description is no TOML": Case(GOOD, "bad.csv not a valid TOML file line 1", CONVERT + " -d bad.csv"),
    "unknown key": Case(GOOD, "unknown key 'unit' did you mean 'units'", CONVERT + " --set unit.a='\"V\"'"),
    "key that is no TOML": Case(GOOD, "--set wide=r not TOML quotes", CONVERT + " --set wide=r"),
    "schema of another log": Case("1,2\n3,4\n", "2 columns schema names 3", CONVERT + " --schema a,b,c"),
    "extract without a file": Case(GOOD, "needs a dataset charz extract ramps IN.nc", "extract ramps"),
    "describe into its own input": Case(GOOD, "also an input", "describe bad.csv -o bad.csv"),
    "unknown option": Case(GOOD, "--frobnicate", CONVERT + " --frobnicate"),
    "unknown command": Case(GOOD, "transmogrify", "transmogrify bad.csv"),
    "output folder missing": Case(GOOD, "absent does not exist", CONVERT.replace("out.nc", "absent/out.nc")),
    "output is a folder": Case(GOOD, "is a folder", CONVERT.replace("out.nc", ".")),
    "output is the input": Case(GOOD, "also an input", CONVERT.replace("out.nc", "bad.csv")),
    "impossible temperature": Case(GOOD, "temperature = -1.0 K", CONVERT + " --temperature=-1"),
    # inspect
    "inspect a missing file": Case(None, "bad.csv no such file", "inspect bad.csv"),
    "inspect a folder": Case(None, "not a file", "inspect ."),
    "inspect a truncated netCDF": Case(truncated_netcdf, "bad.nc cut short", "inspect bad.nc -o out.json"),
    "inspect binary": Case(bytes(range(256)) * 4, "binary", "inspect bad.csv"),
    "inspect into its own input": Case(GOOD, "also an input", "inspect bad.csv -o bad.csv"),
    # fit, priors, check, compare
    "model not known": Case(dataset, "'logistik' did you mean 'logistic' choose", FIT.replace("tic", "tik")),
    "model of another kind": Case(telegraph, "'telegraph' pulse_switching", FIT),
    "no file for the posterior": Case(dataset, "--model logistic needs -o", "fit data.nc --model logistic"),
    "fit of a missing file": Case(None, "absent.nc no such file", "fit absent.nc --model logistic -o out.nc"),
    "posterior over its data": Case(dataset, "also an input", "fit data.nc --model logistic -o data.nc"),
    "pool not known": Case(dataset, "'some' hierarchical, complete, none", FIT + " --pool some"),
    "method not known": Case(dataset, "'guess' auto, nuts, marginal, laplace", FIT + " --pool complete --method guess"),
    "too few devices": Case(dataset, "at least 3 devices has 1 pool='complete'", FIT + " --pool hierarchical"),
    "setting that the model needs": Case(dataset, "initial_state", FIT + "-directions"),
    "priors file missing": Case(dataset, "absent.toml no such file", FIT + " --priors absent.toml"),
    "priors no TOML": Case(priors_in("[x"), "priors.toml not a valid TOML file", FIT + " --priors priors.toml"),
    "prior of nothing": Case(priors_in("[priors.hight]"), "[priors.hight] 'logistic' there are location, log_width",
                             FIT + " --priors priors.toml"),
    "prior without a unit": Case(priors_in('[priors.location]\nfamily = "normal"\nmean = 0\nsd = 1'),
                                 "[priors.location] never guessed \"V\"", FIT + " --priors priors.toml"),
    "priors without a model": Case(dataset, "--model charz priors --help", "priors data.nc"),
    "priors over their data": Case(dataset, "also an input", "priors data.nc --model logistic --toml data.nc"),
    "priors of another kind": Case(telegraph, "'telegraph' pulse_switching", "priors data.nc --model logistic"),
    "check of a dataset": Case(dataset, "data.nc not a posterior charz fit", "check data.nc"),
    "comparison with a missing file": Case(None, "a.nc no such file", "compare a.nc b.nc"),
    "comparison with itself": Case(None, "a.nc named twice", "compare a.nc a.nc"),
    "comparison of datasets": Case(dataset, "data.nc not a posterior", "compare data.nc other.nc"),
    "comparison of nothing": Case(None, "A.nc charz compare --help", "compare"),
}  # fmt: skip


def prepare(folder, content):
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, bytes):
        (folder / "bad.csv").write_bytes(content)
    elif content is not None:
        content(folder)
    return sorted((path.name, path.stat().st_size) for path in folder.iterdir())


def check(case, code, out, err, before, folder):
    assert code == 2, err
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("charz: error: ")
    assert "Traceback" not in err
    position = 0
    for word in case.words.split(" "):  # in this order
        assert word in err[position:], f"{word!r} of {case.words!r} is not in: {err}"
        position = err.index(word, position)
    assert sorted((path.name, path.stat().st_size) for path in folder.iterdir()) == before


@pytest.mark.parametrize("name", CASES)
def test_one_line_exit_code_2_and_no_file(name, tmp_path, monkeypatch, capsys):
    case = CASES[name]
    before = prepare(tmp_path, case.content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["charz", *shlex.split(case.command)])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    check(case, caught.value.code, captured.out, captured.err, before, tmp_path)


@pytest.mark.parametrize("name", ["text in numbers", "unknown option"])
def test_the_installed_command_does_the_same(name, tmp_path):
    case = CASES[name]
    before = prepare(tmp_path, case.content)
    command = [sys.executable, "-c", "from charz.cli import main; main()", *shlex.split(case.command)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    check(case, done.returncode, done.stdout, done.stderr, before, tmp_path)


def test_an_older_result_survives_a_failure(tmp_path, monkeypatch):
    (tmp_path / "out.nc").write_text("older")
    prepare(tmp_path, CASES["counts above trials"].content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["charz", *shlex.split(CONVERT)])
    with pytest.raises(SystemExit):
        main()
    assert (tmp_path / "out.nc").read_text() == "older"


def test_there_are_enough_cases():
    assert len(CASES) >= 25
