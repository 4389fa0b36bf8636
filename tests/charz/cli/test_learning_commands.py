"""`charz train` and `charz predict` from outside: tables, JSON, files, exit codes."""

import json

import numpy as np
import pytest
import xarray as xr

QUICK = ["--data", "digits", "--epochs", "3"]


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
    code, out, _ = charz(
        "train", "--scheme", "backprop", *QUICK, "--network", "16-10", "-o", tmp_path / "run.nc"
    )
    assert code == 0
    assert "64-16-10" in out
    assert "N =" not in out


def test_a_quantized_convolution_is_stored_with_its_normalisation(charz, tmp_path):
    path = tmp_path / "run.nc"
    code, out, _ = charz(
        "train", "--scheme", "gxnor", *QUICK, "--network", "4C3-MP2-10", "--transition-gain", "2", "--repeats", "1",
        "--json", "-o", path,
    )  # fmt: skip
    run = xr.load_dataset(path)
    assert code == 0
    assert run["weight_0"].shape == (9, 4)
    assert set(np.unique(run["weight_1"])) <= {-1, 0, 1}
    assert run["scale_1"].dims == run["shift_1"].dims == ("output_1",)
    assert (run["estimator_0_variance"] > 0).all()
    assert json.loads(out)["noise_free_accuracy"] == float(run["accuracy"][0])


def test_a_stopped_training_goes_on(charz, tmp_path):
    """The file of a training in two parts is that of one that was not stopped."""
    whole, parts, saved = tmp_path / "whole.nc", tmp_path / "parts.nc", tmp_path / "run.npz"
    arguments = ["train", "--scheme", "gxnor", *QUICK, "--network", "16-10", "--repeats", "1"]
    assert charz(*arguments, "-o", whole)[0] == 0
    assert charz(*arguments, "--checkpoint", saved, "-o", parts)[0] == 0
    again = [*arguments, "--checkpoint", saved, "-o", parts]
    code, _, err = charz(*again)
    assert code == 2
    assert "run.npz exists; add --resume" in err
    assert charz(*again, "--resume")[0] == 0
    assert whole.read_bytes() == parts.read_bytes()
    assert xr.load_dataset(whole)["count_writes"] > 0
    code, _, err = charz(*again, "--resume", "--seed", "1")
    assert code == 2
    assert "the state of another run" in err
    saved.unlink()
    code, _, err = charz(*again, "--resume")
    assert code == 2
    assert "run.npz does not exist" in err


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


@pytest.fixture(scope="module")
def telegraph_file(tmp_path_factory):
    """Posterior of a short simulated record of four junctions, in volts."""
    import jax
    from designs import DESIGNS

    from charz.fitting import fit

    path = tmp_path_factory.mktemp("telegraph") / "junctions.nc"
    design = DESIGNS["telegraph"]["two-state"]
    options = {"pool": "complete", "method": "laplace", "draws": 100}
    posterior = fit(simulated(design), "two-state", key=jax.random.key(0), **options)
    posterior.save(path)
    return path


def simulated(design):
    """Records of two levels 12 mV apart, flips 0.08 a sample, in place of the design's placeholder."""
    generator = np.random.default_rng(0)
    dataset = design.dataset.isel(device=[0]).copy(deep=True)
    shape = dataset["signal"].shape
    state = np.cumsum(generator.uniform(size=shape) < 0.08, axis=-1) % 2
    signal = 0.036 + 0.012 * state + 0.001 * generator.standard_normal(shape)
    dataset["signal"] = dataset["signal"].copy(data=signal)
    dataset["signal"].attrs["units"] = "V"
    return dataset


def test_perturbation_learns_on_junctions_and_says_both_accuracies(charz, tmp_path):
    path = tmp_path / "run.nc"
    code, out, _ = charz(
        "train", "--scheme", "danp", "--device", "published-junction", *QUICK, "--learning-rate", "0.02",
        "--network", "16-10", "--json", "-o", path,
    )  # fmt: skip
    result, run = json.loads(out), xr.load_dataset(path)
    assert code == 0
    assert result["num_devices"] == 26
    assert run["accuracy"].dims == ("repeat",)
    np.testing.assert_allclose(result["noise_free_accuracy"], run["noise_free_accuracy"])
    assert run["estimator_decorrelation_0_mixing"].shape == (64, 64)
    assert "standardised" in run.attrs["data"]
    assert "per read" not in run.attrs["device"]


@pytest.mark.slow
def test_a_fitted_record_gives_every_node_its_junction(charz, telegraph_file, tmp_path):
    design = ["--draws", "2", "--arrays", "1", "--seeds", "1", "--repeats", "2"]
    code, out, err = charz(
        "predict", "--scheme", "activity-perturbation", "--device", telegraph_file, *QUICK, *design,
        "-o", tmp_path / "prediction.nc",
    )  # fmt: skip
    assert code in (0, 3), err  # a short record may not have converged, which is said
    assert "correlation time" in " ".join(out.split())
    assert xr.load_dataset(tmp_path / "prediction.nc")["accuracy"].shape == (2, 1, 1, 2)


def test_a_record_of_noise_is_no_material(charz, telegraph_file, tmp_path):
    code, _, err = charz(
        "train",
        "--scheme",
        "homodyne",
        "--data",
        "gates",
        "--device",
        telegraph_file,
        "-o",
        tmp_path / "out.nc",
    )
    assert code == 2
    assert "transfer" in err


def test_a_record_cannot_be_a_synapse_nor_wires_a_noise(charz, telegraph_file, tmp_path):
    code, _, err = charz("train", "--device", telegraph_file, "-o", tmp_path / "out.nc")
    assert code == 2
    assert "pulse_switching" in err
    code, _, err = charz("train", "--scheme", "danp", "--device", "mean-wire", "-o", tmp_path / "out.nc")
    assert code == 2
    assert "mean-wire" in err


def test_a_record_cannot_be_a_memristor(charz, telegraph_file, tmp_path):
    code, _, err = charz(
        "train",
        "--scheme",
        "binary-stochastic",
        "--device",
        telegraph_file,
        *QUICK,
        "-o",
        tmp_path / "run.nc",
    )
    assert code == 2
    assert all(word in err for word in ("two-state", "telegraph", "pulse_train", "soft-bounds"))


def test_gates_in_a_material(charz, tmp_path):
    """One start of a few measurements: whether it is solved is the device's affair, the numbers are labelled."""
    path = tmp_path / "gates.nc"
    code, out, _ = charz(
        "train", "--scheme", "homodyne", "--data", "gates", "--device", "synthetic-material", "--restarts", "2",
        "--epochs", "6", "--seed", "5", "--json", "-o", path,
    )  # fmt: skip
    result, run = json.loads(out), xr.load_dataset(path)
    assert code == 0
    assert list(result["gates"]) == ["AND", "OR", "NAND", "NOR", "XOR", "XNOR"]
    assert run["control"].dims == ("draw", "gate", "restart", "electrode")
    assert run["control"].attrs["units"] == "V"
    assert run.sizes["restart"] == 2
    assert "do not leak" in run.attrs["tones"]
    for index, one in enumerate(result["gates"].values()):
        assert one["starts_solved"] == int(run["solved"][0, index].sum())


def test_probability_of_a_gate_has_an_interval(charz, tmp_path):
    path = tmp_path / "gates.nc"
    code, out, _ = charz(
        "predict", "--scheme", "homodyne", "--data", "xor", "--device", "synthetic-material", "--draws", "3",
        "--restarts", "1", "--epochs", "4", "--json", "-o", path,
    )  # fmt: skip
    xor = json.loads(out)["gates"]["XOR"]
    assert code == 0
    assert 0 <= xor["q05"] <= xor["mean"] <= xor["q95"] <= 1
    assert xr.load_dataset(path).sizes["draw"] == 3


BAD = {
    "unknown scheme": (["train", "--scheme", "magic"], ["magic", "mean-variance"]),
    "no device": (["train"], ["--device", "charz fit"]),
    "device for software": (["train", "--scheme", "backprop", "--device", "x.nc"], ["software"]),
    "missing posterior": (["train", "--device", "none.nc"], ["none.nc"]),
    "unknown data": (["train", "--device", "mean-wire", "--data", "letters"], ["letters", "digits"]),
    "network": (["train", "--device", "mean-wire", "--network", "a-10"], ["'a'", "32C5"]),
    "classes": (["train", "--device", "mean-wire", "--network", "16-9"], ["16-9", "10 classes"]),
    "convolution": (["train", "--device", "mean-wire", "--network", "8C3-10"], ["8C3-10", "mean-variance"]),
    "reads": (["train", "--device", "mean-wire", "--num-reads", "many"], ["--num-reads", "many"]),
    "no reads": (["train", "--device", "mean-wire", "--num-reads", "0"], ["num_reads", "at least once"]),
    "repeats": (["train", "--device", "mean-wire", "--repeats", "0"], ["--repeats"]),
    "mode": (["predict", "--device", "mean-wire", "--mode", "guess"], ["guess", "transfer"]),
    "option of another scheme": (
        ["train", "--scheme", "backprop", "--num-reads", "4"],
        ["--num-reads", "does not apply", "--learning-rate"],
    ),
    "junction needs a device": (["train", "--scheme", "danp"], ["--device", "published-junction"]),
    "read interval of a synapse": (
        ["train", "--device", "mean-wire", "--read-interval", "1e-6"],
        ["--read-interval", "noise"],
    ),
    "gain of the published junction": (
        ["train", "--scheme", "danp", "--device", "published-junction", "--gain", "2"],
        ["--gain", "per read"],
    ),
    "gates on digits": (
        ["train", "--scheme", "homodyne", "--device", "synthetic-material", "--data", "digits"],
        ["digits", "gates"],
    ),
    "gates without a device": (
        ["train", "--scheme", "homodyne", "--data", "gates"],
        ["--device", "transfer", "synthetic-material"],
    ),
    "electrodes in words": (
        ["train", "--scheme", "homodyne", "--data", "gates", "--data-electrodes", "one"],
        ["--data-electrodes", "0,1"],
    ),
    "one electrode twice": (
        ["train", "--scheme", "homodyne", "--data", "gates", "--data-electrodes", "1,1"],
        ["(1, 1)", "two inputs"],
    ),
    "no such electrode": (
        [
            "train",
            "--scheme",
            "homodyne",
            "--data",
            "xor",
            "--device",
            "synthetic-material",
            "--data-electrodes",
            "0,9",
        ],
        ["(0, 9)", "7 electrodes"],
    ),
    "reads of a material": (
        ["train", "--scheme", "homodyne", "--data", "gates", "--num-reads", "2"],
        ["--num-reads", "--restarts"],
    ),
    "preprocessing of a material": (
        ["train", "--scheme", "homodyne", "--data", "gates", "--preprocess", "gray"],
        ["--preprocess", "material"],
    ),
    "no draws of a material": (
        [
            "predict",
            "--scheme",
            "homodyne",
            "--data",
            "gates",
            "--device",
            "synthetic-material",
            "--draws",
            "0",
        ],
        ["draws is 0"],
    ),
    "inference": (["train", "--device", "mean-wire", "--inference", "guess"], ["guess", "votes"]),
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
