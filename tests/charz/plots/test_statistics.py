"""Plots of checked statistics and of what a prior expects: what stands on the axes and where the lines are."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from charz.plots.expected import expected_figure, plot_expected
from charz.plots.statistics import plot_statistics, statistics_figure


def statistic(name="scatter", passed=True, seen=3.0, drawn=None):
    drawn = np.random.default_rng(0).normal(0.0, 1.0, 500) if drawn is None else np.asarray(drawn, float)
    return SimpleNamespace(
        name=name,
        meaning="scatter of all counts",
        p_value=0.5 if passed else 0.001,
        passed=passed,
        seen=np.broadcast_to(seen, drawn.shape),
        drawn=drawn,
    )


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def test_a_panel_each_with_the_measured_value_as_a_line():
    statistics = [statistic(), statistic("drift", False, -8.0), *(statistic(str(i)) for i in range(3))]
    panels = shown(statistics_figure(statistics, "title"))
    assert [axes.get_title() for axes in panels[:2]] == ["scatter, p = 0.5", "drift, p = 0.001: FAILS"]
    assert len(panels) == 5
    for axes, one in zip(panels, statistics, strict=True):
        assert axes.lines[0].get_xdata()[0] == one.seen[0]
        low, high = axes.get_xlim()
        assert low < one.seen[0] < high
        assert axes.get_xlabel() == "scatter of all counts"
        assert axes.get_ylabel() == "posterior draws"


@pytest.mark.parametrize(
    "drawn", [np.zeros(100), np.full(100, np.nan), np.arange(100.0), np.full(100, 1e-12)]
)
def test_odd_distributions_are_drawn(drawn, tmp_path):
    plot_statistics([statistic(drawn=drawn, seen=0.0)], tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"


def test_no_check_applies(tmp_path):
    plot_statistics([], tmp_path / "none.png", "title")
    assert (tmp_path / "none.png").stat().st_size > 1000


def test_every_replicated_count_is_in_the_histogram():
    drawn = np.random.default_rng(1).poisson(30.0, 1000)
    (axes,) = shown(statistics_figure([statistic(drawn=drawn, seen=31.0)]))
    assert sum(patch.get_height() for patch in axes.patches) >= 0.995 * drawn.size


def outcomes(unit="S", low=1e-6, high=2e-6, num_devices=2):
    generator = np.random.default_rng(2)
    expected = np.exp(generator.uniform(np.log(low), np.log(high), (20, 5)))
    expected[3, 4] = np.nan
    attrs = {"units": unit, "long_name": "conductance after the pulse"}
    return xr.Dataset(
        {
            "expected": (("draw", "point"), expected, attrs),
            "measured": (("device", "point"), np.full((num_devices, 5), 1.5e-6), attrs),
            "setting": (
                ("device", "point"),
                np.tile(np.linspace(0, 0.5, 5), (num_devices, 1)),
                {"units": "V", "long_name": "pulse amplitude"},
            ),
        }
    )


def test_expected_beside_measured_with_units():
    left, right = expected_figure(outcomes(), "title").axes
    assert left.get_ylabel() == "conductance after the pulse (µS)"
    assert (left.get_xlabel(), right.get_xlabel()) == ("pulse amplitude (mV)",) * 2
    assert (len(left.lines), len(right.lines)) == (20, 2)
    assert left.get_yscale() == "linear"
    assert len(left.lines[3].get_xdata()) == 4
    np.testing.assert_allclose(right.lines[0].get_ydata(), 1.5)


def test_decades_are_logarithmic_and_many_devices_thinned(tmp_path):
    left, right = expected_figure(outcomes(low=1e-9, high=1e-3, num_devices=50)).axes
    assert left.get_yscale() == "log"
    assert left.get_ylabel() == "conductance after the pulse (S)"
    assert right.get_title() == "measured (20 of 50 devices shown)"
    plot_expected(outcomes(), tmp_path / "e.png", "title")
    assert (tmp_path / "e.png").read_bytes()[:4] == b"\x89PNG"
