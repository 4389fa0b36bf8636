"""`charz reproduce`: a paper's table beside its targets."""

import json

import pytest
import xarray as xr

from charz.learning.reproductions import PAPERS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["li2022"], ["li2022", "ellis2023"]),
        (["li2023", "--scale", "half"], ["half", "quick"]),
        (["li2023", "--seeds", "0"], ["--seeds is 0"]),
    ],
)
def test_bad_input_is_one_line(run, arguments, words):
    code, _, err = run("reproduce", *arguments)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert all(word in err for word in words)


@pytest.mark.slow
@pytest.mark.parametrize("paper", PAPERS)
def test_quick_reproduction(run, tmp_path, paper):
    path = tmp_path / "table.nc"
    code, out, _ = run("reproduce", paper, "--seeds", "2", "--json", "-o", path)
    result, table = json.loads(out), xr.load_dataset(path)
    assert code == 0
    assert [row["what"] for row in result["rows"]] == list(table["row"].values)
    assert all(0 < row["mean"] <= 1 for row in result["rows"])
    assert list(table.attrs["differs"]) == result["differs"]
    assert table.attrs["paper"] == PAPERS[paper].source
