"""`charz train` and `charz predict` from outside: tables, JSON, files, exit codes."""

import json

import numpy as np
import pytest
import xarray as xr

from charz.cli.app import main

QUICK = ["--data", "digits", "--epochs", "3"]


@pytest.fixture
def charz(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["charz", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
        seen = capsys.readouterr()
        return leaving.value.code, seen.out, seen.err

    return run


def test_train_writes_a_labelled_run_and_prints_the_same_numbers(charz, tmp_path):
    path = tmp_path / "run.nc"
    arguments = ["train", "--scheme", "mean-variance", "--device", "mean-wire", *QUICK, "--num-reads", "16"]
    code, out, _ = charz(*arguments, "--json", "-o", path)
    result = json.loads(out)
    run = xr.load_dataset(path)
    assert code == 0
    np.testing.assert_allclose(result["accuracy"]["mean"], run["accuracy"].mean())
    assert result["num_devices"] == 640
    assert run["weight_0"].dims == ("wire", "input_0", "output_0")
    assert run["weight_0"].attrs["units"] == "arb"
    assert run.sizes["epoch"] == result["epochs"] == 3
    assert json.loads(run.attrs["provenance"])["seed"] == 0
    first = path.read_bytes()
    assert charz(*arguments, "-o", path)[0] == 0
    assert path.read_bytes() == first  # the same seed gives the same file


def test_software_baseline_needs_no_device(charz, tmp_path):
    code, out, _ = charz("train", "--scheme", "backprop", *QUICK, "--hidden", "16", "-o", tmp_path / "run.nc")
    assert code == 0
    assert "64-16-10" in out
    assert "N =" not in out


def test_predict_writes_accuracies_with_their_split(charz, tmp_path):
    path, plot = tmp_path / "prediction.nc", tmp_path / "prediction.png"
    design = ["--draws", "3", "--arrays", "2", "--seeds", "1", "--repeats", "2", "--mode", "transfer"]
    code, out, _ = charz(
        "predict", "--device", "mean-wire", *QUICK, "--num-reads", "16", *design, "--plot", plot, "--json", "-o", path
    )  # fmt: skip
    result = json.loads(out)
    prediction = xr.load_dataset(path)
    assert code == 0
    assert prediction["accuracy"].shape == (3, 2, 1, 2)
    np.testing.assert_allclose(result["accuracy"]["mean"], prediction["accuracy"].mean(), rtol=1e-6)
    assert set(result["variance"]) == {"parameters", "device_to_device", "cycle_to_cycle", "seed"}
    assert result["variance"]["seed"] is None
    assert plot.read_bytes().startswith(b"\x89PNG")


BAD = {
    "unknown scheme": (["train", "--scheme", "magic"], ["magic", "mean-variance"]),
    "no device": (["train"], ["--device", "charz fit"]),
    "device for software": (["train", "--scheme", "backprop", "--device", "x.nc"], ["software"]),
    "missing posterior": (["train", "--device", "none.nc"], ["none.nc"]),
    "unknown data": (["train", "--device", "mean-wire", "--data", "letters"], ["letters", "digits"]),
    "hidden": (["train", "--device", "mean-wire", "--hidden", "a,b"], ["--hidden", "a,b"]),
    "reads": (["train", "--device", "mean-wire", "--num-reads", "many"], ["--num-reads", "many"]),
    "no reads": (["train", "--device", "mean-wire", "--num-reads", "0"], ["num_reads", "at least once"]),
    "repeats": (["train", "--device", "mean-wire", "--repeats", "0"], ["--repeats"]),
    "mode": (["predict", "--device", "mean-wire", "--mode", "guess"], ["guess", "transfer"]),
    "software": (["predict", "--scheme", "backprop"], ["no devices", "charz train"]),
    "draws": (["predict", "--device", "mean-wire", "--draws", "0"], ["draws is 0"]),
}


@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD)
def test_bad_requests_end_in_one_line(arguments, words, charz, tmp_path):
    code, _, err = charz(*arguments, "-o", tmp_path / "out.nc")
    assert code == 2
    assert err.count("\n") == 1
    assert all(word in err for word in words)
    assert not list(tmp_path.iterdir())


def test_demo_refuses_a_file_as_folder(charz, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, err = charz("demo", "--out", tmp_path / "taken")
    assert code == 2
    assert "is a file" in err
