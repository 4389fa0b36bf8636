"""`charz convert`: lab-like files to datasets, alone and on a real recording."""

import json

import numpy as np
import pytest

import charz

RADAR = (
    "--experiment pulse_switching --column width=@2 --column amplitude=@4 --column r_before=@5 --column "
    "r_after=@6 "
    "--unit width=ns --unit amplitude=V --unit r_before=ohm --unit r_after=ohm --switched 'r_after < 20e3'"
)


def write_log(folder):
    """Headerless log in the layout of an array tester: counter, width, V, V, R before, R after."""
    rng = np.random.default_rng(0)
    lines = [
        f"{n}.000\t1000.000\t2.000\t{volts:.3f}\t{rng.uniform(5e4, 2e5):.3f}\t{r:.3f}\r\n"
        for n, (volts, r) in enumerate(
            (v, r) for v in (1.6, 1.65, 1.7) for r in (9e4, 5e3 if v > 1.62 else 8e4) * 5
        )
    ]
    (folder / "log.csv").write_text("".join(lines), newline="")


def test_a_tester_log(run, tmp_path):
    write_log(tmp_path)
    code, out, err = run("convert log.csv -o out.nc " + RADAR)
    assert (code, err) == (0, "")
    assert "30 trials at 3 settings, 10 switched" in out
    assert "Columns not used: @1, @3" in out
    dataset = charz.load("out.nc")
    assert dataset["num_trials"].values.tolist() == [[10, 10, 10]]
    assert dataset["num_switched"].values.tolist() == [[0, 5, 5]]
    assert np.unique(dataset["width"]) == [1e-6]


def test_json_holds_the_same_numbers(run, tmp_path):
    write_log(tmp_path)
    code, out, err = run("convert log.csv -o out.nc --json --where 'amplitude < 1.7' --family rram " + RADAR)
    result = json.loads(out)
    assert code == 0
    assert (result["num_trials"], result["num_settings"], result["num_switched"]) == (20, 2, 5)
    assert result["attributes"]["device_family"] == "rram"
    assert result["devices"]["log"]["fraction"] == 0.25
    assert result["warnings"] == []
    assert "20 of 30 kept" in err


def test_files_are_devices(run, tmp_path):
    for name in ("w1.csv", "w2.csv"):
        (tmp_path / name).write_text("amplitude (mV),num_trials,num_switched\n100,10,1\n200,10,9\n")
    assert run("convert w1.csv w2.csv -o out.nc --experiment pulse_switching")[0] == 0
    assert charz.load("out.nc")["device"].values.tolist() == ["w1", "w2"]


def test_an_older_result_is_replaced_and_equal_input_gives_equal_bytes(run, tmp_path):
    write_log(tmp_path)
    (tmp_path / "out.nc").write_text("older")
    assert run("convert log.csv -o out.nc " + RADAR)[0] == 0
    first = (tmp_path / "out.nc").read_bytes()
    assert run("convert log.csv -o out.nc " + RADAR)[0] == 0
    assert (tmp_path / "out.nc").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "out.nc"]


def test_help_names_units_and_examples(run):
    code, out, _ = run("convert --help")
    assert code == 0
    for word in ("--column", "amplitude=@4", "--unit", "r_after < 20e3", "KELVIN", "--reader"):
        assert word in out


@pytest.mark.parametrize(
    ("where", "trials"), [("", 30100), ("--where 'r_before > 30e3'", 29033)], ids=["all", "start high"]
)
def test_a_real_recording(run, measured_root, where, trials):
    source = measured_root / "rram-1t1r-radar" / "fppv-sweep-1us-4-2-21.csv"
    code, out, _ = run(f"convert -o fppv.nc --json {RADAR} {where}", source)
    result = json.loads(out)
    assert code == 0
    assert (result["num_settings"], result["num_trials"]) == (301, trials)
    dataset = charz.load("fppv.nc")
    if not where:
        assert (dataset["num_trials"] == 100).all()
        fractions = (dataset["num_switched"] / dataset["num_trials"]).values[0]
        found = dict(zip(np.round(dataset["amplitude"].values[0], 3), fractions, strict=True))
        # The source's printed fractions.
        assert [round(found[v], 2) for v in (1.6, 1.62, 1.63, 1.64, 1.65, 1.7)] == [
            0.06,
            0.13,
            0.32,
            0.68,
            0.91,
            1,
        ]
    np.testing.assert_allclose(dataset["amplitude"].values[0], np.arange(301) / 100, atol=1e-12)
