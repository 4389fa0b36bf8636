"""`charz energy` from outside: the numbers follow from counts and inputs, with intervals; what cannot be is refused."""

import json

import numpy as np
import pytest
import xarray as xr

from charz import store
from charz.learning import SCHEMES, Inference, MeanVariance
from charz.learning.energy import event_attrs

INPUTS = """
[cell]
conductance = "10 uS"
read_voltage = "0.2 V"
read_time = "10 ns"
write_voltage = "1 V"
pulse_width = "5 ns"
[periphery]
driver = "10 fJ"
comparator = "30 fJ"
adc = "2 pJ"
dac = "500 fJ"
"""


@pytest.fixture
def inputs(tmp_path):
    path = tmp_path / "inputs.toml"
    path.write_text(INPUTS, encoding="utf-8")
    return path


@pytest.fixture
def result(tmp_path):
    """A stored prediction of a stochastic perceptron, 64-10, at so many reads."""

    def make(num_reads, name=None):
        path = tmp_path / (name or f"n{num_reads}.nc")
        accuracy = 0.8 + 0.02 * np.log2(num_reads) + np.linspace(-0.02, 0.02, 20)
        scheme = MeanVariance((64, 10), num_reads=num_reads)
        attrs = {"scheme": "mean-variance", "inference": "single-shot", **event_attrs(scheme, Inference())}
        store.save_result(xr.Dataset({"accuracy": ("draw", accuracy)}, attrs=attrs), path)
        return path

    return make


def test_energy_of_stochastic_reads_by_hand(charz, inputs, result):
    """N measurements: each a pulse and a read of 640 wires, 64 conversions in and 10 out."""
    code, out, _ = charz("energy", result(16), "--inputs", inputs, "--json")
    (row,) = json.loads(out)["results"]
    read, pulse = 0.04 * 1e-5 * 1e-8, 1e-5 * 5e-9
    once = 16 * (640 * (read + pulse) + 64 * 5e-13 + 10 * 2e-12)
    assert code == 0
    assert row["per_inference"]["mean"] == pytest.approx(once, rel=1e-9)
    assert row["tops_per_watt"]["mean"] == pytest.approx(2 * 640 / once / 1e12, rel=1e-9)


def test_accuracy_against_energy_over_reads(charz, inputs, result, tmp_path):
    plot = tmp_path / "energy.png"
    code, out, _ = charz("energy", *map(result, (1, 4, 16, 64)), "--inputs", inputs, "--plot", plot, "--json")
    rows = json.loads(out)["results"]
    energies = [row["per_inference"]["mean"] for row in rows]
    assert code == 0
    np.testing.assert_allclose(np.divide(energies, energies[0]), [1, 4, 16, 64])
    assert [row["result"] for row in rows] == ["n1", "n4", "n16", "n64"]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_stated_range_is_an_interval(charz, inputs, result):
    """Of the read energy alone, which is proportional to the conductance: 90 % of an even spread."""
    inputs.write_text(
        '[cell]\nconductance = ["2 uS", "20 uS"]\nwrite_voltage = "0 V"\n[periphery]\nadc = "0 J"\ndac = "0 J"\n',
        encoding="utf-8",
    )
    _, out, _ = charz("energy", result(1), "--inputs", inputs, "--draws", 4000, "--json")
    found = json.loads(out)
    once = found["results"][0]["per_inference"]
    unit = 640 * 0.01 * 1e-8
    # Standard error of a quantile of an even spread over 18 µS at 4000 draws: 18 sqrt(0.05 × 0.95 / 4000) = 0.06 µS.
    np.testing.assert_allclose(
        [once["q05"], once["q95"]], [2.9e-6 * unit, 19.1e-6 * unit], atol=0.25e-6 * unit
    )
    origins = {row["name"]: row["from"] for row in found["inputs"]}
    assert origins["conductance"] == "stated"
    assert origins["read_time"] == "assumed"


def test_training_of_memristors_is_counted(charz, inputs, tmp_path):
    """Pulses, reads and comparisons in the file's counts give the energy that is printed."""
    path = tmp_path / "run.nc"
    arguments = ["--scheme", "binary-stochastic", "--device", "example-memristor", "--carry-digits", "2"]
    assert charz("train", *arguments, "--data", "digits", "--epochs", "1", "-o", path)[0] == 0
    _, out, _ = charz("energy", path, "--inputs", inputs, "--json")
    run, (row,) = xr.load_dataset(path), json.loads(out)["results"]
    reads = 2 * float(run["count_reads"])  # two digits a weight
    pulses = float(run["count_pulses"] + run["count_carry_pulses"])
    devices = reads * 0.04 * 1e-5 * 1e-8 + pulses * 1e-5 * 5e-9
    # Inputs are analog: 64 conversions a pass.
    periphery = float(run["count_comparisons"]) * 3e-14 + reads / (2 * 640) * 64 * 5e-13
    assert row["training"]["mean"] == pytest.approx(devices + periphery, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cell]\nconductance = 5\n", "a number with its unit in quotes"),
        ('[cell]\nconductance = "5 V"\n', "conductance"),
        ('[cell]\nconductance = ["5 S", "1 S"]\n', "the lowest value first"),
        ('[cell]\nconductance = "-5 S"\n', "0 or more"),
        ('[cell]\nresistance = "5 ohm"\n', "cell.resistance is not known"),
        ('[cells]\nconductance = "5 S"\n', "section 'cells' is not known"),
        ("cell = 3\n", "it must be a section"),
        ("[cell\n", "not a valid TOML file"),
        ('[periphery]\nadc = "1 pJ"\n', "no conductance"),
    ],
)
def test_inputs_that_cannot_be(charz, inputs, result, text, message):
    inputs.write_text(text, encoding="utf-8")
    code, _, err = charz("energy", result(1), "--inputs", inputs)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_files_that_say_nothing(charz, inputs, result, tmp_path):
    other, broken = tmp_path / "other.nc", tmp_path / "broken.nc"
    store.save_result(xr.Dataset({"accuracy": 0.5}), other)
    store.save_result(xr.Dataset({"accuracy": 0.5}, attrs={"inference_events": "[1]"}), broken)
    for arguments, message in (
        ((other, "--inputs", inputs), "no counted events"),
        ((broken, "--inputs", inputs), "cannot be read"),
        ((inputs, "--inputs", inputs), "not a readable netCDF file"),
        ((inputs,), "not a readable netCDF file"),
        ((result(1), "--inputs", tmp_path / "none.toml"), "no such file"),
        ((result(1), "--inputs", inputs, "--draws", "1"), "--draws is 1"),
        ((result(1), "--device", other), "other.nc"),
    ):
        code, _, err = charz("energy", *arguments)
        assert code == 2
        assert message in err


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_scheme_counts_an_inference_or_says_why_not(name):
    scheme = SCHEMES[name]((8, 4))
    kept = event_attrs(scheme, Inference("votes", 3), {"reads": 1e6})
    if scheme.devices is None:
        assert "has no devices" in kept["no_inference_events"]
        return
    votes, single = (
        json.loads(event_attrs(scheme, inference)["inference_events"])
        for inference in (Inference("votes", 3), Inference())
    )
    assert votes["reads"] == 3 * single["reads"] > 0
    assert json.loads(kept["training_events"])["reads"] > 0


def test_the_mean_field_has_no_energy():
    kept = event_attrs(MeanVariance((8, 4), num_reads=None), Inference())
    assert "never measured" in kept["no_inference_events"]
