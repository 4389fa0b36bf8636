"""Kerr loop of a magnetic film in a LabVIEW file without ending."""

from dataclasses import replace

import numpy as np
import pytest

import charz
from charz.description import load_description
from charz.errors import ReadError, UnitError
from charz.units import to_si

FOLDER = "moke-labview-lvm"
DESCRIPTION = f"{FOLDER}-hysteresis.toml"
# The page prints Oe, the dataset holds A/m.
OERSTED = to_si(1.0, "Oe", "field")[0].item()


@pytest.fixture(scope="module")
def file(measured_root):
    return measured_root / FOLDER / "hyst-loop-data"


@pytest.fixture(scope="module")
def loop(file, descriptions):
    said = replace(load_description(descriptions / DESCRIPTION), extract=())
    return charz.read(file, description=said)


@pytest.fixture(scope="module")
def coercivity(file, convert):
    return convert(file, DESCRIPTION)


def test_the_loop(loop, printed):
    field = loop["field"].values[0, 0] / OERSTED
    assert field.size == 1000
    assert (field.min(), field.max()) == (printed("-332.07"), printed("+366.79"))
    assert np.argmin(field) == 501
    # The first step goes the wrong way: the highest field is that of the second point.
    assert np.argmax(field) == 1
    assert (np.diff(field[1:502]) < 0).mean() > 0.9
    assert (loop["field"].attrs["units"], loop["signal"].attrs["units"]) == ("A/m", "V")


@pytest.mark.parametrize(
    ("branch", "field", "width", "error", "residual"),
    [("falling", "-89.96", "1.34", "0.06", "2.7e-4"), ("rising", "+119.49", "0.68", "0.11", "2.6e-4")],
)
def test_the_branches_are_fitted_apart(coercivity, printed, branch, field, width, error, residual):
    one = coercivity.sel(device=f"film {branch}").isel(cycle=0)
    assert float(one["coercive_field_signed"]) == printed(field, scale=OERSTED)
    assert float(one["threshold"]) == abs(float(one["coercive_field_signed"]))
    assert float(one["switching_width"]) == printed(width, scale=OERSTED)
    assert float(one["switching_width_error"]) == printed(error, scale=OERSTED)
    assert float(one["residual_sd"]) == printed(residual)


def test_the_loop_is_shifted(coercivity, printed):
    assert coercivity["coercive_field"].values.item() == printed("104.7", scale=OERSTED)
    assert coercivity["loop_shift"].values.item() == printed("+14.8", scale=OERSTED)


def test_saturation(coercivity, printed):
    assert coercivity["saturation_difference"].values.item() == printed("0.01858")
    assert coercivity["noise_sd"].values.item() == printed("2.5e-4")


def test_the_width_is_an_upper_bound(coercivity):
    assert coercivity["width_resolved"].values.ravel().tolist() == [0, 0]
    step = coercivity["field_step"].values.ravel() / OERSTED
    assert ((step > 1.5) & (step < 2.2)).all()
    assert (coercivity["switching_width"].values < coercivity["field_step"].values).all()
    assert "upper bound" in coercivity["switching_width"].attrs["comment"]


def test_the_field_steps_over_the_switch(loop, coercivity, printed):
    field = loop["field"].values[0, 0] / OERSTED
    steps = []
    for branch, points in (("falling", field[1:502]), ("rising", field[501:])):
        one = coercivity.sel(device=f"film {branch}").isel(cycle=0)
        centre, width = (float(one[name]) / OERSTED for name in ("coercive_field_signed", "switching_width"))
        distance = np.abs(points - centre)
        assert (distance < width).sum() in (1, 2)
        nearest = np.argmin(distance)
        steps.extend(np.abs(np.diff(points[nearest - 3 : nearest + 4])))
    assert (min(steps), max(steps)) == (printed("1.5"), printed("2.2"))


def test_the_header_gives_metadata_and_no_time(loop):
    metadata = loop.attrs["source_metadata"]
    assert {"Separator: Tab", "Decimal_Separator: .", "Multi_Headings: Yes", "X_Columns: No"} <= {*metadata}
    # Delta_X of 1.0 is no time step.
    assert set(loop.data_vars) == {"field", "signal"}
    assert loop.attrs["unused_columns"] == ["Untitled", "X_Value"]


def test_channels_called_untitled_are_asked_for(file):
    with pytest.raises(ReadError, match=r"hysteresis needs 'field' .*--column field=SOURCE"):
        charz.read(file, "hysteresis")


def test_units_are_asked_for(file):
    with pytest.raises(UnitError, match="unit of 'field' is stated nowhere"):
        charz.read(file, "hysteresis", {"field": "Untitled 1", "signal": "Untitled 2"})
