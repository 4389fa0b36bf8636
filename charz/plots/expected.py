"""Prior predictive look: what a model expects before the data, beside what was measured."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from charz.atomic import replacing
from charz.plots.axis import scale_of, shown_of, spaced

MAX_DEVICES = 20
# Draws of a wide prior may lie many decades apart; beyond this ratio the axis is logarithmic.
LOG_ABOVE = 300.0
EDGES = (0.01, 0.99)
MARKERS_UP_TO = 200


def plot_expected(outcomes: xr.Dataset, path: Path | str, title: str = "") -> None:
    """Draw outcomes of prior draws, and the measured ones on the same axes, to a PNG file.

    Parameters
    ----------
    outcomes : Dataset
        As `charz.fitting.prior_expectation.expected_outcomes` gives it.
    path : path
        Replaced only when the new file is complete.
    title : str
    """
    figure = expected_figure(outcomes, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def expected_figure(outcomes: xr.Dataset, title: str = "") -> Figure:
    """Build the figure of `plot_expected` without writing it."""
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    across = scale_of(outcomes["setting"])
    expected, measured = outcomes["expected"].to_numpy(), outcomes["measured"].to_numpy()
    everything = np.concatenate([expected.ravel(), measured.ravel()])
    logarithmic = _spans_decades(everything)
    # A prefix before the unit of a logarithm, as in mln(ohm), would mean nothing.
    of_logarithm = str(outcomes["measured"].attrs["units"]).startswith("ln(")
    up = scale_of(outcomes["measured"], prefixed=not (logarithmic or of_logarithm))
    setting = outcomes["setting"].to_numpy() / across.factor
    for draw in range(len(expected)):
        left.plot(*_ordered(setting[0], expected[draw] / up.factor), linewidth=0.8, alpha=0.7, color="C0")
    devices = spaced(len(measured), MAX_DEVICES)
    marker = "." if setting.shape[1] <= MARKERS_UP_TO else ""
    for device in devices:
        x, y = _ordered(setting[device], measured[device] / up.factor)
        right.plot(x, y, marker=marker, markersize=3, linewidth=0.8, alpha=0.7, color="0.3")
    if logarithmic:
        left.set_yscale("log")
    shown = shown_of(len(devices), len(measured), "devices")
    left.set_title(f"expected: {len(expected)} draws from the prior, one device each", fontsize=9)
    right.set_title("measured" + (f" ({shown})" if shown else ""), fontsize=9)
    left.set_ylabel(up.label)
    for axes in (left, right):
        axes.set_xlabel(across.label)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    return figure


def _ordered(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Points that exist, in the order of the setting."""
    order = np.argsort(x, kind="stable")
    order = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    return x[order], y[order]


def _spans_decades(values: NDArray[np.float64]) -> bool:
    values = values[np.isfinite(values)]
    if values.size == 0 or values.min() <= 0:
        return False
    low, high = np.quantile(values, EDGES)
    return bool(high > LOG_ABOVE * low)
