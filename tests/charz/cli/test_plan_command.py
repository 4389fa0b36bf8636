"""`charz plan` from outside: a ranked table, a file, a plot; what is missing is said."""

import json

import jax
import pytest

from charz.fitting import fit
from charz.store import load_result

CANDIDATES = """
[cost]
per_device = "10 min"
per_setting = "1 min"
[candidates.more]
devices = 3
[candidates.again]
devices = "measured"
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    from charz.datasets.simulate import simulate_wires, wires_dataset

    folder = tmp_path_factory.mktemp("plan")
    wires = wires_dataset(simulate_wires(jax.random.key(1), num_wires=4, num_settings=7, num_trials=20))
    posterior = fit(wires, "logistic-plain", key=jax.random.key(0), draws=300, warmup=300, chains=2)
    posterior.save(folder / "posterior.nc")
    (folder / "candidates.toml").write_text(CANDIDATES, encoding="utf-8")
    return folder, 0 if posterior.converged else 3


def test_ranks_by_what_an_hour_gives(files, charz, tmp_path):
    folder, expected = files
    code, out, err = charz(
        "plan", folder / "posterior.nc", "--candidates", folder / "candidates.toml", "--target", "location_sd",
        "-o", tmp_path / "plan.nc", "--plot", tmp_path / "plan.png", "--json",
    )  # fmt: skip
    assert code == expected, err
    found = json.loads(out)
    assert [row["candidate"] for row in found["candidates"]] == ["more", "again"]
    assert found["candidates"][0]["measurement"] == "3 new devices, as before"
    assert found["candidates"][0]["sd_after"] < found["sd_before"]
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    stored = load_result(tmp_path / "plan.nc")
    assert stored["candidate"].to_numpy().tolist() == ["more", "again"]
    assert json.loads(stored.attrs["provenance"])["sources"].keys() == {"posterior.nc", "candidates.toml"}


@pytest.fixture
def planned(files, charz, tmp_path):
    """Predict with some draws and reads, look whether the file names the draws, and plan by it."""

    def run(num_draws, *options):
        folder, expected = files
        code, _, err = charz(
            "predict", "--scheme", "mean-variance", "--device", folder / "posterior.nc", "--data", "iris",
            "--draws", str(num_draws), "--arrays", "1", "--seeds", "1", *options, "-o", tmp_path / "prediction.nc",
        )  # fmt: skip
        assert code == expected, err
        numbers = load_result(tmp_path / "prediction.nc")["posterior_draw"]
        assert numbers.shape == (num_draws,)
        assert len(set(numbers.to_numpy().tolist())) == num_draws
        return charz(
            "plan", folder / "posterior.nc", "--candidates", folder / "candidates.toml",
            "--prediction", tmp_path / "prediction.nc", "--json",
        )  # fmt: skip

    return run


def test_predicted_accuracy_is_narrowed(files, planned):
    """How well networks do that have hardly begun to learn follows the population of their wires."""
    code, out, err = planned(48, "--num-reads", "64", "--epochs", "5", "--repeats", "1")
    assert code == files[1], err
    found = json.loads(out)
    assert found["target"] == "accuracy"
    assert all(row["sd_after"] < found["sd_before"] for row in found["candidates"])


def test_a_prediction_of_too_few_draws_is_refused(planned):
    code, _, err = planned(5, "--num-reads", "64", "--epochs", "1", "--repeats", "1")
    assert (code, err.count("\n")) == (2, 1)
    assert "the prediction has 5 draws" in err
    assert "--draws 64" in err


@pytest.mark.parametrize("more", [[], ["--target", "location_sd", "--prediction", "prediction.nc"]])
def test_one_thing_to_narrow(files, charz, more):
    folder, _ = files
    code, _, err = charz("plan", folder / "posterior.nc", "--candidates", folder / "candidates.toml", *more)
    assert code == 2
    assert "one of the two" in err
