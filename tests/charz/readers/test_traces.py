"""Kinds whose rows are points of a trace: padded arrays in the order of the file."""

import numpy as np
import pytest

import charz
from charz.errors import ReadError, SchemaError
from charz.schema import validate


def read(tmp_path, text, kind, **options):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    return charz.read(path, kind, **options)


def test_sweeps_by_cycle_are_padded(tmp_path):
    text = "cycle,voltage (V),current (uA),compliance (mA)\n1,0,0,5\n1,1,10,5\n1,2,20,5\n7,0,0,6\n7,1,-10,6\n"
    dataset = read(tmp_path, text, "iv_sweep")
    assert dict(dataset.sizes) == {"device": 1, "cycle": 2, "point": 3}
    assert dataset["cycle"].values.tolist() == [1, 7]
    np.testing.assert_allclose(dataset["current"][0], [[0, 1e-5, 2e-5], [0, -1e-5, np.nan]])
    np.testing.assert_allclose(dataset["compliance"], [[5e-3, 6e-3]])


def test_a_telegraph_trace_keeps_its_order(tmp_path):
    text = "device,signal (mV),elapsed (ms)\nb,3,0\na,1,0\nb,4,1\n"
    dataset = read(tmp_path, text, "telegraph")
    assert dataset["device"].values.tolist() == ["b", "a"]
    np.testing.assert_allclose(dataset["signal"], [[3e-3, 4e-3], [1e-3, np.nan]])


def test_retention_in_either_quantity(tmp_path):
    columns = {"elapsed": "t", "resistance": "r"}
    units = {"elapsed": "s", "resistance": "ohm"}
    dataset = read(tmp_path, "t,r\n0.0,28674.95\n10.01,28693.1\n", "retention", columns=columns, units=units)
    np.testing.assert_allclose(dataset["elapsed"], [[0, 10.01]])


def test_ramps_are_one_row_a_cycle(tmp_path):
    dataset = read(tmp_path, "cycle,threshold (V),censored\n1,1.1,0\n2,2.5,2\n", "ramp_switching")
    assert dataset["censored"].values.tolist() == [[0, 2]]
    named = read(tmp_path, "cycle,threshold (V)\n0.5,1.1\n1.5,2.5\n", "ramp_switching")
    assert named["cycle"].values.tolist() == [0.5, 1.5]
    numbered = read(tmp_path, "threshold (V),x\n1.1,0\n2.5,0\n", "ramp_switching")
    assert dict(numbered.sizes) == {"device": 1, "cycle": 2}


def test_pulse_trains_and_loops(tmp_path):
    train = read(tmp_path, "cycle,conductance (uS),polarity\n1,5,1\n1,6,-1\n", "pulse_train")
    np.testing.assert_allclose(train["conductance"], [[[5e-6, 6e-6]]])
    loop = read(tmp_path, "field (Oe),signal (V)\n-100,1\n100,2\n", "hysteresis")
    np.testing.assert_allclose(loop["field"][0, 0], np.array([-1, 1]) * 1e5 / (4 * np.pi))
    assert validate(loop) is loop


@pytest.mark.parametrize(
    ("text", "kind", "options", "error", "words"),
    [
        ("signal (V),x\n1,2\n3,4\n", "telegraph", {"switched": "x > 2"}, ReadError, "leave it out"),
        (
            "cycle,threshold (V)\n1,2\n1,4\n",
            "ramp_switching",
            {},
            SchemaError,
            "line 3: a second row for the same",
        ),
        ("threshold (V),censored\n1,0\n2,inf\n", "ramp_switching", {}, SchemaError, "line 3: censored = inf"),
        ("threshold (V),censored\n1,0\n2,0.5\n", "ramp_switching", {}, SchemaError, "line 3: censored = 0.5"),
        (
            "voltage (V),current (A),compliance (A)\n1,1,1\n2,2,2\n",
            "iv_sweep",
            {},
            SchemaError,
            "compliance = 1 differs from another row of the same device and cycle",
        ),
        ("elapsed (s),resistance (ohm)\n1,1\n0,2\n", "retention", {}, SchemaError, "time runs forward"),
        (
            "elapsed (s),x\n1,1\n2,2\n",
            "retention",
            {},
            ReadError,
            r"needs 'resistance' .*\(or conductance, er",
        ),
    ],
)
def test_what_is_refused(tmp_path, text, kind, options, error, words):
    with pytest.raises(error, match=words):
        read(tmp_path, text, kind, **options)


def test_samples_keep_the_labels_of_their_rows(tmp_path):
    text = "device,cycle,voltage (V),current (A)\na,1,1,2\nb,1,3,4\nb,2,5,6\n"
    dataset = read(tmp_path, text, "transfer")
    assert dict(dataset.sizes) == {"sample": 3, "electrode": 1}
    assert dataset["device"].values.tolist() == ["a", "b", "b"]
    assert dataset["cycle"].values.tolist() == [1, 1, 2]


def test_what_is_expected_says_nothing_of_masked_values(tmp_path):
    text = "field (V),signal (A)\n1,1\n2,9e9\n3,3\n"
    rules = {"mask": {"signal": "signal > 1e9"}, "expect": ["signal <= field"]}
    assert int(read(tmp_path, text, "hysteresis", **rules)["signal"].isnull().sum()) == 1
    with pytest.raises(
        ReadError, match=r"line 3: 'signal <= field' does not hold \(signal = 9e\+09, field = 2"
    ):
        read(tmp_path, text, "hysteresis", expect=["signal <= field"])


def test_padding_is_said(tmp_path):
    ragged = read(tmp_path, "device,signal (V)\na,1\na,2\nb,3\n", "telegraph")
    assert ragged.attrs["remarks"] == [
        "records of different lengths are padded to one table: 1 of 4 cells (device, time) hold no reading"
    ]
    assert "remarks" not in read(tmp_path, "device,signal (V)\na,1\nb,3\n", "telegraph").attrs
    counts = "device,amplitude (V),num_trials,num_switched\na,1,9,1\na,2,9,2\nb,1,9,3\n"
    assert "1 of 4 cells" in read(tmp_path, counts, "pulse_switching").attrs["remarks"][0]
