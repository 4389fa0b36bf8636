"""A dopant network's record as text and as arrays, and three members that are never opened."""

import numpy as np
import pytest

import charz
from charz.cli.app import main
from charz.datachecks import check_data
from charz.errors import ReadError, UnitError

FOLDER = "dnpu-brainspy-smg"
TEXT, ARRAYS = f"{FOLDER}-transfer.toml", f"{FOLDER}-transfer-npz.toml"


@pytest.fixture(scope="module")
def folder(measured_root):
    return measured_root / FOLDER


@pytest.fixture(scope="module")
def dataset(folder, convert):
    return convert(folder / "IO.dat", TEXT)


@pytest.fixture(scope="module")
def arrays(folder, descriptions):
    return charz.read(folder, description=descriptions / ARRAYS)


def test_the_output(dataset, printed):
    assert dict(dataset.sizes) == {"sample": 100, "electrode": 7}
    output = dataset["current"].values
    assert output.mean() == printed("1.2988", scale=1e-9)
    assert output.std(ddof=1) == printed("1.4055", scale=1e-9)
    assert np.corrcoef(output[:-1], output[1:])[0, 1] == printed("0.9735")


def test_a_linear_regression_is_not_identified(dataset, printed):
    design = np.column_stack([np.ones(100), dataset["voltage"].values])
    assert design.shape == (100, 8)
    assert np.linalg.matrix_rank(design) == 6
    output = dataset["current"].values * 1e9
    residual = output - design @ np.linalg.lstsq(design, output, rcond=None)[0]
    assert 1 - residual.var() / output.var() == printed("0.8426")


@pytest.mark.parametrize(
    ("check", "words"), [("inputs", "rank 6 of 8"), ("serial_correlation", "lag-1 correlation 0.97")]
)
def test_the_data_check_says_so(dataset, check, words):
    (found,) = (finding for finding in check_data(dataset) if finding.check == check)
    assert words in found.seen


def test_text_and_arrays_are_equal(dataset, arrays):
    np.testing.assert_array_equal(dataset["voltage"].values, arrays["voltage"].values)
    np.testing.assert_array_equal(dataset["current"].values, arrays["current"].values)


def test_the_pickled_member_is_named_and_stays_closed(arrays):
    (remark,) = arrays.attrs["remarks"]
    assert "reference_batch.npz: member 'sampling_configs' is a Python pickle and is never opened" in remark


def test_asking_for_the_pickled_member_gives_the_reason(folder, descriptions):
    with pytest.raises(ReadError, match=r"'sampling_configs' cannot be read: .* is a Python pickle"):
        charz.read(folder, description=descriptions / ARRAYS, columns={"settings": "sampling_configs"})


@pytest.mark.parametrize("description", [TEXT, ARRAYS])
@pytest.mark.parametrize(("name", "tags"), [("outs.yaml", 31), ("sampler_configs.json", 11)])
def test_tagged_yaml_is_refused_under_whatever_name(folder, descriptions, name, tags, description):
    with pytest.raises(ReadError, match=rf"{name}: this is YAML .* carries {tags} tags such as '!!python/"):
        charz.read(folder / name, description=descriptions / description)


@pytest.fixture
def command(folder, descriptions, tmp_path, monkeypatch, capsys):
    """``charz convert`` on one file of the folder: exit code, standard error, and whether it wrote."""

    def run(name, description):
        out = tmp_path / "out.nc"
        words = ["charz", "convert", folder / name, "-d", descriptions / description, "-o", out]
        monkeypatch.setattr("sys.argv", list(map(str, words)))
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, capsys.readouterr().err, out.exists()

    return run


@pytest.mark.parametrize("name", ["outs.yaml", "sampler_configs.json"])
def test_the_command_line_refuses_it_in_one_line(command, name):
    code, err, written = command(name, TEXT)
    assert (code, err.count("\n"), written) == (2, 1, False)


def test_the_command_line_warns_of_the_pickled_member(command):
    code, err, written = command("reference_batch.npz", ARRAYS)
    assert (code, written) == (0, True)
    assert "member 'sampling_configs' is a Python pickle and is never opened" in " ".join(err.split())


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"voltage": "V"}, "unit of 'current' is stated nowhere .*--unit current=A"),
        ({"voltage": "V", "current": "arb"}, "'current' cannot have the unit 'arb'"),
    ],
)
def test_the_unit_of_the_output_is_asked_for(folder, units, message):
    with pytest.raises(UnitError, match=message):
        charz.read(folder / "IO.dat", "transfer", {"voltage": "Input *", "current": "Output 0"}, units)
