import numpy as np
import pytest
import xarray as xr
from scipy import stats

from charz.plots.switching import drive_label, plot_switching, switching_figure, wilson_interval


def curves(num_devices, unit="V", population=True):
    drive = np.linspace(0.0, 4.0, 21)
    band = np.clip(np.stack([drive - 0.3, drive, drive + 0.3]) / 4, 0, 1)
    amplitude = np.tile([0.0, 2.0, 4.0, np.nan], (num_devices, 1))
    variables = {
        "device_probability": (("quantile", "device", "point"), np.stack([band] * num_devices, axis=1)),
        "amplitude": (("device", "setting"), amplitude),
        "num_trials": (("device", "setting"), np.where(np.isnan(amplitude), 0, 10)),
        "num_switched": (("device", "setting"), np.tile([0, 5, 10, 0], (num_devices, 1))),
    }
    if population:
        variables["population_probability"] = (("quantile", "point"), band)
    coords = {
        "quantile": [0.05, 0.5, 0.95],
        "drive": ("point", drive, {"units": unit}),
        "device": [f"d{i}" for i in range(num_devices)],
    }
    return xr.Dataset(variables, coords=coords)


@pytest.mark.parametrize(
    ("num_devices", "population", "panels"), [(1, False, 1), (4, True, 5), (6, False, 6), (24, True, 2)]
)
def test_panels(num_devices, population, panels):
    figure = switching_figure(curves(num_devices, population=population), "title")
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(visible) == panels
    assert all(axes.get_xlabel() == "pulse amplitude (V)" for axes in visible)
    assert all(axes.get_ylabel() == "switching probability" for axes in visible)


def test_branches_have_a_band_each_and_lost_settings_are_named():
    one = curves(2)
    several = xr.concat([one[["device_probability", "population_probability"]]] * 2, "branch")
    several = several.transpose("quantile", "branch", ...).assign_coords(
        branch=["set, 1e-08 s", "reset, 1e-08 s"]
    )
    whole = one.drop_vars(["device_probability", "population_probability"]).merge(several)
    whole["setting_branch"] = (("device", "setting"), [[0, 1, -1, -1]] * 2)
    figure = switching_figure(whole, "title")
    assert figure.get_suptitle() == "title (2 settings of other pulse widths not shown)"
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert {"90 % posterior band, set, 1e-08 s", "90 % posterior band, reset, 1e-08 s"} <= set(labels)


def test_unknown_unit_is_called_so():
    assert drive_label(curves(1, unit="arb")) == "pulse amplitude (unit not known)"


def test_file_is_whole_and_the_same_twice(tmp_path):
    for name in ("a.png", "b.png"):
        plot_switching(curves(2), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with pytest.raises(FileNotFoundError):
        plot_switching(curves(2), tmp_path / "nowhere" / "c.png")


@pytest.mark.parametrize(("switched", "trials"), [(0, 20), (3, 20), (20, 20)])
def test_interval_is_wilsons(switched, trials):
    reference = stats.binomtest(switched, trials).proportion_ci(0.9, method="wilson")
    found = wilson_interval(np.array([switched]), np.array([trials]))
    np.testing.assert_allclose(np.ravel(found), (reference.low, reference.high), atol=1e-12)
