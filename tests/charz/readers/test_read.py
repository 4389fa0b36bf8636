"""`charz.read`: from lab-like files to validated datasets, and the sentence for each thing left unsaid."""

import json

import numpy as np
import pytest

import charz
from charz.errors import CharzError, ExpressionError, ReadError, SchemaError, UnitError
from charz.provenance import sha256

COUNTS = "wire,amplitude (mV),width (ns),num_trials,num_switched\n" + "".join(
    f"w{wire},{volts},20,100,{volts // 10}\n" for wire in (2, 1) for volts in (100, 300, 200)[: wire + 1]
)
TRIALS = (
    "1\t1000.000\t2.040\t118661.821\t4998.513\n2\t1000.000\t2.040\t90000.0\t91000.0\n"
    "3\t1000.000\t2.050\t5e3\t4e3\n"
)
MAPPED = {"width": "@2", "amplitude": "@3", "r_before": "@4", "r_after": "@5"}
UNITS = {"width": "ns", "amplitude": "V", "r_before": "ohm", "r_after": "ohm"}


def write(tmp_path, text, name="data.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_counts_with_a_device_column(tmp_path):
    path = write(tmp_path, COUNTS)
    dataset = charz.read(
        path,
        "pulse_switching",
        {"device": "wire"},
        {"amplitude": "mV"},
        device_family="domain-wall",
        temperature=295.0,
        instrument="pulser",
    )
    assert dataset["device"].values.tolist() == ["w1", "w2"]
    np.testing.assert_array_equal(dataset["amplitude"], [[0.1, 0.3, np.nan], [0.1, 0.2, 0.3]])
    np.testing.assert_array_equal(dataset["num_switched"], [[10, 30, 0], [10, 20, 30]])
    np.testing.assert_array_equal(dataset["width"][1], [20e-9] * 3)
    assert dataset["amplitude"].attrs == {"units": "V", "long_name": "pulse amplitude"}
    assert dataset.attrs["source_sha256"] == sha256(path)
    assert dataset.attrs["source_file"] == "data.csv"
    assert dataset.attrs["charz_version"] == charz.__version__
    assert dataset.attrs["temperature"] == 295.0
    assert (dataset.attrs["device_family"], dataset.attrs["instrument"]) == ("domain-wall", "pulser")
    assert json.loads(dataset.attrs["provenance"])["settings"]["columns"] == {"device": "wire"}


def test_the_flag_wins_over_the_header(tmp_path):
    path = write(tmp_path, COUNTS)
    dataset = charz.read(path, "pulse_switching", {"device": "wire"}, {"amplitude": "V"})
    assert dataset["amplitude"].max() == 300


def test_single_trials_by_a_rule(tmp_path):
    path = write(tmp_path, TRIALS)
    dataset = charz.read(path, "pulse_switching", MAPPED, UNITS, switched="r_after < 20e3")
    np.testing.assert_array_equal(dataset["num_trials"], [[2, 1]])
    np.testing.assert_array_equal(dataset["num_switched"], [[1, 1]])
    np.testing.assert_allclose(dataset["r_before_mean"], [[(118661.821 + 90000) / 2, 5e3]])
    assert dataset["device"].values.tolist() == ["data"]
    assert dataset.attrs["switched_rule"] == "r_after < 20e3"
    assert dataset.attrs["unused_columns"] == ["@1"]

    kept = charz.read(
        path, "pulse_switching", MAPPED, UNITS, switched="r_after < 20e3", where="r_before > 30e3"
    )
    np.testing.assert_array_equal(kept["num_trials"], [[2]])
    assert (kept.attrs["num_rows_read"], kept.attrs["num_rows_kept"]) == (3, 2)


def test_rules_are_in_the_units_of_the_file_and_may_use_headers(tmp_path):
    path = write(tmp_path, "amplitude,r (kohm)\n100,5\n100,50\n200,7\n")
    dataset = charz.read(
        path, "pulse_switching", units={"amplitude": "mV"}, switched="r < 20", where="amplitude < 150"
    )
    np.testing.assert_array_equal(dataset["num_switched"], [[1]])
    assert "r_mean" not in dataset
    # A unit for it means that it is wanted.
    kept = charz.read(path, "pulse_switching", units={"amplitude": "mV", "r": "ohm"}, switched="r < 20")
    np.testing.assert_array_equal(kept["r_mean"], [[27.5, 7]])


def test_a_zero_one_column(tmp_path):
    path = write(tmp_path, "amplitude (V),switched\n1,0\n1,1\n2,1\n")
    dataset = charz.read(path, "pulse_switching")
    np.testing.assert_array_equal(dataset["num_switched"], [[1, 1]])
    assert dataset.attrs["switched_rule"] == "switched"


def test_several_files_are_devices_of_one_dataset(tmp_path):
    text = "amplitude (V),num_trials,num_switched\n1,10,1\n2,10,9\n"
    paths = [write(tmp_path, text, "a.csv"), write(tmp_path, text + "3,10,10\n", "b.csv")]
    dataset = charz.read(paths, "pulse_switching")
    assert dict(dataset.sizes) == {"device": 2, "setting": 3}
    assert dataset["num_trials"].values.tolist() == [[10, 10, 0], [10, 10, 10]]
    assert dataset.attrs["source_file"] == ["a.csv", "b.csv"]
    (tmp_path / "again").mkdir()
    paths.append(write(tmp_path / "again", text, "a.csv"))
    dataset = charz.read(paths, "pulse_switching")
    assert sorted(dataset["device"].values.tolist())[0] == "again/a"
    with pytest.raises(ReadError, match=r"a\.csv: is named twice"):
        charz.read([paths[0], paths[0]], "pulse_switching")


def test_a_missing_value_can_be_left_out(tmp_path):
    path = write(tmp_path, "amplitude (V),r\n1,5\n1,\n2,7\n")
    with pytest.raises(
        ReadError, match=r"line 3, column r \(r\): the cell is empty or NaN .*--where 'r == r'"
    ):
        charz.read(path, "pulse_switching", switched="r < 6")
    dataset = charz.read(path, "pulse_switching", switched="r < 6", where="r == r")
    assert dataset["num_trials"].values.tolist() == [[1, 1]]


def test_an_unknown_drive_unit_stays_symbolic(tmp_path):
    path = write(tmp_path, "amplitude,num_trials,num_switched\n4.6,10,1\n")
    dataset = charz.read(path, "pulse_switching", units={"amplitude": "arb"})
    assert dataset["amplitude"].attrs["units"] == "arb"
    assert dataset["amplitude"].item() == 4.6


GOOD = "amplitude (V),num_trials,num_switched\n1,10,1\n2,10,9\n"


@pytest.mark.parametrize(
    ("text", "options", "error", "words"),
    [
        (GOOD, {"experiment": "pulse"}, SchemaError, "did you mean|Valid"),
        (GOOD, {"units": {"r": "ohm"}}, ReadError, "--unit r=ohm belongs to no column"),
        (GOOD, {"units": {"width": "ns"}}, ReadError, "--unit width=ns belongs to no column"),
        (GOOD, {"temperature": -3.0}, SchemaError, "temperature = -3.0 K"),
        (GOOD, {"columns": {"width": "num_trials"}}, UnitError, "--unit width=s"),
        (
            GOOD,
            {"columns": {"width": "num_trials"}, "units": {"width": "arb"}},
            UnitError,
            "cannot have the unit",
        ),
        (GOOD, {"units": {"amplitude": "ns"}}, UnitError, "wrong dimension"),
        (GOOD.replace(" (V)", ""), {}, UnitError, "--unit amplitude=V"),
        (GOOD.replace(" (V)", " (peak)"), {}, UnitError, "unit 'peak' is unknown"),
        (GOOD.replace("amplitude", "volts"), {}, ReadError, "needs 'amplitude'.*--column amplitude=SOURCE"),
        (GOOD.replace("num_switched", "k"), {}, ReadError, "map both num_trials and num_switched"),
        (GOOD, {"switched": "amplitude > 1"}, ReadError, "both counts"),
        (
            GOOD.replace("num_trials", "switched"),
            {"columns": {"num_switched": "num_switched"}},
            ReadError,
            "both",
        ),
        (
            GOOD.replace("num_trials,num_switched", "switched,x"),
            {},
            SchemaError,
            "line 2: switched = 10; .* 0 or 1",
        ),
        (GOOD, {"where": "amplitude > 9"}, ReadError, "keeps none of the 2 rows"),
        (GOOD, {"where": "amplitud > 1"}, ExpressionError, "did you mean 'amplitude'"),
        (GOOD, {"where": "amplitude >"}, ExpressionError, "ends too early"),
        (
            "device,amplitude (V),num_trials,num_switched\na,1,10,1\n,2,10,1\n",
            {},
            ReadError,
            "line 3: .* empty",
        ),
    ],
)
def test_what_is_refused(tmp_path, text, options, error, words):
    path = write(tmp_path, text)
    with pytest.raises(error, match=words) as caught:
        charz.read(path, **{"experiment": "pulse_switching", **options})
    assert isinstance(caught.value, CharzError)


def test_no_file():
    with pytest.raises(ReadError, match="no file was given"):
        charz.read([], "pulse_switching")


def test_files_that_do_not_fit_together(tmp_path):
    first = write(tmp_path, GOOD, "a.csv")
    wider = write(tmp_path, "amplitude (V),width (s),num_trials,num_switched\n1,1,10,1\n", "wider.csv")
    with pytest.raises(ReadError, match="same in every file"):
        charz.read([first, wider], "pulse_switching")
    amperes = write(tmp_path, GOOD.replace("(V)", "(mA)"), "b.csv")
    with pytest.raises(UnitError, match="amplitude is in A, but in V in the first file"):
        charz.read([first, amperes], "pulse_switching")
