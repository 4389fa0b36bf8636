"""One line of text: order, extremes, NaN, constants."""

import subprocess
import sys

import numpy as np
import pytest

from charz.plots.sparkline import ASCII, BLOCKS, extreme_indices, histogram_line, sparkline

rng = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        (range(8), 60, "▁▂▃▄▅▆▇█"),
        ([3, 1, 3], 60, "█▁█"),
        ([0, np.nan, 1], 60, "▁ █"),
        ([5, 5, 5], 60, "▅▅▅"),
        ([5, np.nan], 60, "▅ "),
        ([np.nan, np.nan], 60, "  "),
        ([], 60, ""),
        ([-1e308, 1e308], 60, "▁█"),
        ([7], 60, "▅"),
    ],
)
def test_lines(values, width, line):
    assert sparkline(values, width) == line


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([0] * 8 + [1] * 4, 2, "█▄"),
        ([0] * 4 + [2] * 4, 3, "██"),
        (np.repeat([0.0, 5.0, 10.0], [8, 0, 8]), 4, "█  █"),
        ([2, 2, 2], 10, "█"),
        ([np.nan], 10, ""),
        ([], 10, ""),
        ([1, np.nan, 2], 10, "█"),
    ],
)
def test_histograms(values, width, line):
    assert histogram_line(values, width) == line


def test_a_histogram_counts_its_values():
    values = rng.standard_normal(100_000)
    line = histogram_line(values, 40)
    assert len(line) == 40
    assert line[20] == "█" or line[19] == "█"
    assert all(character in BLOCKS + " " for character in line)


def test_ascii_only():
    assert sparkline(range(8), ascii_only=True) == ASCII
    assert set(histogram_line(rng.standard_normal(1000), 30, ascii_only=True)) <= set(ASCII + " ")


@pytest.mark.parametrize("size", [61, 100, 12_345, 1_000_001])
@pytest.mark.parametrize("width", [2, 3, 60])
def test_no_peak_is_lost(size, width):
    values = rng.standard_normal(size)
    for place in (0, size // 3, size - 1):
        trace = values.copy()
        trace[place] = 50.0
        line = sparkline(trace, width)
        assert len(line) <= width
        assert line.count("█") == 1
        assert line.index("█") / len(line) == pytest.approx(place / size, abs=2 / width)


def test_indices_rise_and_hold_both_extremes():
    values = rng.standard_normal(10_007)
    values[500:900] = np.nan
    kept = extreme_indices(values, 200)
    assert kept.size <= 200
    assert (np.diff(kept) >= 0).all()
    assert {int(np.nanargmin(values)), int(np.nanargmax(values))} <= set(kept.tolist())


def test_short_traces_are_kept_whole():
    np.testing.assert_array_equal(extreme_indices(np.arange(10.0), 10), np.arange(10))


def test_only_numpy_is_imported():
    script = (
        "import sys, charz.plots.sparkline\n"
        "sys.exit(str({'matplotlib', 'xarray', 'jax'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stderr.strip() == ""
