"""`charz train` with a recorded trace as the noise of all nodes, from outside: what is replayed, said and refused."""

import json

import numpy as np
import pytest
import xarray as xr
from design_telegraph import dataset_of, states

from charz import store
from charz.devices import RecordedNoise

# A network of 64-10 has ten noisy nodes.
RUN = ["--data", "digits", "--epochs", "1", "--repeats", "1"]
DANP = ["train", "--scheme", "danp", "--learning-rate", "0.02", *RUN]
NODES = 10


def telegraph(num_samples=6000, seed=0):
    """Two levels 12 mV apart, flips 0.08 a sample, with read noise, in V."""
    generator = np.random.default_rng(seed)
    levels = 0.036 + 0.012 * states(generator, 0.08, 0.08, num_samples)
    return levels + 0.001 * generator.standard_normal(num_samples)


def recorded(path, *signals, unit="V"):
    dataset = dataset_of(np.stack(signals))
    dataset["signal"].attrs["units"] = unit
    store.save(dataset, path)
    return path


@pytest.fixture
def record(tmp_path):
    """One junction's record."""
    return recorded(tmp_path / "record.nc", telegraph())


@pytest.fixture
def output(tmp_path):
    return tmp_path / "run.nc"


@pytest.mark.parametrize(
    ("cut", "said"),
    [([], "strided"), (["--cut", "row-major"], "NEIGHBOURING NODES FLUCTUATE TOGETHER")],
    ids=["strided", "row-major"],
)
def test_a_record_is_replayed_and_its_cut_is_said(cut, said, charz, record, output):
    code, out, _ = charz(*DANP, "--device", record, *cut, "-o", output)
    run = xr.load_dataset(output)
    described = RecordedNoise(telegraph(), cut[-1] if cut else "strided").describe(NODES)
    assert code == 0
    assert said in described
    assert run.attrs["device"] == f"d0 of record.nc, a sample every 0.001 s: {described}"
    assert run.attrs["device"] in " ".join(out.split())
    assert not [name for name in run if str(name).startswith("device")]  # the record is named, not copied


def test_the_cut_of_a_record_decides_what_is_learnt(charz, record, output):
    """The same seed and record: only the cut differs, and with it the noise of every node."""
    weights = []
    for cut in ("strided", "row-major", "strided"):
        assert charz(*DANP, "--device", record, "--cut", cut, "-o", output)[0] == 0
        weights.append(xr.load_dataset(output)["weight_0"].values)
    np.testing.assert_array_equal(weights[0], weights[2])
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


def test_a_gain_turns_the_signal_into_volts(charz, record, tmp_path, output):
    """A record in amperes with the gain that undoes the change of unit learns what the record in V does."""
    current = recorded(tmp_path / "current.nc", 1e-3 * telegraph(), unit="A")
    code, _, err = charz(*DANP, "--device", current, "-o", output)
    assert code == 2
    assert all(word in err for word in ("current.nc", "measured in A", "--gain"))
    assert charz(*DANP, "--device", current, "--gain", "1000", "-o", output)[0] == 0
    scaled = xr.load_dataset(output)["weight_0"].values
    assert charz(*DANP, "--device", record, "-o", output)[0] == 0
    np.testing.assert_allclose(scaled, xr.load_dataset(output)["weight_0"].values, atol=1e-3)


def test_one_of_several_records_is_asked_for(charz, tmp_path, output):
    """Records of different length: the padding behind the shorter one is not replayed."""
    short = np.r_[telegraph(seed=1), np.full(2000, np.nan)]
    several = recorded(tmp_path / "several.nc", telegraph(8000), short)
    code, _, err = charz(*DANP, "--device", several, "-o", output)
    assert code == 2
    assert all(word in err for word in ("2 devices", "--record", "d0, d1"))
    code, _, err = charz(*DANP, "--device", several, "--record", "d7", "-o", output)
    assert code == 2
    assert all(word in err for word in ("'d7'", "d0, d1"))
    code, out, _ = charz(*DANP, "--device", several, "--record", "d1", "--json", "-o", output)
    run = xr.load_dataset(output)
    assert code == 0
    assert run.attrs["device"].startswith("d1 of several.nc")
    assert "record of 6000 samples" in run.attrs["device"]
    assert json.loads(run.attrs["provenance"])["settings"]["record"] == "d1"
    assert json.loads(out)["accuracy"]["mean"] > 0.1


def test_a_record_has_no_posterior_to_predict_from(charz, record, output):
    code, _, err = charz("predict", "--scheme", "danp", "--device", record, "--data", "digits", "-o", output)
    assert code == 2
    assert all(word in err for word in ("posterior draws", "charz train", "--model two-state"))
    assert err.count("\n") == 1
    assert not output.exists()


BAD = {
    "unknown cut": (["--cut", "diagonal"], ["diagonal", "strided, row-major"]),
    "interval": (["--read-interval", "1e-3"], ["--read-interval", "sample by sample"]),
    "more nodes than samples": (["--network", "7000-10"], ["6000 samples", "7010 nodes"]),
}


@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD)
def test_bad_requests_of_a_record_end_in_one_line(arguments, words, charz, record, output):
    code, _, err = charz(*DANP, "--device", record, *arguments, "-o", output)
    assert code == 2
    assert err.count("\n") == 1
    assert all(word in err for word in words)
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scheme", "danp", "--device", "published-junction", "--cut", "strided"], ["--cut", "recorded"]),
        (["--scheme", "danp", "--device", "published-junction", "--record", "d0"], ["--record", "telegraph"]),
        (["--scheme", "mean-variance", "--device", "mean-wire", "--cut", "strided"], ["--cut", "noise"]),
        (["--scheme", "backprop", "--record", "d0"], ["--record", "noise"]),
        (["--scheme", "homodyne", "--data", "gates", "--cut", "strided"], ["--cut"]),
    ],
)
def test_options_of_records_are_for_records(arguments, words, charz, output):
    code, _, err = charz("train", *arguments, "-o", output)
    assert code == 2
    assert err.count("\n") == 1
    assert all(word in err for word in words)


def gap_in_time():
    """Time stamps in place of an interval, with a hole."""
    dataset = dataset_of(telegraph()[None])
    elapsed = 1e-3 * np.arange(6000.0)
    elapsed[3000:] += 1.0
    stamps = (("device", "time"), elapsed[None], {"units": "s", "long_name": "time"})
    return dataset.drop_vars("sample_interval").assign(elapsed=stamps)


def even_time():
    dataset = gap_in_time()
    dataset["elapsed"] = dataset["elapsed"].copy(data=2e-3 * np.arange(6000.0)[None])
    return dataset


RECORDS = {
    "gap in time": (gap_in_time, 2, ["largest step of 1", "cut it at the gaps"]),
    "even time": (even_time, 0, ["a sample every 0.002 s"]),
    "no time": (
        lambda: dataset_of(telegraph()[None]).drop_vars("sample_interval"),
        0,
        ["sample interval not known"],
    ),
    "gap in the signal": (
        lambda: dataset_of(np.where(np.arange(6000) == 77, np.nan, telegraph())[None]),
        2,
        ["no finite voltage at sample 77"],
    ),
    "drift": (lambda: dataset_of(np.linspace(0, 1, 6000)[None]), 2, ["correlation times", "drift"]),
    "nothing": (lambda: dataset_of(np.full((1, 6000), np.nan)), 2, ["trace has shape (0,)"]),
}


@pytest.mark.parametrize(("make", "expected", "words"), RECORDS.values(), ids=RECORDS)
def test_records_that_can_and_cannot_be_replayed(make, expected, words, charz, tmp_path, output):
    path = tmp_path / "record.nc"
    store.save(make(), path)
    code, out, err = charz(*DANP, "--device", path, "-o", output)
    assert code == expected
    assert all(word in " ".join((out + err).split()) for word in words)


def test_a_dataset_of_another_kind_is_refused(charz, tmp_path, output):
    dataset = xr.Dataset(
        {
            name: (("device", "setting"), values, {"units": unit, "long_name": name})
            for name, values, unit in (
                ("amplitude", np.ones((1, 2)), "V"),
                ("num_trials", np.full((1, 2), 10), "1"),
                ("num_switched", np.full((1, 2), 5), "1"),
            )
        },
        coords={"device": ["d0"]},
        attrs={"experiment": "pulse_switching"},
    )
    store.save(dataset, tmp_path / "pulses.nc")
    code, _, err = charz(*DANP, "--device", tmp_path / "pulses.nc", "-o", output)
    assert code == 2
    assert all(word in err for word in ("pulse_switching", "danp", "telegraph"))
